"""What stands in the day report."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection

from db import ledger_reports, report_figures, report_trends
from ops.reports.cells import Column, Row, column, money_column, short_length
from ops.reports.contents import totals
from ops.reports.report import MILLISECONDS, Chart, Report, Section
from ops.reports.words import BAD_OUTCOMES, TROUBLED_OUTCOMES, capital, plain, provider_name, went_well

DAY: Final = timedelta(days=1)
FORTNIGHT: Final = 14 * DAY  # how far back the figures by day go
FINISHED_BACK: Final = 30 * DAY  # what began earlier took longer than a time to finish can tell

# Ages by which open flows are counted, each up to the next.
AGES: Final = (timedelta(hours=1), timedelta(hours=6), DAY, 3 * DAY, 7 * DAY)
_AGE_NAMES: Final = ("under 1 h", "1 h to 6 h", "6 h to 1 d", "1 d to 3 d", "3 d to 7 d", "over 7 d")
_ENDS: Final = ("succeeded", "ended_otherwise", "under_way")
_FAILED: Final = BAD_OUTCOMES | TROUBLED_OUTCOMES


def midnight(moment: datetime) -> datetime:
    """When that moment's day began, in UTC."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def daily(connection: Connection, day: datetime) -> Report:
    """What happened on one day, in UTC; `day` is its midnight. What is open is told as of now."""
    until = day + DAY
    flows = report_figures.flows_of(connection, day, until)
    assets = ledger_reports.trial_balance(connection)
    desk = report_figures.desk_of(connection, day, until)
    return Report(
        title=f"Day report {day.date().isoformat()}",
        made_at=report_figures.now(connection),
        facts=[
            ("opened", str(sum(row["flows"] for row in flows))),
            ("parked", str(sum(row["parked"] for row in flows))),
            ("came in", totals(flows, "amount")),
            ("went on", totals(flows, "amount_out", "asset_out")),
            ("ledger", "balances" if not any(assets.values()) else "DOES NOT BALANCE"),
            *((name.replace("_", " "), str(number)) for name, number in desk.items()),
        ],
        sections=[
            _kinds(flows),
            _flows(flows),
            _hours(report_figures.flows_by_hour(connection, day, until)),
            _times(report_trends.finished(connection, day, until, back=FINISHED_BACK)),
            _ages(report_trends.open_by_age(connection, list(AGES))),
            _providers(report_trends.calls_of(connection, day, until)),
            _breaks(report_trends.breaks_by_day(connection, until - FORTNIGHT, until)),
            _at_risk(report_trends.at_risk_by_day(connection, until - FORTNIGHT, until)),
            _events(report_figures.events_of(connection, day, until)),
        ],
    )


def _kinds(flows: Sequence[Row]) -> Section:
    rows: dict[str, dict[str, Any]] = {}
    for flow in flows:
        kind = flow["kind"]
        row = rows.setdefault(kind, {"kind": kind, "opened": 0, **dict.fromkeys(_ENDS, 0)})
        well, otherwise, under_way = _ENDS
        went = under_way if not flow["is_over"] else well if went_well(kind, flow["state"]) else otherwise
        row["opened"] += flow["flows"]
        row[went] += flow["flows"]
    return Section(
        key="kinds",
        title="Volume and success by kind",
        none="none was opened",
        columns=[column("kind"), *(column(key, right=True) for key in ("opened", *_ENDS))],
        rows=list(rows.values()),
        charts=[
            Chart(
                "Opened that day, by what became of them",
                [(capital(plain(kind)), [row[end] for end in _ENDS]) for kind, row in rows.items()],
                [end.replace("_", " ") for end in _ENDS],
            )
        ],
    )


def _flows(flows: Sequence[Row]) -> Section:
    return Section(
        key="flows",
        title="Flows opened that day",
        none="none was opened",
        columns=[
            column("kind"),
            column("state"),
            column("flows", right=True),
            column("parked", right=True),
            money_column("came in"),
            money_column("went on", "amount_out", "asset_out"),
            column("median_time", "median time", right=True),
        ],
        rows=flows,
    )


