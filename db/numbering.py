"""Bodies that name no event: the same bytes soon after are a resend, much later they are another event."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, text

from db.inbox import Arrival

UNNAMED: Final = "sha256:"  # an event id of this and the hex digest of the body waits for its arrival number

# Served by ix_inbox_events_digest. The count is right for ever: retention clears bytes, never rows.
_EARLIER = text("""
    SELECT w.provider, w.event_id, count(e.id) AS arrivals,
           coalesce(max(e.received_at) > rk_now() - interval '10 minutes', false) AS recent
    FROM unnest(CAST(:providers AS text[]), CAST(:event_ids AS text[])) AS w (provider, event_id)
    LEFT JOIN inbox_events e
      ON e.provider = w.provider AND e.body_digest = decode(substr(w.event_id, 8), 'hex')
     AND starts_with(e.event_id, w.event_id || ':')
    GROUP BY w.provider, w.event_id
""")


def number_arrivals(connection: Connection, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """The arrivals in their order, those that name no event with their arrival number added.

    Bytes last stored less than 10 minutes ago get that row's number again, so that storing finds the duplicate;
    two processes that number the same bytes at once give the same number, and one finds the other's row.
    """
    unnamed = [arrival for arrival in arrivals if arrival.event_id.startswith(UNNAMED)]
    if not unnamed:
        return list(arrivals)
    found = connection.execute(
        _EARLIER,
        {"providers": [a.provider for a in unnamed], "event_ids": [a.event_id for a in unnamed]},
    )
    numbers = {(row.provider, row.event_id): row.arrivals + (0 if row.recent else 1) for row in found}
    return [
        replace(arrival, event_id=f"{arrival.event_id}:{numbers[arrival.provider, arrival.event_id]}")
        if arrival.event_id.startswith(UNNAMED)
        else arrival
        for arrival in arrivals
    ]
