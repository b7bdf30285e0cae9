"""Transfers and drains: what is ordered, what arrives for it, and the states it goes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox import amounts
from sandbox.bridge.course import Courses, path_of
from sandbox.bridge.errors import conflict
from sandbox.bridge.fees import charged, share
from sandbox.bridge.model import CHAINS, LiquidationAddress, Payment
from sandbox.bridge.people import changes
from sandbox.bridge.views import number

if TYPE_CHECKING:
    from sandbox.bridge.state import BridgeState
    from sandbox.chain import Movement
    from sandbox.world import World

STATES = frozenset(
    {
        *("awaiting_funds", "in_review", "funds_received", "payment_submitted", "payment_processed", "canceled"),
        *("undeliverable", "returned", "refund_in_flight", "refunded", "refund_failed", "missing_return_policy"),
        *("error", "pending", "kyc_required", "kyc_in_review", "developer_kyb_required"),
    }
)
DEFAULT_PATH = ("funds_received", "payment_submitted", "payment_processed")
_OPEN = frozenset({"awaiting_funds", "in_review", "pending"})  # funds are expected
_CAME_BACK = frozenset({"returned", "undeliverable", "missing_return_policy", "refund_failed"})
_GOING_BACK = frozenset({"refund_in_flight", "refunded"})
_FAILED = frozenset({"undeliverable", "returned", "error", "canceled"})  # what the first seed calls failed


class Payments:
    """Moves transfers and drains on; every change is announced."""

    def __init__(self, world: World, state: BridgeState) -> None:
        self._world = world
        self._state = state
        self.courses: Courses[Payment] = Courses(world, self.move)
        self.by_id: dict[str, Payment] = {}
        self._awaited: dict[str, Payment] = {}  # by the address that funds should come to

    def order(self, customer_id: str, **told: Any) -> Payment:
        """A transfer that waits for its funds: an address of its own, or bank details with a message to copy."""
        payment = Payment(**self._state.identity("transfer", self.by_id, customer_id), **told)
        rail, currency = payment.source["payment_rail"], payment.source["currency"]
        if rail in CHAINS:
            address = self._state.draw_address(rail)
            payment.instructions = {"payment_rail": rail, "currency": currency, "to_address": address}
            self._awaited[address] = payment
        else:
            bank = self._state.banks.instructions(currency, "Bridge Building Inc.")
            message = f"BRG{self._world.ids.digits('bridge_message', 12)}"
            payment.instructions = {"payment_rail": rail, **bank, "deposit_message": message}
        payment.exchange_fee = self._exchange_fee(payment)
        self.by_id[payment.id] = payment
        self.move(payment, "awaiting_funds")
        return payment

    def cancel(self, payment: Payment) -> None:
        """Call a transfer off. Raises: BridgeError 409: funds have arrived, or it is over."""
        if payment.state != "awaiting_funds":
            raise conflict(f"a transfer that is {payment.state} cannot be deleted")
        self.move(payment, "canceled", "canceled")

    def arrived(self, movement: Movement) -> bool:
        """Take a payment of the chain to a transfer's address; False if it is none, or not what can be taken there."""
        payment = self._awaited.get(movement.recipient)
        expected = payment and (payment.source["payment_rail"], payment.source["currency"].upper())
        if payment is None or expected != (movement.network, movement.asset) or payment.received is not None:
            return False
        self.fund(payment, movement.amount, movement)
        return True

    def fund(self, payment: Payment, amount: Decimal, movement: Movement | None = None) -> None:
        """Funds are here. As ordered, they go on their way; if not, or too late, they go back.

        What a transfer takes: its own amount (any, with `flexible_amount`), from its `from_address` if it names one
        (from anyone, with `allow_any_from_address`), while it waits. How Bridge tells of the rest is not written: it
        goes back if there is a return policy, and else waits in missing_return_policy.
        """
        wanted, features = payment.amount, payment.features
        sender = payment.source.get("from_address")
        known = movement is None or sender in {None, movement.sender} or features.get("allow_any_from_address")
        right = payment.state in _OPEN and known and (features.get("flexible_amount") or wanted == amount)
        self._state.remember(payment)
        payment.received, payment.funded_by = amount, movement
        payment.source_hash = movement.hash if movement else None
        if not right:
            self.give_back(payment)
            return
        payment.amount = amount
        payment.exchange_fee = self._exchange_fee(payment)
        self._begin(payment)

    def drain(self, address: LiquidationAddress, movement: Movement) -> Payment:
        """What arrived at a liquidation address, on its way out."""
        identity = self._state.identity("drain", self.by_id, address.customer_id)
        payment = Payment(
            **identity,
            amount=movement.amount,
            fee=Decimal(0),
            fee_percent=address.fee_percent,
            source={"payment_rail": address.chain, "currency": address.currency, "from_address": movement.sender},
            destination=dict(address.destination),
            liquidation_address_id=address.id,
            return_address=address.return_address,
            received=movement.amount,
            funded_by=movement,
            source_hash=movement.hash,
        )
        payment.exchange_fee = self._exchange_fee(payment)
        self.by_id[payment.id] = payment
        self._begin(payment)
        return payment

    def give_back(self, payment: Payment) -> None:
        """The payout came back, or never could be made: return the funds, or wait for a policy that says where to."""
        if payment.source["payment_rail"] in CHAINS and self._return_address(payment) is None:
            self.courses.plan(payment, (), 0)
            self.move(payment, "missing_return_policy")
            return
        if payment.state != "missing_return_policy":
            self.move(payment, "returned")
        self.courses.plan(payment, ("refund_in_flight", "refunded"), self._step_seconds(payment))

    def policy_changed(self) -> None:
        """Give back what waited for a return policy, if there is one now."""
        for payment in self.by_id.values():
            if payment.state == "missing_return_policy" and self._return_address(payment) is not None:
                self.give_back(payment)

    def prepare(self, payment: Payment, path: Sequence[str], step_seconds: float | None = None) -> None:
        """Say what course it takes once funds are here, its first state at once. Raises: ValueError."""
        payment.path = path_of(path)
        payment.step_seconds = None if step_seconds is None else float(step_seconds)

    def force(
        self,
        payment_id: str,
        state: str | None = None,
        path: Sequence[str] = (),
        step_seconds: float | Sequence[float] = 0.2,
    ) -> Payment:
        """Take `state` now and `path` afterwards, in place of what was planned. Raises: KeyError, ValueError."""
        payment = self.by_id[payment_id]
        self.courses.plan(payment, path_of(path) if path else (), step_seconds)
        if state is not None:
            self.move(payment, str(state))
        return payment

    def move(self, payment: Payment, state: str, mutation: str = "updated.status_transitioned") -> None:
        """Give a payment this state now, whatever it was, and tell everyone."""
        old = self._state.remember(payment) if payment.state else None
        payment.state = state
        payment.history.append((state, self._world.now()))
        self._move_money(payment, state)
        view = self._state.views.of(payment)
        category = "liquidation_address.drain" if payment.is_drain else "transfer"
        told = changes(old, view) if old is not None else None
        self._state.endpoints.announce(
            category, mutation if old is not None else "created", view, status=state, changes=told
        )
        if not payment.is_drain and (state == "payment_processed" or state in _FAILED):
            self._tell_seed(payment, "completed" if state == "payment_processed" else "failed")

    def held(self) -> dict[str, Decimal]:
        """By currency: what came in and was neither paid out nor given back."""
        found: dict[str, Decimal] = {}
        for one in self.by_id.values():
            if one.received is not None and not one.paid_out and not one.given_back:
                currency = one.source["currency"]
                found[currency] = found.get(currency, Decimal(0)) + one.received
        return found

    def paid(self, payment: Payment) -> Decimal:
        """What was or will be paid out of a payment, after every fee."""
        return charged(payment).final

    def summary(self, payment: Payment) -> dict[str, Any]:
        """The payment with what only the sandbox knows of it."""
        return {
            **self._state.views.of(payment),
            "received": number(payment.received),
            "paid_out": payment.paid_out,
            "given_back": payment.given_back,
            "to_come": [state for state, _ in payment.course.steps],
            "history": [[state, at.isoformat()] for state, at in payment.history],
        }

    def _begin(self, payment: Payment) -> None:
        bank = self._state.external_accounts.get(str(payment.destination.get("external_account_id")))
        closed = bank is not None and not bank.active
        path = payment.path or (("funds_received", "undeliverable") if closed else DEFAULT_PATH)
        self.courses.plan(payment, path, [0.0, *[self._step_seconds(payment)] * (len(path) - 1)])
        self.courses.advance(payment)

    def _move_money(self, payment: Payment, state: str) -> None:
        on_chain = payment.destination["payment_rail"] in CHAINS
        if state == "payment_processed" or (state == "payment_submitted" and on_chain):
            if on_chain and payment.destination_hash is None:
                destination = {**payment.destination, "address": payment.destination["to_address"]}
                payment.destination_hash = self._state.pay_out(destination, charged(payment).final).hash
            payment.paid_out = True
        elif state in _CAME_BACK:
            payment.paid_out = False  # with Bridge again until it is given back or sent anew
        elif state in _GOING_BACK and not payment.given_back and payment.received is not None:
            payment.paid_out, payment.given_back = False, True
            self._send_back(payment, payment.received)

    def _send_back(self, payment: Payment, amount: Decimal) -> None:
        came = payment.funded_by
        if came is not None:
            home = {**payment.source, "address": self._return_address(payment) or came.sender}
            self._state.pay_out(home, amount)

    def _return_address(self, payment: Payment) -> str | None:
        return payment.return_address or self._state.return_address

    def _exchange_fee(self, payment: Payment) -> Decimal:
        percent = amounts.parse(self._world.config.bridge_exchange_fee_percent)
        return share(charged(replace(payment, exchange_fee=Decimal(0))).subtotal, percent)

    def _step_seconds(self, payment: Payment) -> float:
        own = payment.step_seconds
        return self._world.config.bridge_step_seconds if own is None else own

    def _tell_seed(self, payment: Payment, ending: str) -> None:
        data = {
            "transfer_id": payment.id,
            "customer_id": payment.customer_id,
            "amount": number(payment.amount),
            "status": ending,
        }
        self._state.endpoints.announce_in_seed_way("transfer", f"transfer.{ending}", data)