def _hours(found: Sequence[Row]) -> Section:
    flows = {row["hour"]: row["flows"] for row in found}
    hours = [{"hour": hour, "flows": flows.get(hour, 0)} for hour in map("{:02}".format, range(24))] if flows else []
    return Section(
        key="hours",
        tabled=False,
        title="Flows opened by hour",
        none="none was opened",
        columns=[column("hour", "hour (UTC)"), column("flows", right=True)],
        rows=hours,
        charts=[Chart("Flows opened in each hour", [(row["hour"], (row["flows"],)) for row in hours])],
    )


def _times(times: Sequence[Row]) -> Section:
    return Section(
        key="times",
        title="Time to finish",
        none="none was finished",
        columns=[
            column("kind"),
            column("flows", "finished", right=True),
            Column("p50", lambda row: short_length(row["p50"]), right=True),
            Column("p99", lambda row: short_length(row["p99"]), right=True),
        ],
        rows=times,
        charts=[
            Chart(
                "Of those that were over that day",
                [(capital(plain(row["kind"])), (_ms(row["p50"]), _ms(row["p99"]))) for row in times],
                ("p50", "p99"),
                MILLISECONDS,
            )
        ],
    )


def _ages(found: Sequence[Row]) -> Section:
    by_place = {row["place"]: row for row in found}
    rows: list[dict[str, Any]] = [
        {
            "age": name,
            "moving": by_place[place]["flows"] - by_place[place]["parked"] if place in by_place else 0,
            "parked": by_place[place]["parked"] if place in by_place else 0,
        }
        for place, name in enumerate(_AGE_NAMES)
    ]
    return Section(
        key="ages",
        tabled=False,
        title="Age of what is open",
        columns=[column("age"), column("moving", right=True), column("parked", right=True)],
        rows=rows,
        charts=[
            Chart(
                "Open flows, when this was made",
                [(row["age"], (row["moving"], row["parked"])) for row in rows],
                ("moving", "parked"),
            )
        ],
    )


def _providers(calls: Sequence[Row]) -> Section:
    rows: list[dict[str, Any]] = []
    for provider, group in groupby(calls, key=lambda row: row["provider"]):
        outcomes = [(row["outcome"], row["calls"]) for row in group]
        failed = sum(count for outcome, count in outcomes if outcome in _FAILED)
        made = sum(count for _, count in outcomes)
        rows.append({"provider": provider, "attempts": made, "succeeded": made - failed, "failed": failed})
    return Section(
        key="providers",
        title="Volume and success by provider",
        none="nobody was asked",
        columns=[column("provider"), *(column(key, right=True) for key in ("attempts", "succeeded", "failed"))],
        rows=rows,
        charts=[
            Chart(
                "Steps that spoke to each provider",
                [(provider_name(row["provider"]), (row["succeeded"], row["failed"])) for row in rows],
                ("succeeded", "failed"),
            )
        ],
    )


def _breaks(days: Sequence[Row]) -> Section:
    return Section(
        key="breaks",
        tabled=False,
        title="Breaks by day",
        columns=[column("day"), column("opened", right=True), column("closed", right=True)],
        rows=days,
        charts=[
            Chart(
                "Breaks of the last 14 days",
                [(row["day"], (row["opened"], row["closed"])) for row in days],
                ("opened", "closed"),
            )
        ],
    )


def _at_risk(days: Sequence[Row]) -> Section:
    return Section(
        key="at_risk",
        tabled=False,
        title="Amount at risk at the end of each day",
        none="nothing was at risk",
        columns=[
            column("asset"),
            column("day"),
            money_column("in dead letters", "letters"),
            money_column("in breaks", "breaks"),
        ],
        rows=days,
        charts=[
            Chart(
                f"{asset} at risk; the same money may be in both",
                [(row["day"], (int(row["letters"]), int(row["breaks"]))) for row in group],
                ("dead letters", "breaks"),
                asset,
            )
            for asset, group in groupby(days, key=lambda row: str(row["asset"]))
        ],
    )


def _events(events: Sequence[Row]) -> Section:
    return Section(
        key="events",
        title="Events received",
        none="none was received",
        columns=[
            column("provider"),
            column("source"),
            column("state"),
            column("events", right=True),
            column("duplicates", right=True),
        ],
        rows=events,
    )


def _ms(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)
