"""After a failover or a restore that may have lost commits: what to doubt, and from when to read again."""

from datetime import datetime

from sqlalchemy import Connection, text


def is_ahead(connection: Connection, moment: datetime) -> bool:
    """Whether a moment lies in the future of the database's clock."""
    ahead: bool = connection.execute(text("SELECT CAST(:at AS timestamptz) > rk_now()"), {"at": moment}).scalar_one()
    return ahead


def look_first(connection: Connection) -> int:
    """Open flows look a creation up before they make it; how many. Locks them in id order."""
    done = connection.execute(
        text("""
            WITH doubted AS (SELECT id FROM flows WHERE status = 'open' AND NOT look_first ORDER BY id FOR UPDATE)
            UPDATE flows f SET look_first = true FROM doubted d WHERE f.id = d.id
        """)
    )
    return done.rowcount


def read_again(connection: Connection, since: datetime) -> tuple[int, int]:
    """Set polls and streams back to `since` where they are past it, and end walks under way; how many of each.

    A poll that never ran keeps no mark: it begins where every first poll does.
    """
    polls = connection.execute(
        text("""
            UPDATE poll_marks SET high_water_mark = CASE WHEN high_water_mark > :since THEN :since
                                                         ELSE high_water_mark END,
                                  walk_since = NULL, walk_started_at = NULL, walk_cursor = NULL
             WHERE high_water_mark > :since OR walk_started_at IS NOT NULL
        """),
        {"since": since},
    )
    streams = connection.execute(
        text("UPDATE stream_cursors SET cursor_at = :since, updated_at = rk_now() WHERE cursor_at > :since"),
        {"since": since},
    )
    return polls.rowcount, streams.rowcount
