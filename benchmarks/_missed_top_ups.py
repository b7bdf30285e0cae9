"""Top-ups that customers pay at Stripe's onramp, of which nobody tells."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from benchmarks._missed import Acts, Size, evenly
from db.customers import NewLink
from funding.money import Money
from ops.actions import top_ups
from ops.actions.customers import add_customer
from ops.actions.desk import Desk
from ops.actions.top_ups import Wanted
from tests.support.fleet import Fleet

CUSTOMERS: Final = 20
MADE_WITHIN_S: Final = 300.0
PRETENDED: Final[Mapping[str, Any]] = {}
STEP_S: Final = 10.0  # between two statuses of a payment
DECIDED: Final = "fulfillment_complete"
FULL: Final = Size(flows=500, waiting=100, minutes_of_waiting=1.0)
QUICK: Final = Size(flows=40, waiting=40, minutes_of_waiting=0.5)


class TopUps:
    """All have their session before the first is paid."""

    providers: Sequence[str] = ("stripe",)

    def __init__(self, fleet: Fleet, desk: Desk, size: Size) -> None:
        self._fleet = fleet
        self._desk = desk
        self._size = size
        self._customers = [f"buyer-{number}" for number in range(CUSTOMERS)]
        for number, name in enumerate(self._customers):
            wallet = NewLink(
                customer=name,
                provider="stripe",
                kind="wallet_address",
                external_id=f"0x{number:040d}",
                attributes={"network": "ethereum"},
            )
            add_customer(desk, name, level=2, links=[wallet])

    def prepare(self) -> None:
        """Customers ask for them, and Stripe makes a session for each."""
        for number in range(self._size.flows):
            amount = Money.parse(f"{20 + number}.{number % 100:02d}", "USDC")
            customer = self._customers[number % CUSTOMERS]
            top_ups.create(self._desk, Wanted(customer=customer, network="ethereum", amount=amount), enabled=True)
        made = "SELECT count(*) FROM flow_references WHERE provider = 'stripe' AND kind = 'onramp_session'"
        self._fleet.wait(
            lambda: self._fleet.one(made) == self._size.flows, "every session made", within_s=MADE_WITHIN_S
        )

    def acts(self) -> Acts:
        """They are paid, one after the other."""
        sessions = [one["id"] for one in self._fleet.system.control("GET", "stripe/onramp_sessions")]
        pay = [partial(self._pay, one) for one in reversed(sessions)]
        return evenly(pay, after_s=0, within_s=self._size.decided_within_s)

    def _pay(self, session: str) -> None:
        self._fleet.system.control("POST", f"stripe/onramp_sessions/{session}/pay", {"step_seconds": STEP_S})

    def left(self) -> int:
        """Those that cannot be claimed yet."""
        there = "SELECT count(*) FROM flows WHERE kind = 'stripe_top_up' AND state = 'claimable'"
        return self._size.flows - int(self._fleet.one(there))

    def waits(self) -> Mapping[str, Sequence[float]]:
        """From Stripe's own history to ours."""
        rows = self._fleet.rows("""
            SELECT r.external_id, t.recorded_at FROM transitions t
              JOIN flow_references r ON r.flow_id = t.flow_id AND r.kind = 'onramp_session'
             WHERE t.to_state = 'claimable'
        """)
        known = {row["external_id"]: row["recorded_at"] for row in rows}
        decided = {
            one["id"]: datetime.fromisoformat(passed["at"])
            for one in self._fleet.system.control("GET", "stripe/onramp_sessions")
            for passed in one["history"]
            if passed["status"] == DECIDED
        }
        return {"": [(at - decided[one]).total_seconds() for one, at in known.items()]}

    def counted(self) -> Mapping[str, int]:
        """By what Stripe has delivered and made."""
        delivered = self._fleet.system.control("GET", "balances")["stripe"]["onramp_delivered"].get("usdc", "0")
        posted = self._fleet.one("""
            SELECT coalesce(sum(p.amount), 0) FROM postings p JOIN ledger_accounts a ON a.id = p.account_id
             WHERE a.name = 'stripe:custody' AND a.asset = 'USDC'
        """)
        short = Money.parse(delivered, "USDC").minor - int(posted)
        doubled = self._fleet.system.control("GET", "effects")["stripe"]["duplicates"]
        return {"lost": int(short > 0), "doubled": doubled + int(short < 0)}
