"""Virtual accounts, and what a bank deposit on one starts."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox import amounts
from sandbox.bridge.course import Courses, path_of
from sandbox.bridge.errors import invalid
from sandbox.bridge.fees import Charged, charge, share
from sandbox.bridge.model import CHAINS, Activity, Customer, Deposit, VirtualAccount
from sandbox.bridge.people import changes
from sandbox.bridge.views import number

if TYPE_CHECKING:
    from sandbox.bridge.state import BridgeState
    from sandbox.world import World

DEFAULT_PATH = ("funds_received", "payment_submitted", "payment_processed")
TYPES = frozenset(
    {
        *("funds_scheduled", "funds_received", "payment_submitted", "payment_processed", "in_review", "refunded"),
        *("microdeposit", "account_update", "deactivation", "reactivation"),
    }
)
_CONVERTED = frozenset({"payment_submitted", "payment_processed"})
_HELD = frozenset({"funds_received", "in_review", "payment_submitted", "payment_processed"})


class Deposits:
    """Makes virtual accounts and deposits, and moves both on."""

    def __init__(self, world: World, state: BridgeState) -> None:
        self._world = world
        self._state = state
        self.courses: Courses[Deposit] = Courses(world, self.move)
        self.by_id: dict[str, Deposit] = {}

    def open(
        self, customer: Customer, currency: str, destination: dict[str, Any], fee_percent: Decimal | None
    ) -> VirtualAccount:
        """A virtual account for what arrives in `currency`."""
        made = VirtualAccount(
            **self._state.identity("virtual_account", self._state.virtual_accounts, customer.id),
            instructions=self._state.banks.instructions(currency, customer.full_name),
            destination=destination,
            fee_percent=fee_percent,
        )
        self._state.virtual_accounts[made.id] = made
        view = self._state.views.of(made)
        self._state.endpoints.announce("virtual_account", "created", view, status=made.status)
        return made

    def change(
        self,
        account: VirtualAccount,
        *,
        destination: dict[str, Any] | None = None,
        fee_percent: Decimal | None = None,
        status: str | None = None,
    ) -> None:
        """Change a virtual account; an activity and an event tell of it."""
        old = self._state.remember(account)
        account.destination = destination or account.destination
        account.fee_percent = account.fee_percent if fee_percent is None else fee_percent
        turned = status is not None and status != account.status
        account.status = status or account.status
        kind = (
            {"activated": "reactivation", "deactivated": "deactivation"}[account.status] if turned else "account_update"
        )
        view = self._state.views.of(account)
        mutation = "updated.status_transitioned" if turned else "updated"
        told = changes(old, view)
        self._state.endpoints.announce("virtual_account", mutation, view, status=account.status, changes=told)
        self._log(account, kind)

    def start(
        self,
        virtual_account_id: str,
        amount: str = "250.00",
        path: Sequence[str] | None = None,
        step_seconds: float | Sequence[float] = 0.2,
        *,
        rail: str = "ach_push",
        sender_name: str = "ANA PIRES",
        sender_routing: str = "021000021",
        exchange_fee: str | None = None,
        gas_fee: str = "0",
        sent_on: str = "payment_submitted",
    ) -> str:
        """The deposit id of money that a bank sent; `path` follows by itself, its first stage now.

        `step_seconds` is one wait for all later stages or a list of them. Without a path the money is converted, or
        refunded if the account is deactivated. The coin leaves at stage `sent_on`, unless a refund is still to come.
        Raises: KeyError: no such account. ValueError: a bad amount or path.
        """
        account = self._state.virtual_accounts[virtual_account_id]
        usual = DEFAULT_PATH if account.status == "activated" else ("funds_received", "refunded")
        stages = usual if path is None else path_of(path)
        if sent_on not in _CONVERTED:
            raise ValueError("the coin leaves on payment_submitted or payment_processed")
        paid, percent = amounts.parse(amount), amounts.parse(self._world.config.bridge_exchange_fee_percent)
        left = paid - share(paid, account.fee_percent)
        deposit = Deposit(
            **self._state.identity("deposit", self.by_id, account.customer_id),
            account=account,
            amount=paid,
            exchange_fee=share(left, percent) if exchange_fee is None else amounts.parse(exchange_fee),
            gas_fee=amounts.parse(gas_fee),
            source=self._source(rail, sender_name, sender_routing),
            sent_on=sent_on,
        )
        self.courses.plan(deposit, stages, [0.0, *self._waits(step_seconds, len(stages) - 1)])
        self.by_id[deposit.id] = deposit
        self.courses.advance(deposit)
        return deposit.id

    def force(
        self,
        deposit_id: str,
        status: str | None = None,
        path: Sequence[str] = (),
        step_seconds: float | Sequence[float] = 0.2,
    ) -> Deposit:
        """Take `status` now and `path` afterwards, in place of what was planned. Raises: KeyError, ValueError."""
        deposit = self.by_id[deposit_id]
        self.courses.plan(deposit, path_of(path) if path else (), step_seconds)
        if status is not None:
            self.move(deposit, str(status))
        return deposit

    def charged(self, deposit: Deposit) -> Charged:
        """The deposit's amounts after fees, at one coin for one of its currency."""
        developer = share(deposit.amount, deposit.account.fee_percent)
        return charge(deposit.amount, developer, deposit.exchange_fee, deposit.gas_fee)

    def move(self, deposit: Deposit, stage: str) -> None:
        """Log a stage, send the coin if this is where it leaves, and tell everyone."""
        deposit.state = stage
        refund_ahead = any(name == "refunded" for name, _ in deposit.course.steps)
        leaves = stage in {deposit.sent_on, "payment_processed"} and not refund_ahead
        if leaves and deposit.sent is None and deposit.account.destination["payment_rail"] in CHAINS:
            destination = deposit.account.destination
            deposit.sent = self._state.pay_out(destination, self.charged(deposit).final)
        amount, currency = self._shown(deposit, stage)
        more: dict[str, Any] = {"source": dict(deposit.source)}
        if stage in _CONVERTED:
            taken = self.charged(deposit)
            more = {
                "subtotal_amount": number(taken.subtotal),
                "developer_fee_amount": number(taken.developer, 1),
                "exchange_fee_amount": number(deposit.exchange_fee, 1),
                "gas_fee": number(deposit.gas_fee, 1),
                "destination_tx_hash": deposit.sent.hash if deposit.sent else None,
                **more,
            }
        self._log(deposit.account, stage, amount, currency, deposit.id, more)
        if stage == "payment_processed":
            self._tell_seed(deposit)

    def held(self) -> dict[str, Decimal]:
        """By currency: what came in and has neither left as coin nor gone back."""
        found: dict[str, Decimal] = {}
        for one in self.by_id.values():
            if one.sent is None and one.state in _HELD:
                currency = one.account.instructions["currency"]
                found[currency] = found.get(currency, Decimal(0)) + one.amount
        return found

    def _shown(self, deposit: Deposit, stage: str) -> tuple[Decimal, str]:
        own, coin = deposit.account.instructions["currency"], deposit.account.destination["currency"]
        if stage not in _CONVERTED:
            return deposit.amount, own
        in_coin = stage == "payment_processed" or self._world.config.bridge_submitted_in == "destination"
        return self.charged(deposit).final, coin if in_coin else own

    def _log(
        self,
        account: VirtualAccount,
        kind: str,
        amount: Decimal | None = None,
        currency: str | None = None,
        deposit_id: str | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        activity = Activity(
            **self._state.identity("activity", self._state.activities, account.customer_id),
            account_id=account.id,
            type=kind,
            amount=amount,
            currency=currency,
            deposit_id=deposit_id,
            more=more or {},
        )
        self._state.activities[activity.id] = activity
        self._state.endpoints.announce("virtual_account.activity", "created", self._state.views.of(activity))

    def _tell_seed(self, deposit: Deposit) -> None:
        data = {
            "customer_id": deposit.customer_id,
            "virtual_account_id": deposit.account.id,
            "destination_address": deposit.account.destination.get("address"),
            "amount": number(self.charged(deposit).final),
            "currency": deposit.account.destination["currency"],
            "tx_hash": deposit.sent.hash if deposit.sent else None,
        }
        self._state.endpoints.announce_in_seed_way("deposit", "deposit.completed", data)

    def _source(self, rail: str, name: str, routing: str) -> dict[str, Any]:
        ids = self._world.ids
        if rail == "wire":
            imad = f"{self._world.now():%Y%m%d}MMQFMP{ids.digits('bridge_imad', 8)}"
            return {"payment_rail": rail, "originator_name": name, "sender_bank_routing_number": routing, "imad": imad}
        trace = routing[:8] + ids.digits("bridge_trace", 7)
        return {"payment_rail": rail, "sender_name": name, "sender_bank_routing_number": routing, "trace_number": trace}

    def _waits(self, given: float | Sequence[float], count: int) -> list[float]:
        return [float(given)] * count if isinstance(given, int | float) else [float(wait) for wait in given]


def known_type(text: str) -> str:
    """An activity's type. Raises: BridgeError 400."""
    if text not in TYPES:
        raise invalid(event_type="is not a known type")
    return text
