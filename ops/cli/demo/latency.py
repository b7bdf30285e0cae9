"""How long money took: from when a provider had it, whoever told of it and when, until its flow was finished."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.demo_story import Movement
from ops.cli.demo.orders import KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A movement of money and when it began. Lengths are seconds from then; `finished_s` is None for an open one.

    What a customer asks us for begins with the asking.
    """

    movement: Movement
    arrived_at: datetime
    heard_s: float
    finished_s: float | None


def timed(movements: Sequence[Movement], arrivals: Mapping[str, datetime]) -> list[Timed]:
    """The movements by kind, and in the order in which they began; `arrivals` by the providers' ids."""
    return sorted(
        (_timed(one, arrivals) for one in movements), key=lambda one: (KINDS.index(one.movement.kind), one.arrived_at)
    )


def percentiles(seconds: Sequence[float]) -> dict[str, float | None]:
    """`p50` and `p99`: that share of them was as quick or quicker; None when there are none."""
    ordered = sorted(seconds)
    places = {name: (len(ordered) * share + 99) // 100 - 1 for name, share in (("p50", 50), ("p99", 99))}
    return {name: round(ordered[place], 1) if ordered else None for name, place in places.items()}


def _timed(movement: Movement, arrivals: Mapping[str, datetime]) -> Timed:
    heard_at = movement.moves[0].at
    arrived_at = next((arrivals[one] for one in movement.ids if one in arrivals), heard_at)
    closed_at = movement.closed_at
    return Timed(
        movement=movement,
        arrived_at=arrived_at,
        heard_s=(heard_at - arrived_at).total_seconds(),
        finished_s=(closed_at - arrived_at).total_seconds() if closed_at else None,
    )
