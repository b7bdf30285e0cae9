"""Breaks that a check finds again and again until their cause is gone: opened when found, closed when not any more."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from db.breaks import Found, open_breaks

_CLOSE_OTHERS = text("""
    WITH closed AS (
      UPDATE breaks b SET status = 'closed', closed_at = rk_now()
       WHERE b.status = 'open' AND b.found_by = :found_by AND b.type = ANY(:types)
         AND NOT (b.id = ANY(CAST(:still AS uuid[])))
      RETURNING id
    )
    INSERT INTO break_history (break_id, what, note) SELECT id, 'closed', :note FROM closed
""")

_CLOSE = text("""
    WITH closed AS (
      UPDATE breaks SET status = 'closed', closed_at = rk_now()
       WHERE provider = :provider AND type = :type AND subject = :subject AND status = 'open'
      RETURNING id
    )
    INSERT INTO break_history (break_id, what, note) SELECT id, 'closed', :note FROM closed
""")


def keep(connection: Connection, standing: Sequence[Found], *, found_by: str, types: Sequence[str]) -> int:
    """Make the open breaks of a check those of `standing`, and no others; how many were opened or reopened.

    `found_by` and `types` say which breaks are this check's own: those of them not found again are closed. Breaks are
    written in the order of their keys, so that two checks cannot wait for each other in a circle.
    Served by the unique index on (provider, type, subject) and ix_breaks_open.
    """
    opened = open_breaks(connection, list({one.key: one for one in standing}.values()), found_by=found_by)
    still = [one.id for one in opened]
    connection.execute(
        _CLOSE_OTHERS, {"found_by": found_by, "types": list(types), "still": still, "note": "not found any more"}
    )
    return sum(one.what is not None for one in opened)


def close(connection: Connection, provider: str, break_type: str, subject: str, *, note: str) -> None:
    """Close one break, if it is open. Served by the unique index on (provider, type, subject)."""
    connection.execute(_CLOSE, {"provider": provider, "type": break_type, "subject": subject, "note": note})
