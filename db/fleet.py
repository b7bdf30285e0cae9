"""The fleet's figures, read from the rows themselves. Every query is bounded: nothing grows with what is over.

Two means keep them cheap beside a million closed flows: partial indexes that hold only what is open, and windows that
end after the newest `NEWEST` rows of an index by time. Each query reads, locks nothing, and gives (labels..., value).
"""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, TextClause, text

NEWEST: Final = 10_000  # rows of a window looked at, the newest; fewer when there are fewer

# (SELECT rk_now()) is worked out once; rk_now() alone would be called for each row.
# What came in -------------------------------------------------------------------------------------

# Served by ix_inbox_events_received_at.
EVENTS: Final = text("""
    SELECT provider, source, state, count(*)
      FROM (SELECT provider, source, state FROM inbox_events
             WHERE received_at > (SELECT rk_now()) - interval '1 hour'
             ORDER BY received_at DESC, id DESC LIMIT :newest) AS recent
     GROUP BY provider, source, state ORDER BY 1, 2, 3
""")

# An event not yet handled counts with its age; a deferred one waits on purpose. Served by ix_inbox_events_received_at.
LAG: Final = text("""
    WITH recent AS (
      SELECT provider, state, received_at, handled_at FROM inbox_events
       WHERE received_at > (SELECT rk_now()) - interval '15 minutes'
       ORDER BY received_at DESC, id DESC LIMIT :newest
    ), lags AS (
      SELECT provider,
             percentile_disc(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (
               ORDER BY extract(epoch FROM coalesce(handled_at, (SELECT rk_now())) - received_at)) AS lag
        FROM recent WHERE state <> 'deferred' GROUP BY provider
    )
    SELECT provider, quantile, seconds FROM lags, unnest(ARRAY['0.5', '0.95', '1'], lag) AS q (quantile, seconds)
     ORDER BY 1, 2
""")

# Told apart from a quiet provider: polls found at least three things after it was last heard, by webhook or stream.
# Tiny tables, and ix_inbox_events_received_at.
SILENCE: Final = text("""
    WITH heard AS (
      SELECT provider, max(at) AS at FROM (
        SELECT provider, last_used_at AS at FROM receiver_keys
        UNION ALL SELECT provider, updated_at FROM stream_cursors) AS signs
       GROUP BY provider
    ), found AS (
      SELECT provider, received_at
        FROM (SELECT provider, received_at, source FROM inbox_events
               WHERE received_at > (SELECT rk_now()) - interval '6 hours'
               ORDER BY received_at DESC, id DESC LIMIT :newest) AS recent
       WHERE source = 'poll'
    )
    SELECT f.provider,
           CASE WHEN count(*) FILTER (WHERE f.received_at > coalesce(h.at, '-infinity')) >= 3
                THEN extract(epoch FROM (SELECT rk_now()) - coalesce(h.at, min(f.received_at))) ELSE 0 END
      FROM found f LEFT JOIN heard h ON h.provider = f.provider
     GROUP BY f.provider, h.at ORDER BY 1
""")

# What is being done ---------------------------------------------------------------------------------

# Served by ix_attempts_finished_at, which holds finished attempts of steps that speak to a provider.
STEPS: Final = text("""
    SELECT provider, step, outcome, count(*)
      FROM (SELECT provider, step, outcome FROM attempts
             WHERE provider IS NOT NULL AND finished_at > (SELECT rk_now()) - interval '15 minutes'
             ORDER BY finished_at DESC LIMIT :newest) AS recent
     GROUP BY provider, step, outcome ORDER BY 1, 2, 3
""")

# The first entry of ix_flows_due, ix_inbox_events_due, ix_ticks_due, ix_looks_due and ix_notifications_due.
OLDEST_DUE: Final = text("""
    SELECT queue, greatest(extract(epoch FROM (SELECT rk_now()) - due_at), 0)
      FROM (SELECT 'flows' AS queue, min(due_at) AS due_at FROM flows WHERE due_at IS NOT NULL AND attempt_id IS NULL
            UNION ALL SELECT 'events', min(due_at) FROM inbox_events WHERE due_at IS NOT NULL
            UNION ALL SELECT 'ticks', min(due_at) FROM ticks WHERE due_at IS NOT NULL
            UNION ALL SELECT 'looks', min(due_at) FROM looks
            UNION ALL SELECT 'notifications', min(due_at) FROM notifications WHERE due_at IS NOT NULL) AS oldest
     WHERE due_at IS NOT NULL ORDER BY 1
""")

# The same indexes, from the oldest on, at most `newest` entries of each.
DUE: Final = text("""
    SELECT 'flows', count(*) FROM (
      SELECT FROM flows WHERE due_at <= (SELECT rk_now()) AND attempt_id IS NULL LIMIT :newest) AS due
    UNION ALL SELECT 'events', count(*) FROM (
      SELECT FROM inbox_events WHERE due_at <= (SELECT rk_now()) LIMIT :newest) AS due
    UNION ALL SELECT 'ticks', count(*) FROM (
      SELECT FROM ticks WHERE due_at <= (SELECT rk_now()) LIMIT :newest) AS due
    UNION ALL SELECT 'looks', count(*) FROM (
      SELECT FROM looks WHERE due_at <= (SELECT rk_now()) LIMIT :newest) AS due
    UNION ALL SELECT 'notifications', count(*) FROM (
      SELECT FROM notifications WHERE due_at <= (SELECT rk_now()) LIMIT :newest) AS due
""")

