"""Providers from whom nothing is heard although somebody waits. Reads `inbox_events`, `flows`, `poll_marks`."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from sqlalchemy import Connection, text

from funding.outcomes import BreakFound

# Only the events of the last hours are read, by ix_inbox_events_received_at.
_SILENT = text("""
    SELECT w.provider, f.waiting, f.since
      FROM unnest(CAST(:providers AS text[])) AS w(provider)
      JOIN LATERAL (SELECT count(*) AS waiting, min(moved_at) AS since FROM flows
                     WHERE status = 'open' AND parked_at IS NULL AND flows.provider = w.provider
                       AND moved_at < rk_now() - CAST(:quiet AS interval)) f ON f.waiting > 0
     WHERE NOT EXISTS (SELECT FROM inbox_events e WHERE e.provider = w.provider
                                                    AND e.received_at > rk_now() - CAST(:quiet AS interval))
     ORDER BY w.provider
""")

_NOT_WALKED = text("""
    SELECT provider, poll, high_water_mark, last_error FROM poll_marks
     WHERE provider = ANY(:providers) AND subject = ''
       AND coalesce(high_water_mark, walk_started_at) < rk_now() - CAST(:quiet AS interval)
     ORDER BY provider, poll
""")


def silent_providers(connection: Connection, providers: Sequence[str], *, quiet: timedelta) -> Iterator[BreakFound]:
    """Providers whose flows have waited for `quiet`, without any event of theirs in that time."""
    for row in connection.execute(_SILENT, {"providers": list(providers), "quiet": quiet}):
        yield BreakFound(
            provider=row.provider,
            type="silent_provider",
            subject="events",
            ours=f"{row.waiting} flows wait, the first since {row.since:%Y-%m-%d %H:%M} UTC",
            theirs="no webhook, stream frame or poll finding",
            suggested_action=f"see whether {row.provider} works, and whether our webhook endpoint there is enabled",
        )


def unwalked_polls(connection: Connection, providers: Sequence[str], *, quiet: timedelta) -> Iterator[BreakFound]:
    """Listings that span all customers and have not been walked to their end for `quiet`. Reads `poll_marks`."""
    for row in connection.execute(_NOT_WALKED, {"providers": list(providers), "quiet": quiet}):
        yield BreakFound(
            provider=row.provider,
            type="silent_provider",
            subject=f"poll {row.poll}",
            ours=f"read until {row.high_water_mark:%Y-%m-%d %H:%M} UTC" if row.high_water_mark else "never read",
            theirs=row.last_error or "no answer",
            suggested_action=f"see rampkeeper providers list, and the worker's log for poll.failed of {row.provider}",
        )
