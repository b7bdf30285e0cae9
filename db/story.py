"""Everything kept about one flow, for the page that tells its story. Each part is its newest `most` rows, oldest first.

Every query is served by an index that begins with the flow's id. Nothing here locks.
"""

# ruff: noqa: S608 (queries are put together from constants of this package; values are always parameters)

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from db.listings import ENTRIES, EVENT, FLOW, LETTER
from db.page_reading import Rows, rows
from db.report_figures import BREAK

MOST: Final = 200  # rows of a part; a deposit has a tenth of it

# What a flow waits for: its own row, the gate of whom it speaks to, and who is alive to work on it.
_FLOW: Final = f"""
    SELECT {FLOW}, f.status, f.provider, f.tries, f.snooze_reason, f.parked_at, f.parked_reason, f.watch_until,
           f.attempt_id IS NOT NULL AS at_work, f.claimed_at, f.claim_until, f.look_first, (SELECT rk_now()) AS now,
           coalesce(g.paused, false) AS paused, g.paused_reason, g.paused_by, coalesce(g.breaker, 'closed') AS breaker,
           CASE WHEN g.breaker <> 'closed' THEN g.open_until END AS open_until, g.held_until,
           (SELECT count(*) FROM worker_sessions WHERE ended_at IS NULL AND dead_at IS NULL) AS workers
      FROM flows f LEFT JOIN provider_gates g ON g.provider = f.provider WHERE f.id = :flow
"""
_TRANSITIONS: Final = """
    SELECT * FROM (SELECT id, from_state, to_state, reason, effective_at, recorded_at FROM transitions
                    WHERE flow_id = :flow ORDER BY id DESC LIMIT :most) AS newest ORDER BY id
"""
_ATTEMPTS: Final = """
    SELECT * FROM (SELECT id::text AS id, step, visit, number, claims, started_at, finished_at, outcome, error, message,
                          provider, request_id, late
                     FROM attempts WHERE flow_id = :flow ORDER BY started_at DESC, id LIMIT :most) AS newest
     ORDER BY started_at, id
"""
# What was asked of providers, under which key, and how often it was sent; never what the request held.
_INTENTIONS: Final = """
    SELECT key::text AS key, step, call, generation, provider, born_at, sends, sent_at, outcome, external_id
      FROM intentions WHERE flow_id = :flow ORDER BY born_at, generation LIMIT :most
"""
_EVENTS: Final = f"""
    SELECT * FROM (SELECT {EVENT}, e.reason, e.duplicates, e.id AS number FROM inbox_events e
                    WHERE e.flow_id = :flow ORDER BY e.id DESC LIMIT :most) AS newest ORDER BY number
"""
_LETTERS: Final = f"SELECT {LETTER} FROM dead_letters d WHERE d.flow_id = :flow ORDER BY d.opened_at, d.id LIMIT :most"
_BREAKS: Final = f"SELECT {BREAK} FROM breaks b WHERE b.flow_id = :flow ORDER BY b.opened_at, b.id LIMIT :most"
_NOTIFICATIONS: Final = """
    SELECT id::text AS id, type, channel, state, happened_at, due_at, attempts, last_status, last_error, delivered_at
      FROM notifications WHERE flow_id = :flow ORDER BY happened_at, id LIMIT :most
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One flow's row, with the gate it waits at, and its parts. `cut`: parts of which only the newest are here."""

    flow: dict[str, Any]
    transitions: Rows
    attempts: Rows
    intentions: Rows
    entries: Rows
    events: Rows
    letters: Rows
    breaks: Rows
    notifications: Rows
    cut: tuple[str, ...]


def story(connection: Connection, flow: UUID) -> Story | None:
    """The story of one flow; None: there is none of that id."""
    found = rows(connection, _FLOW, flow=flow)
    if not found:
        return None
    parts = {
        "transitions": _TRANSITIONS,
        "attempts": _ATTEMPTS,
        "intentions": _INTENTIONS,
        "entries": ENTRIES.format(condition="e.flow_id = :flow", order="e.id LIMIT :most"),
        "events": _EVENTS,
        "letters": _LETTERS,
        "breaks": _BREAKS,
        "notifications": _NOTIFICATIONS,
    }
    read = {name: rows(connection, query, flow=flow, most=MOST) for name, query in parts.items()}
    return Story(flow=found[0], **read, cut=tuple(name for name, part in read.items() if len(part) == MOST))
