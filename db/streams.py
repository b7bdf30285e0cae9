"""How far each event stream has been read. Table `stream_cursors`."""

from datetime import datetime

from sqlalchemy import Connection, text

from db.clock import Lead, hold_lead

_START = text("""
    INSERT INTO stream_cursors AS c (provider, stream, cursor_at, term)
    VALUES (:provider, :stream, rk_now(), :term)
    ON CONFLICT (provider, stream) DO UPDATE SET term = excluded.term, updated_at = rk_now()
    RETURNING cursor_at
""")

# Streams are in order for each account only, so a frame may be older than the last: the cursor never goes back. If it
# stands before where we left it, somebody wants the stream read again from there.
_MOVE = text("""
    UPDATE stream_cursors
       SET cursor_at = greatest(cursor_at, least(:at, rk_now())), last_event_id = :event_id, updated_at = rk_now()
     WHERE provider = :provider AND stream = :stream AND term = :term AND cursor_at >= :left_at
    RETURNING cursor_at
""")

_WHERE = text("SELECT cursor_at FROM stream_cursors WHERE provider = :provider AND stream = :stream")


class SetBack(Exception):
    """Somebody has set the cursor back: begin to read from there."""


def start(connection: Connection, lead: Lead, *, provider: str, stream: str) -> datetime:
    """The cursor; a stream never read before begins now. Raises: LostLead."""
    hold_lead(connection, lead)
    cursor: datetime = connection.execute(
        _START, {"provider": provider, "stream": stream, "term": lead.term}
    ).scalar_one()
    return cursor


def move(
    connection: Connection, lead: Lead, *, provider: str, stream: str, at: datetime, event_id: str, left_at: datetime
) -> datetime:
    """Everything up to `at` is in the inbox, in this same transaction; the cursor. A time of the future counts as now.

    Raises: LostLead: another clock reads this stream; SetBack: the cursor stands before `left_at`. Then nothing may
    be written.
    """
    hold_lead(connection, lead)
    named = {"provider": provider, "stream": stream, "term": lead.term}
    cursor: datetime | None = connection.execute(
        _MOVE, {**named, "at": at, "event_id": event_id, "left_at": left_at}
    ).scalar_one_or_none()
    if cursor is None:
        raise SetBack
    return cursor


def check(connection: Connection, *, provider: str, stream: str, left_at: datetime) -> None:
    """Raises: SetBack: the cursor stands before `left_at`. One row by primary key, no locks."""
    cursor = connection.execute(_WHERE, {"provider": provider, "stream": stream}).scalar_one()
    if cursor < left_at:
        raise SetBack
