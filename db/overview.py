"""The figures of the overview page. Each looks at no more than so many rows, and grows with nothing that is over.

Groups carry how many rows they stand for; a caller whose groups sum up to `MOST_MOVING` (open flows) or `MOST_WAITING`
(all else) says that there may be more.
Nothing here locks. Ages are the caller's to work out, against `now`.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, text

from db.clock import LEASE
from db.page_reading import MOST_MOVING, MOST_WAITING, Rows, rows

# Served by ix_flows_open_moved_at, the longest quiet first.
_OPEN: Final = """
    SELECT kind, state, count(*) AS flows, count(*) FILTER (WHERE attempt_id IS NOT NULL) AS at_work,
           min(created_at) AS oldest_at, min(moved_at) AS quiet_since
      FROM (SELECT kind, state, attempt_id, created_at, moved_at FROM flows
             WHERE status = 'open' AND parked_at IS NULL ORDER BY moved_at LIMIT :most) AS looked_at
     GROUP BY kind, state ORDER BY quiet_since, kind, state
"""

# Served by ix_flows_parked. Each one's letter is looked up by uq_dead_letters_flow: a join would read every letter.
_PARKED: Final = """
    SELECT f.kind, f.state, coalesce(d.error, 'no letter') AS error, d.blame, count(*) AS flows,
           min(f.parked_at) AS oldest_at, (array_agg(f.parked_reason ORDER BY f.parked_at DESC))[1] AS reason
      FROM (SELECT id, kind, state, parked_at, parked_reason FROM flows
             WHERE parked_at IS NOT NULL ORDER BY parked_at LIMIT :most) AS f
      LEFT JOIN LATERAL (SELECT error, blame FROM dead_letters d
                          WHERE d.flow_id = f.id AND d.status IN ('open', 'replaying') LIMIT 1) AS d ON true
     GROUP BY f.kind, f.state, d.error, d.blame ORDER BY count(*) DESC, min(f.parked_at)
"""

# Served by uq_dead_letters_flow and uq_dead_letters_event, which hold open letters only.
_OF_FLOWS: Final = "SELECT * FROM dead_letters WHERE status IN ('open', 'replaying') AND flow_id IS NOT NULL"
_OF_EVENTS: Final = "SELECT * FROM dead_letters WHERE status IN ('open', 'replaying') AND event_id IS NOT NULL"
WAITING_LETTERS: Final = f"{_OF_FLOWS} UNION ALL {_OF_EVENTS}"
_LETTERS: Final = f"""
    SELECT fingerprint, min(kind) AS kind, min(step) AS step, min(error) AS error, min(blame) AS blame,
           count(*) AS letters, count(*) FILTER (WHERE status = 'replaying') AS replaying,
           count(DISTINCT customer_id) AS customers, min(opened_at) AS oldest_at, max(opened_at) AS newest_at,
           (array_agg(message ORDER BY opened_at DESC))[1] AS message
      FROM (({_OF_FLOWS} LIMIT :most) UNION ALL ({_OF_EVENTS} LIMIT :most)) AS waiting
     GROUP BY fingerprint ORDER BY count(*) DESC, min(opened_at), fingerprint
"""  # noqa: S608 -- a constant of this file

# Served by ix_breaks_open.
_BREAKS: Final = """
    SELECT provider, type, asset, count(*) AS breaks, sum(amount_at_risk) AS amount, min(opened_at) AS oldest_at,
           count(*) FILTER (WHERE owner IS NULL) AS without_owner
      FROM (SELECT * FROM breaks WHERE status = 'open' ORDER BY opened_at, id LIMIT :most) AS looked_at
     GROUP BY provider, type, asset ORDER BY count(*) DESC, provider, type, asset
