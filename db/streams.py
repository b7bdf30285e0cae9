"""How far each event stream has been read. Table `stream_cursors`."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from db.clock import Lead, hold_lead

_START = text("""
    INSERT INTO stream_cursors AS c (provider, stream, cursor_at, term)
    VALUES (:provider, :stream, rk_now(), :term)
    ON CONFLICT (provider, stream) DO UPDATE SET term = excluded.term, updated_at = rk_now()
    RETURNING cursor_at - CAST(:overlap AS interval)
""")

# Streams are in order for each account only, so a frame may be older than the last: the cursor never goes back.
_MOVE = text("""
    UPDATE stream_cursors
       SET cursor_at = greatest(cursor_at, least(:at, rk_now())), last_event_id = :event_id, updated_at = rk_now()
     WHERE provider = :provider AND stream = :stream AND term = :term
""")


def start(connection: Connection, lead: Lead, *, provider: str, stream: str, overlap: timedelta) -> datetime:
    """Where to read from: the cursor less the overlap; a stream never read before begins now. Raises: LostLead."""
    hold_lead(connection, lead)
    named = {"provider": provider, "stream": stream, "term": lead.term, "overlap": overlap}
    since: datetime = connection.execute(_START, named).scalar_one()
    return since


def move(connection: Connection, lead: Lead, *, provider: str, stream: str, at: datetime, event_id: str) -> None:
    """Everything up to `at` is in the inbox, in this same transaction. A time of the future counts as now.

    Raises: LostLead: another clock reads this stream; nothing may be written.
    """
    hold_lead(connection, lead)
    named = {"provider": provider, "stream": stream, "term": lead.term}
    connection.execute(_MOVE, {**named, "at": at, "event_id": event_id})
