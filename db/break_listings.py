"""What lists and shows read of breaks and comparisons, and what people write on a break. Times are the database's."""

# ruff: noqa: S608 (queries are put together from constants of this package; values are always parameters)

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from db.listings import id_range
from db.report_figures import BREAK

Shown = dict[str, Any]

ORDERS: Final = {
    "newest": "b.opened_at DESC, b.id",
    "oldest": "b.opened_at, b.id",
    "amount": "b.amount_at_risk DESC NULLS LAST, b.opened_at, b.id",
}
RUN: Final = """
    r.id::text AS id, r.provider, r.since, r.until, r.source, r.status, r.started_at, r.finished_at, r.counts, r.error,
    r.asked_by
"""


def list_breaks(
    connection: Connection,
    *,
    limit: int,
    status: str | None = None,
    provider: str | None = None,
    kind: str | None = None,
    owner: str | None = None,
    flow: str | None = None,
    run: UUID | None = None,
    since: datetime | None = None,
    order: str = "newest",
) -> list[Shown]:
    """Breaks in the shape of the outside surface; `kind` is their type, `run` a comparison that found them.

    Open ones are served by ix_breaks_open; no locks.
    """
    return _rows(
        connection,
        f"""
        SELECT {BREAK} FROM breaks b
         WHERE (CAST(:status AS text) IS NULL OR b.status = :status)
           AND (CAST(:provider AS text) IS NULL OR b.provider = :provider)
           AND (CAST(:kind AS text) IS NULL OR b.type = :kind)
           AND (CAST(:owner AS text) IS NULL OR b.owner = :owner)
           AND (CAST(:flow AS text) IS NULL OR b.flow_id::text LIKE :flow || '%')
           AND (CAST(:since AS timestamptz) IS NULL OR b.opened_at >= :since)
           AND (CAST(:run AS uuid) IS NULL OR EXISTS (SELECT FROM reconciliation_findings f
                                                        WHERE f.run_id = :run AND f.break_id = b.id))
         ORDER BY {ORDERS[order]} LIMIT :limit
        """,
        limit=limit,
        status=status,
        provider=provider,
        kind=kind,
        owner=owner,
        flow=flow,
        since=since,
        run=run,
    )


def show_break(connection: Connection, found: UUID) -> Shown:
    """One break and its history, oldest first. Served by the primary key and ix_break_history_break."""
    shown = _rows(connection, f"SELECT {BREAK}, b.found_by, b.resolved_by FROM breaks b WHERE b.id = :id", id=found)[0]
    history = "SELECT at, what, by_whom, note FROM break_history WHERE break_id = :id ORDER BY id"
    return {**shown, "history": _rows(connection, history, id=found)}


def list_runs(
    connection: Connection,
    *,
    limit: int,
    provider: str | None = None,
    state: str | None = None,
    since: datetime | None = None,
) -> list[Shown]:
    """Comparisons, the newest first. Served by ix_reconciliation_runs_started_at, walked backwards."""
    return _rows(
        connection,
        f"""
        SELECT {RUN} FROM reconciliation_runs r
         WHERE (CAST(:provider AS text) IS NULL OR r.provider = :provider)
           AND (CAST(:state AS text) IS NULL OR r.status = :state)
           AND (CAST(:since AS timestamptz) IS NULL OR r.started_at >= :since)
         ORDER BY r.started_at DESC, r.id LIMIT :limit
        """,
        limit=limit,
        provider=provider,
        state=state,
        since=since,
    )


def show_run(connection: Connection, run: UUID) -> Shown:
    """One comparison and all it found, in the report's order: the same records give the same findings."""
    shown = _rows(connection, f"SELECT {RUN} FROM reconciliation_runs r WHERE r.id = :id", id=run)[0]
    findings = _rows(
        connection,
        """
        SELECT break_id::text AS break, type, subject, flow_id::text AS flow, ours, theirs, amount_at_risk, asset,
               suggested_action
          FROM reconciliation_findings WHERE run_id = :id ORDER BY number
        """,
        id=run,
    )
    return {**shown, "findings": findings}


def breaks_by_start(connection: Connection, start: str) -> list[UUID]:
    """The ids of breaks that begin so; at most two, to tell one. Served by the primary key."""
    return _by_start(connection, "breaks", start)


def runs_by_start(connection: Connection, start: str) -> list[UUID]:
    """The same for comparisons."""
    return _by_start(connection, "reconciliation_runs", start)


def _by_start(connection: Connection, table: str, start: str) -> list[UUID]:
    between = id_range(start)
    if between is None:
        return []
    ids = text(f"SELECT id FROM {table} WHERE id BETWEEN :first AND :last ORDER BY id LIMIT 2")
    return list(connection.execute(ids, {"first": between[0], "last": between[1]}).scalars())


# What people write ----------------------------------------------------------------------------------------------------


def assign(connection: Connection, found: UUID, *, owner: str | None, by: str) -> str | None:
    """Give a break to somebody (None: to nobody); whose it was. Locks its row."""
    before: str | None = connection.execute(
        text("SELECT owner FROM breaks WHERE id = :id FOR UPDATE"), {"id": found}
    ).scalar_one()
    connection.execute(text("UPDATE breaks SET owner = :owner WHERE id = :id"), {"id": found, "owner": owner})
    add_history(connection, found, "assigned" if owner else "given back", by=by, note=owner)
    return before


def type_of(connection: Connection, found: UUID) -> str:
    """A break's type. Served by the primary key."""
    kind: str = connection.execute(text("SELECT type FROM breaks WHERE id = :id"), {"id": found}).scalar_one()
    return kind


def resolve(connection: Connection, found: UUID, *, by: str, note: str) -> bool:
    """Close an open break for a person; False when it was closed already. Locks its row."""
    closed = connection.execute(
        text("""
            UPDATE breaks SET status = 'closed', closed_at = rk_now(), resolved_by = :by
             WHERE id = :id AND status = 'open'
        """),
        {"id": found, "by": by},
    ).rowcount
    if closed:
        add_history(connection, found, "resolved", by=by, note=note)
    return closed == 1


def add_history(connection: Connection, found: UUID, what: str, *, by: str, note: str | None) -> None:
    """Add a line to a break's history."""
    connection.execute(
        text("INSERT INTO break_history (break_id, what, by_whom, note) VALUES (:id, :what, :by, :note)"),
        {"id": found, "what": what, "by": by, "note": note},
    )


def _rows(connection: Connection, query: str, **values: Any) -> list[Shown]:
    return [dict(row) for row in connection.execute(text(query), values).mappings()]