"""

# The newest events and attempts say it, by ix_inbox_events_received_at and ix_attempts_finished_at; a provider that is
# in none of them was last heard when its receiving key or its stream's cursor was last touched (tiny tables).
_PROVIDERS: Final = """
    WITH events AS (
      SELECT provider, max(received_at) AS at
        FROM (SELECT provider, received_at FROM inbox_events ORDER BY received_at DESC, id DESC LIMIT :most) AS newest
       GROUP BY provider
    ), heard AS (
      SELECT provider, max(at) AS at FROM (
        SELECT provider, last_used_at AS at FROM receiver_keys
        UNION ALL SELECT provider, updated_at FROM stream_cursors) AS signs
       GROUP BY provider
    ), calls AS (
      SELECT provider, count(*) AS calls,
             count(*) FILTER (WHERE outcome IN ('unavailable', 'throttled', 'unknown', 'not_found', 'rejected',
                                                'misconfigured', 'unreadable', 'error')) AS errors
        FROM (SELECT provider, outcome FROM attempts
               WHERE provider IS NOT NULL AND finished_at > (SELECT rk_now()) - interval '1 hour'
               ORDER BY finished_at DESC LIMIT :most) AS newest
       GROUP BY provider
    ), polls AS (
      SELECT provider, max(finished_at) AS at, max(last_error) FILTER (WHERE last_error IS NOT NULL) AS error
        FROM poll_marks GROUP BY provider
    )
    SELECT p.provider, coalesce(g.paused, false) AS paused, g.paused_reason, g.paused_by,
           CASE WHEN g.paused THEN g.changed_at END AS paused_since,
           coalesce(g.breaker, 'closed') AS breaker,
           CASE WHEN g.breaker <> 'closed' THEN g.open_until END AS open_until,
           CASE WHEN g.held_until > (SELECT rk_now()) THEN g.held_until END AS held_until,
           greatest(e.at, h.at) AS last_event_at, polls.at AS last_poll_at, polls.error AS poll_error,
           coalesce(c.calls, 0) AS calls, coalesce(c.errors, 0) AS errors
      FROM unnest(CAST(:providers AS text[])) WITH ORDINALITY AS p (provider, place)
      LEFT JOIN provider_gates g ON g.provider = p.provider
      LEFT JOIN events e ON e.provider = p.provider
      LEFT JOIN heard h ON h.provider = p.provider
      LEFT JOIN calls c ON c.provider = p.provider
      LEFT JOIN polls ON polls.provider = p.provider
     ORDER BY p.place
"""

_FLEET: Final = """
    SELECT (SELECT rk_now()) AS now,
           (SELECT count(*) FROM worker_sessions WHERE ended_at IS NULL AND dead_at IS NULL) AS workers,
           l.expires_at AS clock_until, coalesce(l.expires_at > (SELECT rk_now()), false) AS clock_leads
      FROM (SELECT 1) AS one LEFT JOIN clock_leases l ON l.name = :lease
"""


def open_flows(connection: Connection) -> Rows:
    """What is moving, by kind and state, the longest quiet first."""
    return rows(connection, _OPEN, most=MOST_MOVING)


def parked_flows(connection: Connection) -> Rows:
    """What is parked, by kind, state and its letter's error, the largest group first; `reason` is the newest one's."""
    return rows(connection, _PARKED, most=MOST_WAITING)


def letters_by_cause(connection: Connection) -> Rows:
    """Letters that wait, by cause, the largest group first; `message` is the newest one's."""
    return rows(connection, _LETTERS, most=MOST_WAITING)


def open_breaks(connection: Connection) -> Rows:
    """Open breaks by provider, type and asset with what stands at risk (minor units), the largest group first."""
    return rows(connection, _BREAKS, most=MOST_WAITING)


def providers(connection: Connection, names: Sequence[str]) -> Rows:
    """Each provider's gate, when it was last heard and polled, and its calls and errors of the last hour.

    `paused_since`: its gate changes no more once calls under way have ended, for nobody asks who is paused.
    """
    return rows(connection, _PROVIDERS, providers=list(names), most=MOST_WAITING)


def fleet(connection: Connection) -> dict[str, Any]:
    """The database's time, how many workers live, and whether a clock leads."""
    return dict(connection.execute(text(_FLEET), {"lease": LEASE}).mappings().one())
