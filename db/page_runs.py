"""Comparisons for pages: runs, and what each found, a page at a time. Nothing here locks."""

# ruff: noqa: S608 (queries are put together from constants of this package; values are always parameters)

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from db.break_listings import RUN
from db.page_places import MOST, Page, Place, after_values, windowed
from db.page_reading import Rows, rows


def runs(
    connection: Connection, *, provider: str | None = None, status: str | None = None, after: Place | None = None
) -> Page:
    """Comparisons, the newest first: by ix_reconciliation_runs_started_at; a filter looks through 2,000 at a time."""
    beyond = "(r.started_at, r.id) < (:at, :id)" if after else "true"
    return windowed(
        connection,
        f"SELECT r.id, r.started_at AS at, r.provider, r.status FROM reconciliation_runs r WHERE {beyond}",
        f"{RUN} FROM chosen c JOIN reconciliation_runs r ON r.id = c.id",
        wanted={"provider": provider, "status": status},
        values=after_values(after),
    )


def run(connection: Connection, found: UUID) -> dict[str, Any] | None:
    """One comparison; None: there is none of that id. Served by the primary key."""
    shown = rows(connection, f"SELECT {RUN} FROM reconciliation_runs r WHERE r.id = :id", id=found)
    return shown[0] if shown else None


def findings(connection: Connection, found: UUID, *, after: int = 0) -> tuple[Rows, int | None]:
    """What a comparison found, in the report's order behind the line `after`, and the last line shown if more follow.

    Each with the status of its break today. Served by the primary keys of both tables.
    """
    shown = rows(
        connection,
        """
        SELECT f.number, f.break_id::text AS break, f.type, f.subject, f.flow_id::text AS flow, f.ours, f.theirs,
               f.amount_at_risk, f.asset, f.suggested_action, b.status, b.owner
          FROM (SELECT * FROM reconciliation_findings WHERE run_id = :id AND number > :after
                 ORDER BY number LIMIT :most) AS f
          JOIN breaks b ON b.id = f.break_id ORDER BY f.number
        """,
        id=found,
        after=after,
        most=MOST + 1,
    )
    return shown[:MOST], shown[MOST - 1]["number"] if len(shown) > MOST else None
