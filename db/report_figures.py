"""The figures of the reports for people. Nothing here locks; times are bounded by the caller, in UTC."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

Figures = list[dict[str, Any]]

BREAK: Final = """
    b.id::text AS id, b.provider, b.type, b.status, b.subject, b.flow_id::text AS flow, b.event_id::text AS event,
    b.ours, b.theirs, b.amount_at_risk, b.asset, b.opened_at, b.seen_at, b.closed_at, b.suggested_action, b.owner
"""


def now(connection: Connection) -> datetime:
    """The database's time."""
    moment: datetime = connection.execute(text("SELECT rk_now()")).scalar_one()
    return moment


def letters_by_day(connection: Connection, since: datetime) -> Figures:
    """Letters opened on each day, and how many of those still wait. Served by ix_dead_letters_opened_at."""
    return _rows(
        connection,
        """
        SELECT (opened_at AT TIME ZONE 'UTC')::date::text AS day, count(*) AS opened,
               count(*) FILTER (WHERE status IN ('open', 'replaying')) AS waiting
          FROM dead_letters WHERE opened_at >= :since GROUP BY 1 ORDER BY 1
        """,
        since=since,
    )


def letter_outcomes(connection: Connection, since: datetime) -> Figures:
    """How the letters opened since then ended. Served by ix_dead_letters_opened_at."""
    return _rows(
        connection,
        """
        SELECT status, coalesce(resolved_by, '') AS resolved_by, count(*) AS letters
          FROM dead_letters WHERE opened_at >= :since GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
        """,
        since=since,
    )


def waiting_letters(connection: Connection, *, limit: int) -> Figures:
    """What waits for a person, the longest first. Served by uq_dead_letters_flow and uq_dead_letters_event."""
    return _rows(
        connection,
        """
        SELECT id::text AS id, opened_at, status, kind, step, customer_id AS customer, amount, asset, error, blame,
               message, flow_id::text AS flow, event_id::text AS event
          FROM dead_letters WHERE status IN ('open', 'replaying') ORDER BY opened_at, id LIMIT :limit
        """,
        limit=limit,
    )


def breaks_by_type(connection: Connection) -> Figures:
    """Open breaks by provider, type and asset, with what stands at risk. Served by ix_breaks_open."""
    return _rows(
        connection,
        """
        SELECT provider, type, asset, count(*) AS breaks, sum(amount_at_risk) AS amount, min(opened_at) AS oldest_at,
               count(*) FILTER (WHERE owner IS NULL) AS without_owner
          FROM breaks WHERE status = 'open' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3
        """,
    )


def open_breaks(connection: Connection, *, limit: int) -> Figures:
    """Open breaks, the oldest first. Served by ix_breaks_open."""
    query = f"SELECT {BREAK} FROM breaks b WHERE b.status = 'open' ORDER BY b.opened_at, b.id LIMIT :limit"  # noqa: S608 -- a constant of this file
    return _rows(connection, query, limit=limit)


def newest_runs(connection: Connection, since: datetime) -> Figures:
    """Comparisons begun since then, the newest first. Served by ix_reconciliation_runs_started_at."""
    return _rows(
        connection,
        """
        SELECT id::text AS id, provider, since, until, status, started_at, finished_at, counts, error, asked_by
          FROM reconciliation_runs WHERE started_at >= :since ORDER BY started_at DESC, id
        """,
        since=since,
    )


def flows_of(connection: Connection, since: datetime, until: datetime) -> Figures:
    """What became of the flows opened then, by kind and state. Served by ix_flows_created_at."""
    return _rows(
        connection,
        """
        SELECT kind, state, status <> 'open' AS is_over, count(*) AS flows,
               count(*) FILTER (WHERE parked_at IS NOT NULL) AS parked,
               asset, sum(amount) AS amount, asset_out, sum(amount_out) AS amount_out,
               percentile_disc(0.5) WITHIN GROUP (ORDER BY closed_at - created_at) AS median_time
          FROM flows WHERE created_at >= :since AND created_at < :until
         GROUP BY kind, state, status <> 'open', asset, asset_out ORDER BY kind, state, is_over, asset, asset_out
        """,
        since=since,
        until=until,
    )


def flows_by_hour(connection: Connection, since: datetime, until: datetime) -> Figures:
    """Flows opened in each hour. Served by ix_flows_created_at."""
    return _rows(
        connection,
        """
        SELECT to_char(created_at AT TIME ZONE 'UTC', 'HH24') AS hour, count(*) AS flows
          FROM flows WHERE created_at >= :since AND created_at < :until GROUP BY 1 ORDER BY 1
        """,
        since=since,
        until=until,
    )


def events_of(connection: Connection, since: datetime, until: datetime) -> Figures:
    """Events received then, by provider, way and state. Served by ix_inbox_events_received_at."""
    return _rows(
        connection,
        """
        SELECT provider, source, state, count(*) AS events, sum(duplicates) AS duplicates
          FROM inbox_events WHERE received_at >= :since AND received_at < :until GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
        since=since,
        until=until,
    )


def desk_of(connection: Connection, since: datetime, until: datetime) -> dict[str, int]:
    """What the desk did then: letters and breaks, opened and closed. Small tables."""
    (row,) = _rows(
        connection,
        """
            SELECT (SELECT count(*) FROM dead_letters WHERE opened_at >= :since AND opened_at < :until)
                     AS letters_opened,
                   (SELECT count(*) FROM dead_letters WHERE resolved_at >= :since AND resolved_at < :until)
                     AS letters_closed,
                   (SELECT count(*) FROM breaks WHERE opened_at >= :since AND opened_at < :until) AS breaks_opened,
                   (SELECT count(*) FROM breaks WHERE closed_at >= :since AND closed_at < :until) AS breaks_closed,
                   (SELECT count(*) FROM audit_log WHERE at >= :since AND at < :until) AS acts
        """,
        since=since,
        until=until,
    )
    return row


def _rows(connection: Connection, query: str, **values: Any) -> Figures:
    return [dict(row) for row in connection.execute(text(query), values).mappings()]
