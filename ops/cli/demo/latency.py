"""How long deposits took: from when the money was at Due, whoever told of it and when, until they were finished."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.demo_story import Deposit
from ops.cli.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A deposit and when its money arrived. Lengths are seconds from then; `finished_s` is None for an open one."""

    deposit: Deposit
    arrived_at: datetime
    heard_s: float
    finished_s: float | None


def timed(system: System, deposits: Sequence[Deposit]) -> list[Timed]:
    """The deposits in the order in which their money arrived, by the pretended Due's own clock."""
    arrivals = {
        transfer["id"]: datetime.fromisoformat(transfer["createdAt"])
        for transfer in system.control("GET", "due/transfers")
    }
    return sorted((_timed(one, arrivals) for one in deposits), key=lambda one: one.arrived_at)


def percentiles(seconds: Sequence[float]) -> dict[str, float | None]:
    """`p50` and `p99`: that share of them was as quick or quicker; None when there are none."""
    ordered = sorted(seconds)
    places = {name: (len(ordered) * share + 99) // 100 - 1 for name, share in (("p50", 50), ("p99", 99))}
    return {name: round(ordered[place], 1) if ordered else None for name, place in places.items()}


def _timed(deposit: Deposit, arrivals: Mapping[str, Any]) -> Timed:
    heard_at = deposit.moves[0].at
    arrived_at = arrivals.get(deposit.transfer or "", heard_at)
    closed_at = deposit.closed_at
    return Timed(
        deposit=deposit,
        arrived_at=arrived_at,
        heard_s=(heard_at - arrived_at).total_seconds(),
        finished_s=(closed_at - arrived_at).total_seconds() if closed_at else None,
    )