# How the money fares ----------------------------------------------------------------------------------

# Served by ix_flows_open_moved_at: open flows only.
OPEN_FLOWS: Final = text("""
    SELECT kind, state, CASE WHEN parked_at IS NULL THEN 'false' ELSE 'true' END, count(*)
      FROM flows WHERE status = 'open' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")

# Flows begun in the last day, by how they stand. Served by ix_flows_created_at.
BEGUN_FLOWS: Final = text("""
    SELECT kind, state, status, parked_at IS NOT NULL AS parked, count(*)
      FROM (SELECT kind, state, status, parked_at FROM flows
             WHERE created_at > (SELECT rk_now()) - interval '24 hours'
             ORDER BY created_at DESC, id DESC LIMIT :newest) AS recent
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
""")

# Served by uq_dead_letters_flow and uq_dead_letters_event, which hold open letters only.
DEAD_LETTERS: Final = text("""
    SELECT kind, step, blame, count(*)
      FROM (SELECT kind, step, blame FROM dead_letters
             WHERE status IN ('open', 'replaying') AND flow_id IS NOT NULL
            UNION ALL
            SELECT kind, step, blame FROM dead_letters
             WHERE status IN ('open', 'replaying') AND event_id IS NOT NULL) AS letters
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")

# What is only on its way (timing) disagrees about nothing: nobody is called for it. Served by ix_breaks_open.
BREAKS: Final = text("""
    SELECT provider, type, count(*) FROM breaks WHERE status = 'open' AND type <> 'timing' GROUP BY 1, 2 ORDER BY 1, 2
""")

# Served by ix_breaks_open. A break without an amount counts nothing.
AT_RISK: Final = text("""
    SELECT asset, sum(amount_at_risk) FROM breaks
     WHERE status = 'open' AND asset IS NOT NULL AND amount_at_risk IS NOT NULL GROUP BY 1 ORDER BY 1
""")

# The sweep's own breaks about receipts (db.receipts). Served by ix_breaks_open.
UNTAKEN_RECEIPTS: Final = text("""
    SELECT provider, count(*) FROM breaks
     WHERE status = 'open' AND type = 'unmatched_event' AND found_by = 'sweep' AND subject LIKE 'transaction %'
     GROUP BY 1 ORDER BY 1
""")

# What customers owe us, in minor units. Served by ix_ledger_accounts_receivable and the primary key of balances.
OWED: Final = text("""
    SELECT a.asset, -sum(b.posted) FROM ledger_accounts a JOIN balances b ON b.account_id = a.id
     WHERE a.name = 'receivable' AND b.posted <> 0 GROUP BY 1 ORDER BY 1
""")

# Exhausted ones of the last week: nobody resends what is older. Served by ix_notifications_undelivered.
UNDELIVERED: Final = text("""
    SELECT channel, state, count(*) FROM notifications
     WHERE state IN ('held', 'exhausted') AND (state = 'held' OR happened_at > (SELECT rk_now()) - interval '7 days')
     GROUP BY 1, 2 ORDER BY 1, 2
""")

# Who is at work ---------------------------------------------------------------------------------------

# One row a provider.
BREAKERS: Final = text("""
    SELECT g.provider, s.state, CASE WHEN g.breaker = s.state THEN 1 ELSE 0 END
      FROM provider_gates g, unnest(ARRAY['closed', 'open', 'probing']) AS s (state) ORDER BY 1, 2
""")
PAUSED: Final = text("SELECT provider, CASE WHEN paused THEN 1 ELSE 0 END FROM provider_gates ORDER BY 1")

# Served by ix_worker_sessions_live.
SESSIONS: Final = text("SELECT count(*) FROM worker_sessions WHERE ended_at IS NULL AND dead_at IS NULL")

# One row.
CLOCK_LED: Final = text("""
    SELECT CASE WHEN EXISTS (SELECT FROM clock_leases WHERE name = 'clock' AND expires_at > rk_now()) THEN 1 ELSE 0 END
""")

# One row a job; its newest tick is the last entry of the primary key.
TICK_AGE: Final = text("""
    SELECT j.job, greatest(extract(epoch FROM (SELECT rk_now()) - coalesce(t.slot, j.declared_at)), 0)
      FROM clock_jobs j LEFT JOIN LATERAL (SELECT max(slot) AS slot FROM ticks WHERE ticks.job = j.job) t ON true
     ORDER BY 1
""")
TICK_LATE: Final = text("""
    SELECT j.job, greatest(extract(epoch FROM (SELECT rk_now()) - coalesce(t.slot, j.declared_at) - 2 * j.every), 0)
      FROM clock_jobs j LEFT JOIN LATERAL (SELECT max(slot) AS slot FROM ticks WHERE ticks.job = j.job) t ON true
     ORDER BY 1
""")


def read(connection: Connection, query: TextClause) -> Iterator[tuple[Any, ...]]:
    """The rows of one of this file's queries."""
    bound = {"newest": NEWEST} if ":newest" in query.text else {}
    for row in connection.execute(query, bound):
        yield tuple(row)
