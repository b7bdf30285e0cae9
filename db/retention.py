"""What is not needed for ever. Ids stay: a webhook's signature may hold for ever, so its id must be known for ever."""

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, text

KEEP_BODIES: Final = timedelta(days=90)
KEEP_TRACES: Final = timedelta(days=30)  # delivery attempts, ticks, sessions
KEEP_REPORTS: Final = timedelta(days=400)  # so that the same day a year ago can be read beside this one

# Each statement takes one small batch, skipping rows that somebody has locked, and says how many rows it changed.
STATEMENTS: Final = {
    "bodies": text("""
        WITH old AS (
          SELECT id FROM inbox_events
           WHERE body IS NOT NULL AND handled_at < rk_now() - CAST(:bodies AS interval)
             AND state IN ('handled', 'ignored')
           ORDER BY handled_at LIMIT :limit FOR UPDATE SKIP LOCKED
        )
        UPDATE inbox_events e SET body = NULL, body_key = NULL FROM old WHERE e.id = old.id
    """),
    "notification_attempts": text("""
        WITH old AS (
          SELECT a.id FROM notification_attempts a JOIN notifications n ON n.id = a.notification_id
           WHERE n.state = 'delivered' AND a.at < rk_now() - CAST(:traces AS interval)
           ORDER BY a.id LIMIT :limit FOR UPDATE OF a SKIP LOCKED
        )
        DELETE FROM notification_attempts a USING old WHERE a.id = old.id
    """),
    "ticks": text("""
        WITH old AS (
          SELECT job, slot FROM ticks
           WHERE finished_at IS NOT NULL AND slot < rk_now() - CAST(:traces AS interval)
           ORDER BY job, slot LIMIT :limit FOR UPDATE SKIP LOCKED
        )
        DELETE FROM ticks t USING old WHERE t.job = old.job AND t.slot = old.slot
    """),
    "worker_sessions": text("""
        WITH old AS (
          SELECT id FROM worker_sessions
           WHERE coalesce(ended_at, dead_at) < rk_now() - CAST(:traces AS interval)
           ORDER BY started_at LIMIT :limit FOR UPDATE SKIP LOCKED
        )
        DELETE FROM worker_sessions s USING old WHERE s.id = old.id
    """),
    "reports": text("""
        WITH old AS (
          SELECT name, day FROM reports
           WHERE day < ((rk_now() AT TIME ZONE 'UTC') - CAST(:reports AS interval))::date
           ORDER BY day, name LIMIT :limit FOR UPDATE SKIP LOCKED
        )
        DELETE FROM reports r USING old WHERE r.name = old.name AND r.day = old.day
    """),
}


def clear(connection: Connection, what: str, *, limit: int) -> int:
    """Clear one batch of `what`, a name of STATEMENTS; how many rows.

    Bodies by ix_inbox_events_bodies, reports by ix_reports_day.
    """
    values = {"bodies": KEEP_BODIES, "traces": KEEP_TRACES, "reports": KEEP_REPORTS, "limit": limit}
    statement = STATEMENTS[what]
    wanted = {name: values[name] for name in statement.compile().params}
    return connection.execute(statement, wanted).rowcount
