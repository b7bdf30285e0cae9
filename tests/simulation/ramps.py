"""Customers of Bridge, IBEX and Stripe in a history: what they begin, and what happens to it at the providers."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text

from db.customers import NewLink
from db.engine import UnitOfWork
from funding.money import Money, NotMoney
from funding.refusals import Refusal
from ops.actions import customers, top_ups, withdrawals
from ops.actions.desk import Desk, Refused
from sandbox.stripe.errors import StripeError
from sandbox.world import World
from tests.simulation.heard import Heard

PATHS: Final[tuple[tuple[tuple[str, ...], int], ...]] = (
    (("funds_received", "payment_submitted", "payment_processed"), 8),
    (("funds_scheduled", "funds_received", "payment_processed"), 4),
    (("funds_received", "in_review", "payment_submitted", "payment_processed"), 2),
    (("funds_received", "refunded"), 1),
    (("microdeposit",), 1),
)
NETWORK: Final = "ethereum"
SENDS: Final = ("failed", "unknown_made", "unknown_not_made", "prepared", "completed")
ENDINGS: Final = (("returned", "refund_in_flight", "refunded"), ("undeliverable", "refund_in_flight", "refunded"))
PAID: Final = ("payment_processed", "payment_submitted")
STEP_S: Final = (0.5, 5.0, 30.0)
MARKUP: Final = "0.5"
Tell = Callable[[str], None]
_CLAIMABLE: Final = text("""
    SELECT id FROM flows
     WHERE kind = 'stripe_top_up' AND state = 'claimable' AND NOT data ? 'claim' AND parked_at IS NULL ORDER BY id
