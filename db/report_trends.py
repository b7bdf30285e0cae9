"""The figures behind the charts of the day report. Nothing here locks; times are bounded by the caller, in UTC.

A day is 24 hours from midnight UTC, and said as `2026-11-21`.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from db.page_reading import Rows, rows

_CALLS: Final = """
    SELECT provider, outcome, count(*) AS calls FROM attempts
     WHERE provider IS NOT NULL AND finished_at >= :since AND finished_at < :until
     GROUP BY 1, 2 ORDER BY 1, 2
"""

_FINISHED: Final = """
    SELECT kind, count(*) AS flows,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY closed_at - created_at) AS p50,
           percentile_disc(0.99) WITHIN GROUP (ORDER BY closed_at - created_at) AS p99
      FROM flows
     WHERE created_at >= CAST(:since AS timestamptz) - CAST(:back AS interval) AND created_at < :until
       AND closed_at >= :since AND closed_at < :until
     GROUP BY kind ORDER BY kind
"""

_OPEN: Final = """
    SELECT b.place, count(*) AS flows, count(*) FILTER (WHERE f.parked_at IS NOT NULL) AS parked
      FROM flows f CROSS JOIN LATERAL width_bucket(rk_now() - f.created_at, CAST(:bounds AS interval[])) AS b(place)
     WHERE f.status = 'open' GROUP BY b.place ORDER BY b.place
"""

_DAYS: Final = """
    SELECT at, at + interval '24 hours' AS ends, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day
      FROM generate_series(CAST(:since AS timestamptz), CAST(:until AS timestamptz) - interval '24 hours',
                           interval '24 hours') AS series (at)
"""

_BREAKS: Final = f"""
    SELECT d.day, count(b.id) FILTER (WHERE b.opened_at >= d.at AND b.opened_at < d.ends) AS opened,
           count(b.id) FILTER (WHERE b.closed_at >= d.at AND b.closed_at < d.ends) AS closed
      FROM ({_DAYS}) AS d
      LEFT JOIN breaks b ON (b.opened_at >= d.at AND b.opened_at < d.ends)
                         OR (b.closed_at >= d.at AND b.closed_at < d.ends)
     GROUP BY d.day ORDER BY d.day
"""  # noqa: S608 -- a constant of this file

_AT_RISK: Final = f"""
    WITH risky AS (
      SELECT 'letter' AS what, asset, amount, opened_at, resolved_at AS over_at FROM dead_letters
       WHERE amount > 0 AND asset IS NOT NULL AND opened_at < :until AND coalesce(resolved_at >= :since, true)
      UNION ALL
      SELECT 'break', asset, amount_at_risk, opened_at, closed_at FROM breaks
       WHERE amount_at_risk > 0 AND asset IS NOT NULL AND opened_at < :until AND coalesce(closed_at >= :since, true)
    ), changes AS (  -- summed up by day first: a letter that stands for a fortnight is not counted fourteen times
      SELECT what, asset, date_bin('24 hours', at, CAST(:since AS timestamptz)) AS at, sum(amount) AS amount
        FROM (SELECT what, asset, greatest(opened_at, :since) AS at, amount FROM risky
              UNION ALL SELECT what, asset, over_at, -amount FROM risky WHERE over_at < :until) AS one
       GROUP BY 1, 2, 3
    )
    SELECT d.day, a.asset,
           coalesce(sum(c.amount) FILTER (WHERE c.what = 'letter'), 0) AS letters,
           coalesce(sum(c.amount) FILTER (WHERE c.what = 'break'), 0) AS breaks
      FROM ({_DAYS}) AS d CROSS JOIN (SELECT DISTINCT asset FROM changes) AS a
      LEFT JOIN changes c ON c.asset = a.asset AND c.at <= d.at
     GROUP BY a.asset, d.day ORDER BY a.asset, d.day
"""  # noqa: S608 -- a constant of this file


def calls_of(connection: Connection, since: datetime, until: datetime) -> Rows:
    """Attempts that ended then, by provider and outcome. Served by ix_attempts_finished_at."""
    return rows(connection, _CALLS, since=since, until=until)


def finished(connection: Connection, since: datetime, until: datetime, *, back: timedelta) -> Rows:
    """How long flows took that were over then, by kind; those begun more than `back` earlier are left out.

    Served by ix_flows_created_at.
    """
    return rows(connection, _FINISHED, since=since, until=until, back=back)


def open_by_age(connection: Connection, bounds: list[timedelta]) -> Rows:
    """Open flows by age, and how many of those are parked: `place` 0 is younger than the first of the bounds.

    Served by ix_flows_open_moved_at.
    """
    return rows(connection, _OPEN, bounds=bounds)


def breaks_by_day(connection: Connection, since: datetime, until: datetime) -> Rows:
    """Breaks opened and closed on each day, quiet days too. One that came back counts where it first opened.

    Reads the whole table, which is small.
    """
    return rows(connection, _BREAKS, since=since, until=until)


def at_risk_by_day(connection: Connection, since: datetime, until: datetime) -> Rows:
    """What letters and open breaks held at the end of each day, by asset, in minor units.

    Money may be in both, so they are not to be summed. Reads both tables whole; they are small.
    """
    return rows(connection, _AT_RISK, since=since, until=until)
