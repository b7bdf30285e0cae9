"""Deposits at Due of which nobody tells."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from benchmarks._fleet import doubled_and_lost
from benchmarks._missed import Acts, Size, evenly
from ops.actions.desk import Desk
from tests.support.fleet import Fleet

PRETENDED: Final[Mapping[str, Any]] = {}
LOTS: Final = 20  # they arrive in, over two steps
STEP_S: Final = 30.0  # between two statuses at Due, so that all are open at once
QUICK_STEP_S: Final = 10.0
DECIDED: Final = ("payment_processed", "refund_submitted")  # what a deposit's step waits for at Due
KNOWN: Final = ("off_ramp_completed", "returned")  # and where it then goes
FULL: Final = Size(flows=500, waiting=500, minutes_of_waiting=2 * STEP_S / 60)
QUICK: Final = Size(flows=40, waiting=40, minutes_of_waiting=2 * QUICK_STEP_S / 60)


class Deposits:
    """All of them wait at Due at once."""

    providers: Sequence[str] = ("due",)

    def __init__(self, fleet: Fleet, desk: Desk, size: Size) -> None:  # noqa: ARG002 -- as any scene
        self._fleet = fleet
        self._size = size
        self._sent: set[str] = set()

    def prepare(self) -> None:
        """Nothing: the first that is to be heard of them is the transfer itself."""

    def acts(self) -> Acts:
        """They arrive in lots."""
        within = self._size.decided_within_s
        return evenly([lambda: self._send(within / 2)] * LOTS, after_s=0, within_s=within)

    def _send(self, step_s: float) -> None:
        self._sent |= self._fleet.send(self._size.flows // LOTS, step_seconds=step_s)

    def left(self) -> int:
        """Those of which we do not know what Due has decided."""
        return self._size.flows - len(self._known())

    def waits(self) -> Mapping[str, Sequence[float]]:
        """From Due's own history to ours."""
        known = self._known()
        decided = {
            transfer["id"]: datetime.fromisoformat(passed["at"])
            for transfer in self._fleet.system.control("GET", "due/transfers")
            for passed in transfer["history"]
            if passed["status"] in DECIDED
        }
        return {"": [(known[one] - decided[one]).total_seconds() for one in self._sent]}

    def counted(self) -> Mapping[str, int]:
        """By the journals at Alpaca, once all is finished."""
        self._fleet.finished(self._sent)
        return doubled_and_lost(self._fleet)

    def _known(self) -> Mapping[str, datetime]:
        """When we recorded it, by the database's clock: both run on this machine."""
        rows = self._fleet.rows(
            """
            SELECT r.external_id, min(t.recorded_at) AS at
              FROM flow_references r JOIN transitions t ON t.flow_id = r.flow_id
             WHERE r.provider = 'due' AND r.kind = 'transfer' AND t.to_state = ANY(%s) GROUP BY r.external_id
            """,
            list(KNOWN),
        )
        return {row["external_id"]: row["at"] for row in rows}
