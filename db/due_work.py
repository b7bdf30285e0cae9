"""What is due: selected and stamped `announced_at` in one statement, so that two dispatchers announce a row once.

Each query takes the rows due longest first, skips rows that somebody has locked, and leaves alone for 15 s what was
announced since it became due: a flow for 3 s, when nothing is left in its queue and so nothing of it there. A row is
work whether or not its announcement arrives.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

_AGAIN: Final = """(announced_at IS NULL OR announced_at < due_at
                  OR announced_at <= (SELECT rk_now()) - interval '15 seconds')"""
_FLOW_AGAIN: Final = """(announced_at IS NULL OR announced_at < due_at
                  OR announced_at <= (SELECT rk_now()) - interval '15 seconds'
                  OR announced_at <= (SELECT rk_now()) - interval '3 seconds'
                     AND coalesce(provider, '') = ANY(:heard_out))"""

# A provider whose breaker is not closed, which is paused or asked us to wait would turn the work away: it waits
# unannounced. A probe's time is the breaker's too: one call is out, and its answer decides for the rest.
_REACHABLE: Final = """NOT EXISTS (
           SELECT FROM provider_gates g
            WHERE g.provider = due_row.provider
              AND (g.paused OR g.held_until > (SELECT rk_now())
                   OR (g.breaker <> 'closed' AND g.open_until > (SELECT rk_now()))))"""


def _query(table: str, key: str, result: str, *conditions: str, again: str = _AGAIN) -> TextClause:
    """Stamp the rows of `table` that are due and meet every condition. All parts are constants of this file.

    The rows of a table that grows are met again by their id: joined, as many would be planned for as the limit allows,
    and for the few that are due the whole table read.
    """
    also = "".join(f"\n         AND {condition}" for condition in (again, *conditions))
    columns = key.split(", ")
    joined = "FROM due d WHERE " + " AND ".join(f"t.{column} = d.{column}" for column in columns)
    same = joined if len(columns) > 1 else f"WHERE t.{key} = ANY(ARRAY(SELECT {key} FROM due))"  # noqa: S608 -- the same
    return text(f"""
      WITH due AS (
        SELECT {key} FROM {table} AS due_row
         WHERE due_at <= (SELECT rk_now()){also}
         ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
      )
      UPDATE {table} t SET announced_at = rk_now() {same}
      RETURNING {result}
    """)  # noqa: S608 -- built from constants above


_ASKS_ONE_OF_THEM: Final = "(CAST(:providers AS text[]) IS NULL OR coalesce(provider, '') = ANY(:providers))"

_FLOWS: Final = _query(
    "flows", "id", "t.id, t.kind, t.state", "attempt_id IS NULL", _REACHABLE, _ASKS_ONE_OF_THEM, again=_FLOW_AGAIN
)
_EVENTS: Final = _query("inbox_events", "id", "t.id")
_TICKS: Final = _query("ticks", "job, slot", "t.job, t.slot")
_LOOKS: Final = _query(
    "looks", "provider, poll, subject", "t.provider, t.poll, t.subject", _REACHABLE, "NOT provider = ANY(:full)"
)
_NOTIFICATIONS: Final = _query("notifications", "id", "t.id")


def flows(
    connection: Connection,
    *,
    limit: int,
    providers: Sequence[str | None] | None = None,
    heard_out: Sequence[str | None] = (),
) -> Sequence[tuple[UUID, str, str]]:
    """Due flows nobody has claimed, of providers that can be reached: id, kind, state. Served by ix_flows_due.

    `providers`: only those whose next step asks one of these, None for nobody; all when it is not said.
    `heard_out`: of these, each announcement has been taken from its queue.
    """
    asked = None if providers is None else [provider or "" for provider in providers]
    values = {"limit": limit, "providers": asked, "heard_out": [provider or "" for provider in heard_out]}
    return [(row.id, row.kind, row.state) for row in connection.execute(_FLOWS, values)]


def events(connection: Connection, *, limit: int) -> Sequence[int]:
    """Inbox events that are due. Served by ix_inbox_events_due."""
    return list(connection.execute(_EVENTS, {"limit": limit}).scalars())


def ticks(connection: Connection, *, limit: int) -> Sequence[tuple[str, datetime]]:
    """Ticks that are due: job and slot. A claimed one is due again when its lease ends. Served by ix_ticks_due."""
    return [(row.job, row.slot) for row in connection.execute(_TICKS, {"limit": limit})]


def looks(connection: Connection, *, limit: int, full: Sequence[str] = ()) -> Sequence[tuple[str, str, str]]:
    """Looks that are due at providers that can be reached: provider, poll, subject. Served by ix_looks_due.

    `full`: providers whose queue takes no more.
    """
    rows = connection.execute(_LOOKS, {"limit": limit, "full": list(full)})
    return [(row.provider, row.poll, row.subject) for row in rows]


def notifications(connection: Connection, *, limit: int) -> Sequence[UUID]:
    """Notifications to be delivered. Served by ix_notifications_due."""
    return list(connection.execute(_NOTIFICATIONS, {"limit": limit}).scalars())
