"""Deposits at Bridge of which nobody tells, and tokens at IBEX that nobody tells of either."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from benchmarks import _ramps
from benchmarks._missed import Acts, Size, evenly
from ops.actions.desk import Desk
from tests.support.fleet import Fleet

SUBMITTED_S: Final = 10.0  # from leaving Bridge until it says payment_processed
CHAIN_S: Final = 30.0  # from leaving Bridge to being seen at IBEX
SETTLE_S: Final = 90.0  # from there until IBEX says completed
PRETENDED: Final = {"bridge_chain_seconds": CHAIN_S, "ibex_settle_seconds": SETTLE_S}
LEAD_S: Final = 120.0  # all of them are open by then
ARRIVE_WITHIN_S: Final = 60.0
FULL: Final = Size(flows=500, waiting=100, minutes_of_waiting=2.0)  # with what it takes us to see both sides
QUICK: Final = Size(flows=40, waiting=40, minutes_of_waiting=1.0)


class OnRamps:
    """Each is a customer's only one. Bridge decides about them one by one; then each waits at IBEX for two minutes."""

    providers: Sequence[str] = ("bridge", "ibex")

    def __init__(self, fleet: Fleet, desk: Desk, size: Size) -> None:
        self._fleet = fleet
        self._size = size
        self._people = _ramps.rampers(fleet, desk, size.flows)

    def prepare(self) -> None:
        """Nothing: the first that is to be heard of them is the deposit itself."""

    def acts(self) -> Acts:
        """They arrive within a minute, all in one state, and are sent on one after the other."""
        arrive = []
        for number, person in enumerate(self._people):
            sent_on = LEAD_S + self._size.decided_within_s * number / len(self._people)
            since = ARRIVE_WITHIN_S * number / len(self._people)
            amount = f"{50 + number}.{number % 100:02d}"
            steps = [sent_on - since - SUBMITTED_S, SUBMITTED_S]
            arrive.append(partial(_ramps.deposit, self._fleet, person, amount, step_seconds=steps))
        return [*evenly(arrive, after_s=0, within_s=ARRIVE_WITHIN_S), (LEAD_S + self._size.decided_within_s, int)]

    def left(self) -> int:
        """Those that are not credited."""
        credited = "SELECT count(*) FROM flows WHERE kind = 'bridge_on_ramp' AND state = 'credited'"
        return self._size.flows - int(self._fleet.one(credited))

    def waits(self) -> Mapping[str, Sequence[float]]:
        """By the providers' own times, as the flow's history keeps them beside ours."""
        found = self._fleet.rows("""
            SELECT extract(epoch FROM sent.recorded_at - sent.effective_at)::float AS bridge,
                   extract(epoch FROM came.recorded_at - greatest(sent.effective_at, came.effective_at))::float AS both
              FROM transitions sent JOIN transitions came USING (flow_id)
             WHERE sent.to_state = 'sent_on_chain' AND came.to_state = 'credited'
        """)
        return {"": [row["both"] for row in found], "at_bridge": [row["bridge"] for row in found]}

    def counted(self) -> Mapping[str, int]:
        """By what the accounts at IBEX hold."""
        return _ramps.compared(self._fleet)
