"""What stands in the reports of the desk: dead letters, and reconciliation."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from db import report_figures
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
            ("at risk", totals(waiting, "amount")),
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
                charts=[Chart("Letters by cause", [(group["error"], (group["letters"],)) for group in groups[:12]])],
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
                charts=[
                    Chart(
                        "Letters opened on each day",
                        [(row["day"], (row["opened"] - row["waiting"], row["waiting"])) for row in days],
                        ("settled", "still waiting"),
                    )
                ],
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
            ("at risk", totals(found, "amount_at_risk")),
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
                charts=[
                    Chart("Open breaks", [(f"{row['provider']} {row['type']}", (row["breaks"],)) for row in types[:12]])
                ],
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


def totals(rows: Sequence[Row], amount: str, asset: str = "asset") -> str:
    """What rows sum up to, asset by asset: "1.00 USD, 2.00 USDC"; nulls are passed over."""
    sums: dict[str, int] = {}
    for row in rows:
        if row[amount] is not None and row[asset] is not None:
            sums[str(row[asset])] = sums.get(str(row[asset]), 0) + int(str(row[amount]))
    return _amounts(sums) or "nothing"


def _amounts(totals: dict[str, int]) -> str:
    return ", ".join(money_text(minor, asset) for asset, minor in sorted(totals.items()))