""")


@dataclass(frozen=True, slots=True)
class Ramper:
    """Somebody with accounts everywhere but at Due and Alpaca."""

    name: str
    customer: str
    virtual_account: str
    bank: str
    account: str
    address: str
    wallet: str

    def links(self) -> list[NewLink]:
        """What makes them a customer here."""
        return [
            self._link("bridge", "customer", self.customer),
            self._link("bridge", "virtual_account", self.virtual_account),
            self._link("bridge", "external_account", self.bank, bank_name="Example Bank", last4="6789"),
            self._link("ibex", "account", self.account),
            self._link("ibex", "address", self.address, network="tron", asset="USDT"),
            self._link("stripe", "wallet_address", self.wallet, network=NETWORK),
        ]

    def _link(self, provider: str, kind: str, external_id: str, **attributes: str) -> NewLink:
        return NewLink(customer=self.name, provider=provider, kind=kind, external_id=external_id, attributes=attributes)


class Ramps:
    """Everybody who moves money over Bridge, IBEX and Stripe."""

    def __init__(self, world: World, begin: UnitOfWork, *, wake: Heard, draw: random.Random, tell: Tell) -> None:
        self._world = world
        self._begin = begin
        self._desk = Desk(begin=begin, by="ana", waker=wake)
        self._draw = draw
        self._tell = tell
        self._wishes: list[Ramper] = []
        self.people: list[Ramper] = []

    def arrive(self, most: int) -> None:
        """One to `most` of them, customers here from the beginning."""
        bridge, ibex = self._world.bridge, self._world.ibex
        for number in range(self._draw.randint(1, most)):
            name = f"ramp_{number}"
            customer = bridge.add_customer()
            account = ibex.add_account(name)
            address = ibex.add_receive_info(account, "tron", name).address
            person = Ramper(
                name,
                customer.id,
                bridge.add_virtual_account(customer.id, address, developer_fee_percent=MARKUP).id,
                bridge.add_external_account(customer.id, account_number=f"12345{number}6789").id,
                account,
                address,
                str(self._world.ids.address()),
            )
            self.people.append(person)
            self.link(person)

    def link(self, person: Ramper) -> None:
        """Make somebody a customer; done again, nothing changes."""
        customers.add_customer(self._desk, person.name, level=2, links=person.links())

    def begin(self, kind: str) -> None:
        """Something of that kind begins, for one of them."""
        person = self._draw.choice(self.people)
        match kind:
            case "bridge_on_ramp":
                paths, weights = zip(*PATHS, strict=True)
                self._deposit(person, self._draw.choices(paths, weights)[0])
            case "bridge_withdrawal":
                self._deposit(person, PATHS[0][0])
                self._wishes.append(person)
            case "stripe_top_up":
                self._top_up(person)
            case _:
                page = self._world.stripe.add_checkout_session(self._some_dollars(), client_reference_id=person.name)
                self._tell(f"a page {page.id} of {person.name}")

    def _deposit(self, person: Ramper, path: tuple[str, ...]) -> None:
        amount = self._some_dollars()
        deposit = self._world.bridge.deposit(
            person.virtual_account, amount, path=path, step_seconds=self._draw.choice(STEP_S)
        )
        self._tell(f"bank deposit {deposit} of {amount} for {person.name} by {path[-1]}")

    def _top_up(self, person: Ramper) -> None:
        wanted = top_ups.Wanted(
            customer=person.name,
            network=NETWORK,
            amount=Money.parse(self._some_dollars(), "USDC"),
            reference=f"wish {self._draw.random()}",
        )
        try:
            flow = top_ups.create(self._desk, wanted, enabled=True)
        except (Refused, Refusal) as refused:
            self._tell(f"no top-up: {refused}")
        else:
            self._tell(f"top-up {flow} of {wanted.amount} for {person.name}")

    def _some_dollars(self) -> str:
        return f"{self._draw.randint(2, 5000)}.{self._draw.randint(0, 99):02d}"

    # What happens meanwhile; each is one of a plan's `acts` ----------------------------------------------------------

    def withdraw(self) -> None:
        """Somebody takes some of what they have, or asks for more than that."""
        if not self._wishes:
            return
        person = self._draw.choice(self._wishes)
        amount = self._draw.choice(("1.00", "2.5", "999999"))
        wanted = withdrawals.Wanted(
            customer=person.name,
            amount=amount,
            external_account=person.bank,
            reference=f"wish {self._draw.random()}",
        )
        try:
            flow = withdrawals.create(self._desk, wanted, enabled=True)
        except (Refused, Refusal, NotMoney) as refused:
            self._tell(f"no withdrawal of {amount}: {type(refused).__name__}")
            return
        self._wishes.remove(person)
        self._tell(f"withdrawal {flow} of {amount} for {person.name}")

    def pay_session(self) -> None:
        """The customer pays, goes away, or is refused."""
        onramp = self._world.stripe.onramp.by_id
        unpaid = [one.id for one in onramp.values() if one.status in ("initialized", "requires_payment")]
        if unpaid:
            session, what = self._draw.choice(unpaid), self._draw.choice(("pay", "pay", "pay", "reject", "leave"))
            self._end_session(session, what)
        shown = self._world.stripe.checkout.by_id.values()
        pages = [one.id for one in shown if (one.status, one.payment_status) == ("open", "unpaid")]
        if pages:
            self._world.stripe.pay_checkout(self._draw.choice(pages))
            self._tell("a page is paid")

    def _end_session(self, session: str, what: str) -> None:
        match what:
            case "pay":
                self._world.stripe.pay_onramp(session, step_seconds=self._draw.choice(STEP_S))
            case "reject":
                self._world.stripe.reject_onramp(session)
            case _:
                self._world.stripe.abandon_onramp(session)
        self._tell(f"session {session}: {what}")

    def claim(self) -> None:
        """A customer claims, perhaps twice."""
        if found := self._claimable():
            self._claim(self._draw.choice(found))

    def _claimable(self) -> list[UUID]:
        with self._begin() as connection:
            return list(connection.execute(_CLAIMABLE).scalars())

    def _claim(self, flow: UUID) -> None:
        try:
            top_ups.claim(self._desk, str(flow))
        except Refused as refused:
            self._tell(f"not claimed: {refused}")
        else:
            self._tell(f"top-up {flow} is to be claimed")

    def refund(self) -> None:
        """Some of a page's payment, or all of it, goes back."""
        charges = [one for one in self._world.stripe.payments.charges.values() if one.refundable > 0]
        if charges:
            charge = self._draw.choice(charges)
            part = self._draw.choice((None, "1.00"))
            try:
                made = self._world.stripe.refund(charge.id, part)
            except StripeError as refused:
                self._tell(f"no refund of {charge.id}: {refused}")
            else:
                self._tell(f"refund {made.id} of {part or 'all'} of {charge.id}")

    def fail_refund(self) -> None:
        """A bank gives a refund back."""
        made = [one for one in self._world.stripe.refunds.by_id.values() if one.status == "succeeded"]
        if made:
            refund = self._draw.choice(made)
            self._world.stripe.fail_refund(refund.id)
            self._tell(f"refund {refund.id} failed")

    def dispute(self) -> None:
        """A payer's bank disputes a payment."""
        disputed = {one.charge_id for one in self._world.stripe.disputes.by_id.values()}
        charges = [one for one in self._world.stripe.payments.charges.values() if one.id not in disputed]
        if charges:
            charge = self._draw.choice(charges)
            made = self._world.stripe.open_dispute(charge.id, withdraw=self._draw.random() < 0.7)
            self._tell(f"dispute {made.id} of {charge.id}")

    def close_dispute(self) -> None:
        """One ends, for us or against us."""
        opened = [one for one in self._world.stripe.disputes.by_id.values() if one.status not in ("won", "lost")]
        if opened:
            self._close(self._draw.choice(opened).id, self._draw.choice(("won", "lost")))

    def _close(self, dispute: str, end: str) -> None:
        self._world.stripe.close_dispute(dispute, end)
        self._tell(f"dispute {dispute} is {end}")

    def return_payout(self) -> None:
        """A bank gives a payout back, or Bridge cannot deliver it."""
        paid = [
            one for one in self._world.bridge.transfers() if one.state in ("payment_processed", "payment_submitted")
        ]
        if paid:
            payout = self._draw.choice(paid)
            path = self._draw.choice(ENDINGS)
            self._world.bridge.payments.force(payout.id, path[0], path[1:], 5.0)
            self._tell(f"payout {payout.id} was {path[0]}")

    def decide_send(self) -> None:
        """The next send at IBEX ends in a way of its own."""
        outcome = self._draw.choice(SENDS)
        self._world.ibex.decide_sends([outcome])
        self._tell(f"the next send: {outcome}")

    # At the end -------------------------------------------------------------------------------------------------------

    def settle(self) -> bool:
        """What waits for somebody at a provider, or for a customer, is decided; whether anything was."""
        stripe = self._world.stripe
        self._world.ibex.send_outcomes.clear()
        done = False
        for session in list(stripe.onramp.by_id.values()):
            if session.status in ("initialized", "requires_payment") and not session.script:
                self._end_session(session.id, self._draw.choice(("pay", "reject")))
                done = True
        for dispute in list(stripe.disputes.by_id.values()):
            if dispute.status not in ("won", "lost"):
                self._close(dispute.id, "lost")
                done = True
        for flow in self._claimable():
            self._claim(flow)
            done = True
        if self._wishes:
            self.withdraw()
            self._wishes.clear()
            done = True
        return done
