"""How the fleet does, as the database sees it: providers, worker sessions, the clock. Nothing here locks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from db.clock import LEASE

_PROVIDERS = text("""
    SELECT p.provider, coalesce(g.paused, false) AS paused, g.paused_reason, g.paused_by,
           coalesce(g.breaker, 'closed') AS breaker, g.open_until,
           (SELECT e.received_at FROM inbox_events e
             WHERE e.provider = p.provider AND e.received_at > (SELECT rk_now()) - interval '30 days'
             ORDER BY e.received_at DESC LIMIT 1) AS last_event_at,
           (SELECT max(m.finished_at) FROM poll_marks m WHERE m.provider = p.provider) AS last_poll_at,
           (SELECT min(m.high_water_mark) FROM poll_marks m WHERE m.provider = p.provider) AS mark,
           c.calls, c.errors,
           coalesce((SELECT jsonb_agg(jsonb_build_object('fingerprint', k.fingerprint, 'last_used_at', k.last_used_at)
                                      ORDER BY k.last_used_at DESC)
                       FROM receiver_keys k WHERE k.provider = p.provider), '[]') AS keys,
           coalesce((SELECT jsonb_agg(jsonb_build_object(
                       'poll', m.poll, 'subject', m.subject, 'high_water_mark', m.high_water_mark,
                       'finished_at', m.finished_at, 'findings', m.findings, 'last_error', m.last_error)
                       ORDER BY m.poll, m.subject)
                       FROM poll_marks m WHERE m.provider = p.provider), '[]') AS polls
      FROM unnest(CAST(:providers AS text[])) WITH ORDINALITY AS p(provider, place)
      LEFT JOIN provider_gates g ON g.provider = p.provider
      CROSS JOIN LATERAL (
        SELECT count(*) AS calls,
               count(*) FILTER (WHERE a.outcome IN ('unavailable', 'throttled', 'unknown', 'not_found', 'rejected',
                                                    'misconfigured', 'error')) AS errors
          FROM attempts a
         WHERE a.provider = p.provider AND a.finished_at > (SELECT rk_now()) - interval '1 hour') c
     ORDER BY p.place
""")


def providers(connection: Connection, names: Sequence[str]) -> list[dict[str, Any]]:
    """Each provider: gate, last event of 30 days, polls, receiving keys, and the attempts of the last hour."""
    return [dict(row) for row in connection.execute(_PROVIDERS, {"providers": list(names)}).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What shows that the fleet is alive. `clock_until` is when the leader's lease ends; None: there never was one."""

    workers: int
    clock_leads: bool
    clock_until: datetime | None
    oldest_due_s: float
    open_letters: int
    open_breaks: int
    paused: Sequence[str]
    broken: Sequence[str]


def pulse(connection: Connection) -> Pulse:
    """The pulse now. `oldest_due_s` is how long the flow due longest has waited unclaimed."""
    row = connection.execute(
        text("""
            SELECT (SELECT count(*) FROM worker_sessions WHERE ended_at IS NULL AND dead_at IS NULL) AS workers,
                   l.expires_at, coalesce(l.expires_at > rk_now(), false) AS leads,
                   coalesce((SELECT extract(epoch FROM rk_now() - min(due_at))::float8 FROM flows
                              WHERE due_at <= rk_now() AND attempt_id IS NULL), 0) AS oldest_due_s,
                   (SELECT count(*) FROM dead_letters WHERE status IN ('open', 'replaying')) AS letters,
                   (SELECT count(*) FROM breaks WHERE status = 'open') AS breaks,
                   ARRAY(SELECT provider FROM provider_gates WHERE paused ORDER BY 1) AS paused,
                   ARRAY(SELECT provider FROM provider_gates WHERE breaker <> 'closed' ORDER BY 1) AS broken
              FROM (SELECT 1) one LEFT JOIN clock_leases l ON l.name = :lease
        """),
        {"lease": LEASE},
    ).one()
    return Pulse(
        workers=row.workers,
        clock_leads=row.leads,
        clock_until=row.expires_at,
        oldest_due_s=row.oldest_due_s,
        open_letters=row.letters,
        open_breaks=row.breaks,
        paused=row.paused,
        broken=row.broken,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The database server: its version as a number (150004), whether it is a replica, its clock."""

    version: int
    replica: bool
    clock: datetime


def server(connection: Connection) -> Server:
    """What kind of server this is."""
    row = connection.execute(
        text("""
            SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS replica,
                   clock_timestamp() AS clock
        """)
    ).one()
    return Server(version=row.version, replica=row.replica, clock=row.clock)
