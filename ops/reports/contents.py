"""What stands in each report."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from db import ledger_reports, report_figures
from db.letter_listings import letter_groups
from ops.reports.cells import Column, Row, column, length_text, money_column, money_text
from ops.reports.report import Chart, Report, Section

MOST = 10_000  # rows of a list in a report


def dead_letters(connection: Connection, since: datetime) -> Report:
    """What waits for a person and why, and how it went since then."""
    made_at = report_figures.now(connection)
    groups = letter_groups(connection, limit=MOST)
    waiting = report_figures.waiting_letters(connection, limit=MOST)
    days = report_figures.letters_by_day(connection, since)
    return Report(
        title="Dead letters",
        made_at=made_at,
        facts=[
            ("waiting", str(sum(group["letters"] for group in groups))),
            ("customers", str(len({row["customer"] for row in waiting if row["customer"]}))),
            ("at risk", _totals(waiting, "amount")),
            ("oldest", length_text(made_at - waiting[0]["opened_at"]) if waiting else "none"),
        ],
        sections=[
            Section(
                key="groups",
                title="By cause",
                none="nothing waits",
                columns=[
                    column("fingerprint", "group"),
                    column("letters", right=True),
                    column("kind"),
                    column("step"),
                    column("error"),
                    column("blame"),
                    Column("at risk", lambda row: _amounts(row["amounts"]), right=True),
                    column("oldest_at", "oldest"),
                    column("message", "newest says"),
                ],
                rows=groups,
                chart=Chart("Letters by cause", [(group["error"], group["letters"]) for group in groups[:12]]),
            ),
            Section(
                key="waiting",
                title="Longest waiting first",
                none="nothing waits",
                columns=[
                    column("id", "letter"),
                    Column("age", lambda row: length_text(made_at - row["opened_at"]), right=True),
                    column("status"),
                    column("customer"),
                    money_column("at risk"),
                    column("step"),
                    column("error"),
                    column("message"),
                ],
                rows=waiting,
            ),
            Section(
                key="days",
                title="Opened by day",
                columns=[column("day"), column("opened", right=True), column("waiting", "still waiting", right=True)],
                rows=days,
                chart=Chart("Opened by day", [(row["day"], row["opened"]) for row in days]),
            ),
            Section(
                key="outcomes",
                title="How they ended",
                columns=[column("status"), column("resolved_by", "by"), column("letters", right=True)],
                rows=report_figures.letter_outcomes(connection, since),
            ),
        ],
    )


def reconciliation(connection: Connection, since: datetime) -> Report:
    """Where our records and the providers' differ, and the comparisons made since then."""
    made_at = report_figures.now(connection)
    types = report_figures.breaks_by_type(connection)
    found = report_figures.open_breaks(connection, limit=MOST)
    return Report(
        title="Reconciliation",
        made_at=made_at,
        facts=[
            ("open breaks", str(sum(row["breaks"] for row in types))),
            ("at risk", _totals(found, "amount_at_risk")),
            ("without an owner", str(sum(row["without_owner"] for row in types))),
        ],
        sections=[
            Section(
                key="types",
                title="Open breaks by type",
                none="none is open",
                columns=[
                    column("provider"),
                    column("type"),
                    column("breaks", right=True),
                    money_column("at risk"),
                    column("oldest_at", "oldest"),
                    column("without_owner", "without owner", right=True),
                ],
                rows=types,
                chart=Chart("Open breaks", [(f"{row['provider']} {row['type']}", row["breaks"]) for row in types[:12]]),
            ),
            Section(
                key="breaks",
                title="Open breaks, the oldest first",
                none="none is open",
                columns=[
                    column("id", "break"),
                    Column("age", lambda row: length_text(made_at - row["opened_at"]), right=True),
                    column("provider"),
                    column("type"),
                    column("subject"),
                    column("ours"),
                    column("theirs"),
                    money_column("at risk", "amount_at_risk"),
                    column("owner"),
                    column("suggested_action", "suggested"),
                ],
                rows=found,
            ),
            Section(
                key="runs",
                title="Comparisons",
                none="none was made",
                columns=[
                    column("started_at", "started"),
                    column("provider"),
                    column("since", "from"),
                    column("until"),
                    column("status"),
                    column("counts"),
                    column("error"),
                ],
                rows=report_figures.newest_runs(connection, since),
            ),
        ],
    )


def daily(connection: Connection, day: datetime) -> Report:
    """What happened on one day, in UTC; `day` is its midnight."""
    until = day + timedelta(days=1)
    flows = report_figures.flows_of(connection, day, until)
    hours = report_figures.flows_by_hour(connection, day, until)
    assets = ledger_reports.trial_balance(connection)
    desk = report_figures.desk_of(connection, day, until)
    return Report(
        title=f"Day report {day.date().isoformat()}",
        made_at=report_figures.now(connection),
        facts=[
            ("opened", str(sum(row["flows"] for row in flows))),
            ("parked", str(sum(row["parked"] for row in flows))),
            ("came in", _totals(flows, "amount")),
            ("went on", _totals(flows, "amount_out", "asset_out")),
            ("ledger", "balances" if not any(assets.values()) else "DOES NOT BALANCE"),
            *((name.replace("_", " "), str(number)) for name, number in desk.items()),
        ],
        sections=[
            Section(
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
                chart=Chart("Flows opened by hour", [(row["hour"], row["flows"]) for row in hours]),
            ),
            Section(
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
                rows=report_figures.events_of(connection, day, until),
            ),
        ],
    )


def _totals(rows: list[Row] | list[dict[str, object]], amount: str, asset: str = "asset") -> str:
    totals: dict[str, int] = {}
    for row in rows:
        if row[amount] is not None and row[asset] is not None:
            totals[str(row[asset])] = totals.get(str(row[asset]), 0) + int(str(row[amount]))
    return _amounts(totals) or "nothing"


def _amounts(totals: dict[str, int]) -> str:
    return ", ".join(money_text(minor, asset) for asset, minor in sorted(totals.items()))
