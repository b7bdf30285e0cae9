"""What becomes of deposits and sends: statuses, balances, the chain."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from sandbox import amounts
from sandbox.ibex import views
from sandbox.ibex.errors import bad
from sandbox.ibex.model import RECEIVED, SENT, Account, Option, ReceiveInfo, SendInfo, Transaction

if TYPE_CHECKING:
    from sandbox.ibex.state import IbexState
    from sandbox.world import World

_CHAIN_PLACES: Final = 6
_NO_EFFECT: Final = frozenset({"failed"})  # a send that ended so has cost nothing


class TransactionLife:
    """Makes transactions and moves them from status to status."""

    def __init__(self, world: World, ibex: IbexState) -> None:
        self._world = world
        self._ibex = ibex

    def receive(
        self, info: ReceiveInfo, amount: Decimal, chain_hash: str, *, settle_seconds: float, becomes: str
    ) -> Transaction:
        """A deposit that was seen on the chain: pending now, `becomes` later."""
        one = self._create(RECEIVED, info.account_id, info.option, info.address, self._dusted(amount), Decimal(0))
        one.hash = chain_hash
        self._ibex.webhooks.tell_change(one)
        self.plan(one, becomes, settle_seconds)
        return one

    def send(self, account: Account, info: SendInfo, amount: Decimal, *, becomes: str) -> Transaction:
        """A send whose money is gone from the balance at once: pending now, `becomes` later.

        Raises: IbexError 400: more than there is. Its text tells an account's id, as Ibex's may.
        """
        fee = amounts.parse(self._world.config.ibex_send_fee)
        if amount + fee > account.balance:
            raise bad(f"Insufficient balance: account {account.id} cannot pay {amounts.plain(amount + fee)}")
        one = self._create(SENT, account.id, info.option, info.address, amount, fee)
        self._book(one)
        if self._world.config.ibex_hash_at_once and becomes == "completed":
            self._broadcast(one, self._world.config.ibex_send_seconds)
        self._ibex.webhooks.tell_change(one)
        self.plan(one, becomes, self._world.config.ibex_send_seconds)
        return one

    def plan(self, one: Transaction, status: str, seconds: float) -> None:
        """Give it a status after so many seconds, or at once; none if it has it already."""
        if status == one.status:
            return
        one.coming_status = status
        if seconds > 0:
            one.coming = self._world.after(seconds, lambda: self.move(one, status))
        else:
            self.move(one, status)

    def move(self, one: Transaction, status: str) -> None:
        """Give it this status now, whatever it was; balance, chain and webhooks follow, nothing more is planned.

        Raises: ValueError: a send cannot fail that is on the chain.
        """
        if one.type_id == SENT and status in _NO_EFFECT and one.hash is not None:
            raise ValueError("what is on the chain cannot fail")
        self.remember(one)
        if one.coming is not None:
            one.coming.cancelled = True
        one.coming, one.coming_status = None, None
        one.status, one.reads = status, 0
        one.settled_at = self._world.now() if status == "completed" else None
        self._book(one)
        if one.type_id == SENT and status == "completed" and one.hash is None:
            self._broadcast(one, 0.0)
        self._ibex.webhooks.tell_change(one)

    def advance(self, one: Transaction) -> bool:
        """Take what is planned now instead of later; False if nothing is."""
        if one.coming_status is None:
            return False
        self.move(one, one.coming_status)
        return True

    def remember(self, one: Transaction) -> None:
        """Keep how it looked until now, for stale reads."""
        one.before = views.transaction(one, self._world.config)
        one.changed_at = self._world.now()

    def _create(
        self, type_id: int, account_id: str, option: Option, address: str, amount: Decimal, fee: Decimal
    ) -> Transaction:
        one = Transaction(
            id=self._world.ids.uuid("ibex_transaction"),
            account_id=account_id,
            type_id=type_id,
            option=option,
            address=address,
            amount=amount,
            fee=fee,
            created_at=self._world.now(),
        )
        self._ibex.transactions[one.id] = one
        return one

    def _book(self, one: Transaction) -> None:
        if one.type_id == RECEIVED:
            effect = one.amount if one.status == "completed" else Decimal(0)
        else:
            effect = Decimal(0) if one.status in _NO_EFFECT else -(one.amount + one.fee)
        if effect != one.effect:
            self._ibex.book(self._ibex.account(one.account_id), effect - one.effect)
            one.effect = effect

    def _broadcast(self, one: Transaction, seconds: float) -> None:
        one.hash = self._world.chain.send(
            one.option.network.casefold(),
            one.option.name,
            sender=self._ibex.hot_wallet(one.option.network),
            recipient=one.address,
            amount=one.amount,
            seconds=seconds,
        ).hash

    def _dusted(self, amount: Decimal) -> Decimal:
        places = self._world.config.ibex_decimals
        if places <= _CHAIN_PLACES:
            return amount
        dust = self._world.ids.stream("ibex_dust").randrange(1, 10 ** (places - _CHAIN_PLACES))
        return amount + Decimal(dust).scaleb(-places)
