"""What lists and shows read of notifications. Nothing here locks; lists are newest first."""

# ruff: noqa: S608 (queries are put together from constants of this file; values are always parameters)

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from db.listings import id_range

_ROW: Final = """
    n.id::text AS id, n.type, n.channel, n.state, n.flow_id::text AS flow, n.happened_at, n.due_at, n.attempts,
    n.delivered_at, n.last_status, n.last_error
"""


def list_notifications(
    connection: Connection,
    *,
    limit: int,
    state: str | None = None,
    channel: str | None = None,
    flow: str | None = None,
    since: datetime | None = None,
) -> list[dict[str, Any]]:
    """Notifications with how far they came. Served by ix_notifications_happened_at, walked backwards."""
    rows = connection.execute(
        text(f"""
            SELECT {_ROW} FROM notifications n
             WHERE (CAST(:state AS text) IS NULL OR n.state = :state)
               AND (CAST(:channel AS text) IS NULL OR n.channel = :channel)
               AND (CAST(:flow AS text) IS NULL OR n.flow_id::text LIKE :flow || '%')
               AND (CAST(:since AS timestamptz) IS NULL OR n.happened_at >= :since)
             ORDER BY n.happened_at DESC, n.id LIMIT :limit
        """),
        {"limit": limit, "state": state, "channel": channel, "flow": flow, "since": since},
    )
    return [dict(row) for row in rows.mappings()]


def show_notification(connection: Connection, notification: UUID) -> dict[str, Any] | None:
    """One with what it says and every attempt, oldest first; None: there is none of that id."""
    row = (
        connection.execute(text(f"SELECT {_ROW}, n.data FROM notifications n WHERE n.id = :id"), {"id": notification})
        .mappings()
        .first()
    )
    if row is None:
        return None
    attempts = connection.execute(
        text("""
            SELECT at, status, error, took_ms, answer FROM notification_attempts
             WHERE notification_id = :id ORDER BY id
        """),
        {"id": notification},
    )
    return {**row, "attempts_made": [dict(attempt) for attempt in attempts.mappings()]}


def find_notifications(connection: Connection, start: str) -> list[UUID]:
    """The ids that begin with `start`, at most two, to tell one from several. A receiver's `msg_` form is one too."""
    between = id_range(start.removeprefix("msg_"))
    if between is None:
        return []
    found = text("SELECT id FROM notifications WHERE id BETWEEN :first AND :last LIMIT 2")
    return list(connection.execute(found, {"first": between[0], "last": between[1]}).scalars())
