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


_UNREAD = text("""
    INSERT INTO poll_marks (provider, poll, subject, high_water_mark)
    SELECT walked.provider, walked.poll, linked.account, :since
      FROM (SELECT DISTINCT provider, poll FROM poll_marks WHERE subject <> '') walked
      JOIN (SELECT DISTINCT provider, CASE kind WHEN 'account' THEN external_id ELSE attributes ->> 'account' END
                                      AS account
              FROM customer_links WHERE kind IN ('account', 'virtual_account')) linked USING (provider)
     WHERE linked.account <> ''
     ORDER BY walked.provider, walked.poll, linked.account
    ON CONFLICT DO NOTHING
""")


def read_again(connection: Connection, since: datetime) -> tuple[int, int]:
    """Set polls and streams back to `since` where they are past it, and end walks under way; how many of each.

    A linked account whose listing was never walked is to be walked from then too: its mark may be what was lost. A
    first walk that has not ended has no mark: begun anew it looks as far back as it did, and to `since` at least. A
    poll of the whole firm that never ran begins where every first poll does.
    """
    unread = connection.execute(_UNREAD, {"since": since})
    polls = connection.execute(
        text("""
            UPDATE poll_marks SET high_water_mark = CASE WHEN high_water_mark > :since THEN :since
                                                         ELSE high_water_mark END,
                                  walk_since = CASE WHEN high_water_mark IS NULL THEN least(walk_since, :since) END,
                                  walk_started_at = NULL, walk_cursor = NULL
             WHERE high_water_mark > :since OR walk_started_at IS NOT NULL OR high_water_mark IS NULL
        """),
        {"since": since},
    )
    streams = connection.execute(
        text("UPDATE stream_cursors SET cursor_at = :since, updated_at = rk_now() WHERE cursor_at > :since"),
        {"since": since},
    )
    return unread.rowcount + polls.rowcount, streams.rowcount


def told_only_by_events(connection: Connection, mode: str) -> int:
    """How many virtual accounts are in a mode in which no listing shows money that an event was lost of."""
    found: int = connection.execute(
        text("SELECT count(*) FROM customer_links WHERE kind = 'virtual_account' AND attributes ->> 'mode' = :mode"),
        {"mode": mode},
    ).scalar_one()
    return found
