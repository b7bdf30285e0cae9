"""What lists, groups and shows read of dead letters. Nothing here locks."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.listings import LETTER, id_range


def list_letters(
    connection: Connection,
    *,
    limit: int,
    kind: str | None = None,
    status: str | None = None,
    provider: str | None = None,
    customer: str | None = None,
    fingerprint: str | None = None,
    blame: str | None = None,
    since: datetime | None = None,
) -> list[dict[str, Any]]:
    """Letters, the newest first. Served by ix_dead_letters_opened_at, walked backwards."""
    rows = connection.execute(
        text(f"""
            SELECT {LETTER}, d.amount, d.asset, d.provider FROM dead_letters d
             WHERE (CAST(:kind AS text) IS NULL OR d.kind = :kind)
               AND (CAST(:status AS text) IS NULL OR d.status = :status)
               AND (CAST(:provider AS text) IS NULL OR d.provider = :provider)
               AND (CAST(:customer AS text) IS NULL OR d.customer_id = :customer)
               AND (CAST(:fingerprint AS text) IS NULL OR d.fingerprint = :fingerprint)
               AND (CAST(:blame AS text) IS NULL OR d.blame = :blame)
               AND (CAST(:since AS timestamptz) IS NULL OR d.opened_at >= :since)
             ORDER BY d.opened_at DESC, d.id LIMIT :limit
        """),  # noqa: S608 -- a constant of this package, no value
        {
            "limit": limit,
            "kind": kind,
            "status": status,
            "provider": provider,
            "customer": customer,
            "fingerprint": fingerprint,
            "blame": blame,
            "since": since,
        },
    )
    return [dict(row) for row in rows.mappings()]


def letter_groups(connection: Connection, *, limit: int) -> list[dict[str, Any]]:
    """Open and replaying letters by cause, the largest group first.

    `amounts` maps assets to what stands at risk; `message` is the newest letter's.
    """
    rows = connection.execute(
        text("""
            WITH waiting AS (
              SELECT * FROM dead_letters WHERE status IN ('open', 'replaying')
            ), sums AS (
              SELECT fingerprint, jsonb_object_agg(asset, total) AS amounts FROM (
                SELECT fingerprint, asset, sum(amount) AS total FROM waiting WHERE asset IS NOT NULL
                 GROUP BY fingerprint, asset) s
               GROUP BY fingerprint
            )
            SELECT w.fingerprint, min(w.kind) AS kind, min(w.step) AS step, min(w.error) AS error,
                   min(w.provider) AS provider, min(w.blame) AS blame, count(*) AS letters,
                   count(*) FILTER (WHERE w.status = 'replaying') AS replaying,
                   count(DISTINCT w.customer_id) AS customers, coalesce(s.amounts, '{}') AS amounts,
                   min(w.opened_at) AS oldest_at, max(w.opened_at) AS newest_at,
                   (array_agg(w.message ORDER BY w.opened_at DESC))[1] AS message
              FROM waiting w LEFT JOIN sums s USING (fingerprint)
             GROUP BY w.fingerprint, s.amounts ORDER BY count(*) DESC, w.fingerprint LIMIT :limit
        """),
        {"limit": limit},
    )
    return [dict(row) for row in rows.mappings()]


def show_letter(connection: Connection, letter: UUID) -> dict[str, Any] | None:
    """One letter with its traceback and how it ended; None: there is none of that id."""
    row = (
        connection.execute(
            text(f"""
                SELECT {LETTER}, d.attempt_id::text AS attempt, d.provider, d.request_id, d.amount, d.asset,
                       d.resolution, d.traceback
                  FROM dead_letters d WHERE d.id = :id
            """),  # noqa: S608 -- a constant of this package, no value
            {"id": letter},
        )
        .mappings()
        .first()
    )
    return dict(row) if row else None


def letters_by_start(connection: Connection, start: str) -> list[UUID]:
    """The ids that begin with `start`, at most two, to tell one from several. Served by the primary key."""
    between = id_range(start)
    if between is None:
        return []
    found = text("SELECT id FROM dead_letters WHERE id BETWEEN :first AND :last LIMIT 2")
    return list(connection.execute(found, {"first": between[0], "last": between[1]}).scalars())
