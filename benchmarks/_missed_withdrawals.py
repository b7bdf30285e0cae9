"""Withdrawals that Bridge pays out without telling, from wallets that on-ramps have filled."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from benchmarks import _ramps
from benchmarks._fleet import add_unlimited, say
from benchmarks._missed import Acts, Size, drop, evenly, without_our_rates
from ops.actions import withdrawals
from ops.actions.desk import Desk
from ops.actions.withdrawals import Wanted
from tests.support.fleet import Fleet

FUNDED_WITHIN_S: Final = 900.0
HELD_S: Final = 3600.0  # Bridge decides about none before it is told to
STEP_S: Final = 5.0  # from payment_submitted to payment_processed
PRETENDED: Final = {"bridge_step_seconds": HELD_S}
DECIDED: Final = "payment_processed"
SENT: Final = "state IN ('sent_to_bridge', 'paying_out', 'paid_out')"
FULL: Final = Size(flows=500, waiting=100, minutes_of_waiting=1.0)
QUICK: Final = Size(flows=40, waiting=40, minutes_of_waiting=0.5)


class Withdrawals:
    """Each customer's only one. All stand at Bridge before the first is paid out."""

    providers: Sequence[str] = ("bridge", "ibex")

    def __init__(self, fleet: Fleet, desk: Desk, size: Size) -> None:
        self._fleet = fleet
        self._desk = desk
        self._size = size
        self._people = _ramps.rampers(fleet, desk, size.flows)
        self._decided: dict[str, datetime] = {}

    def prepare(self) -> None:
        """Fill the wallets, heard of as usual; then have the tokens sent, of which nobody hears."""
        without_our_rates(self._fleet, add_unlimited, self._send)

    def _send(self) -> None:
        say("filling wallets by on-ramps, with their webhooks")
        for person in self._people:
            _ramps.deposit(self._fleet, person, "100.00", step_seconds=0.2)
        credited = "SELECT count(*) FROM flows WHERE kind = 'bridge_on_ramp' AND state = 'credited'"
        self._fleet.wait(
            lambda: self._fleet.one(credited) == len(self._people), "wallets filled", within_s=FUNDED_WITHIN_S
        )
        say("sending what is withdrawn to Bridge")
        drop(self._fleet, *self.providers)
        for number, person in enumerate(self._people):
            amount = f"{10 + number % 80}.{number % 100:02d}"
            wanted = Wanted(customer=person.name, amount=amount, external_account=person.bank, reference="bench")
            withdrawals.create(self._desk, wanted, enabled=True)
        sent = f"SELECT count(*) FROM flows WHERE kind = 'bridge_withdrawal' AND {SENT}"  # noqa: S608 - our own words
        self._fleet.wait(lambda: self._fleet.one(sent) == len(self._people), "sent", within_s=FUNDED_WITHIN_S)

    def acts(self) -> Acts:
        """Bridge pays them out, one after the other."""
        payments = [one["id"] for one in self._fleet.system.control("GET", "bridge/payments")]
        pay = [partial(self._pay, one) for one in reversed(payments)]
        return evenly(pay, after_s=0, within_s=self._size.decided_within_s)

    def _pay(self, payment: str) -> None:
        course = {"state": "payment_submitted", "path": [DECIDED], "step_seconds": STEP_S}
        self._fleet.system.control("POST", f"bridge/payments/{payment}", course)

    def left(self) -> int:
        """Those that are not paid out."""
        paid = "SELECT count(*) FROM flows WHERE kind = 'bridge_withdrawal' AND state = 'paid_out'"
        return self._size.flows - int(self._fleet.one(paid))

    def waits(self) -> Mapping[str, Sequence[float]]:
        """From Bridge's own history to ours."""
        rows = self._fleet.rows("""
            SELECT r.external_id, t.recorded_at FROM transitions t
              JOIN flow_references r ON r.flow_id = t.flow_id AND r.provider = 'bridge' AND r.kind = 'transfer'
             WHERE t.to_state = 'paid_out'
        """)
        known = {row["external_id"]: row["recorded_at"] for row in rows}
        decided = {
            one["id"]: datetime.fromisoformat(at)
            for one in self._fleet.system.control("GET", "bridge/payments")
            for state, at in one["history"]
            if state == DECIDED
        }
        return {"": [(at - decided[one]).total_seconds() for one, at in known.items()]}

    def counted(self) -> Mapping[str, int]:
        """By what stands at Bridge and what was sent at IBEX."""
        effects = self._fleet.system.control("GET", "effects")
        transfers = effects["bridge"]["transfers"]
        repeated = sum(one["count"] - 1 for one in effects["ibex"]["repeated_sends"])
        compared = _ramps.compared(self._fleet)
        return {
            "lost": self._size.flows - transfers["paid_out"] + compared["lost"],
            "doubled": transfers["repeated"] + repeated + compared["doubled"],
        }
