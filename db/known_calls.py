"""What flows have asked of providers in the step they stand in. Table `intentions`. Nothing here locks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from db.claims import intention_of
from funding.snapshot import Intention


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The newest intention of a flow's creating call in the step and visit it stands in. `now`: the database's clock.

    `look_first`: commits may have been lost, so the flow looks before every create.
    """

    flow: UUID
    provider: str
    intention: Intention
    look_first: bool
    now: datetime


def known_calls(connection: Connection, steps: Sequence[tuple[UUID, str]]) -> list[Known]:
    """The newest intention of each call of these flows' steps, by flow and call. Served by intentions' unique key."""
    rows = connection.execute(
        text("""
            SELECT DISTINCT ON (i.flow_id, i.call) i.flow_id, i.provider, f.look_first, rk_now() AS now, i.key, i.call,
                   i.generation, i.request, i.born_at, i.sends, i.settle_from, i.outcome, i.look_ups, i.looked_at
              FROM unnest(CAST(:flows AS uuid[]), CAST(:steps AS text[])) AS w(flow, step)
              JOIN flows f ON f.id = w.flow
              JOIN intentions i ON i.flow_id = f.id AND i.step = w.step AND i.visit = f.visit
             ORDER BY i.flow_id, i.call, i.generation DESC
        """),
        {"flows": [flow for flow, _ in steps], "steps": [step for _, step in steps]},
    )
    return [
        Known(
            flow=row.flow_id,
            provider=row.provider,
            intention=intention_of(row._asdict()),
            look_first=row.look_first,
            now=row.now,
        )
        for row in rows
    ]
