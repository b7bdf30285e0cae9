"""Flows that are open and have been quiet too long: each has a break until it moves on. Tables `flows`, `breaks`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from funding.money import Money

Limits = Mapping[tuple[str, str], timedelta]  # by flow kind and state

_LIMITS: Final = """unnest(CAST(:kinds AS text[]), CAST(:states AS text[]), CAST(:limits AS interval[]))
       AS l(kind, state, lasts)"""

_NEWLY = text(f"""
    SELECT f.id, f.kind, f.state, f.provider, f.amount, f.asset, f.snooze_reason, l.lasts
      FROM flows f JOIN {_LIMITS} USING (kind, state)
     WHERE f.status = 'open' AND f.parked_at IS NULL AND f.moved_at < rk_now() - l.lasts
       AND NOT EXISTS (SELECT FROM breaks b WHERE b.flow_id = f.id AND b.type = 'stuck' AND b.status = 'open')
     ORDER BY f.moved_at, f.id LIMIT :limit
""")  # noqa: S608 -- built from the constant above

_MOVED_ON = text(f"""
    WITH closed AS (
      UPDATE breaks b SET status = 'closed', closed_at = rk_now()
        FROM flows f LEFT JOIN {_LIMITS} USING (kind, state)
       WHERE b.type = 'stuck' AND b.status = 'open' AND b.found_by = 'sweep' AND f.id = b.flow_id
         AND (f.status <> 'open' OR f.parked_at IS NOT NULL OR l.lasts IS NULL OR f.moved_at >= rk_now() - l.lasts)
      RETURNING b.id, f.state, f.parked_at
    )
    INSERT INTO break_history (break_id, what, note)
    SELECT id, 'closed', CASE WHEN parked_at IS NULL THEN 'it is in ' || state || ' now' ELSE 'it is parked now' END
      FROM closed
""")  # noqa: S608 -- built from the constant above


@dataclass(frozen=True, slots=True)
class StuckFlow:
    """A flow quiet for longer than `lasts` in its state. `waits_for` is what its step said last."""

    id: UUID
    kind: str
    state: str
    provider: str | None
    amount: Money | None
    waits_for: str | None
    lasts: timedelta


def newly_stuck(connection: Connection, limits: Limits, *, limit: int) -> list[StuckFlow]:
    """Stuck flows without an open break, quiet longest first. Parked ones have their dead letter instead.

    No locks. Served by ix_flows_open_moved_at and ix_breaks_flow.
    """
    rows = connection.execute(_NEWLY, {**_columns(limits), "limit": limit})
    return [
        StuckFlow(
            row.id,
            row.kind,
            row.state,
            row.provider,
            Money(int(row.amount), row.asset) if row.amount is not None else None,
            row.snooze_reason,
            row.lasts,
        )
        for row in rows
    ]


def close_moved_on(connection: Connection, limits: Limits) -> int:
    """Close the breaks of flows that are stuck no more; how many. Served by ix_breaks_open."""
    return connection.execute(_MOVED_ON, _columns(limits)).rowcount


def _columns(limits: Limits) -> dict[str, object]:
    return {
        "kinds": [kind for kind, _ in limits],
        "states": [state for _, state in limits],
        "limits": list(limits.values()),
    }
