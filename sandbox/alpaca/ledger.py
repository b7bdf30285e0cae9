"""Cash at Alpaca and the activities that moved it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox import amounts
from sandbox.alpaca.errors import not_found
from sandbox.times import milliseconds

if TYPE_CHECKING:
    from sandbox.world import World


@dataclass
class BrokerageAccount:
    """One account. `reserved` is what queued and pending journals will take."""

    id: str
    number: str
    created_at: datetime
    cash: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    status: str = "ACTIVE"
    multiplier: int = 1  # of a margin account: what its buying power is in cash
    refuses: str | None = None  # compliance: "forbidden" (403), or the status its journals end in
    before: tuple[Decimal, datetime] | None = None  # the cash before its last change, and when that was


@dataclass(frozen=True)
class Activity:
    """One change of cash; in the list, only ever added."""

    id: str
    account_id: str
    kind: str
    amount: Decimal  # signed: what leaves the account is negative
    description: str
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """As `GET /v1/accounts/activities` shows it."""
        return {
            "id": self.id,
            "account_id": self.account_id,
            "activity_type": self.kind,
            "date": self.at.strftime("%Y-%m-%d"),
            "created_at": milliseconds(self.at),
            "net_amount": amounts.plain(self.amount),
            "description": self.description,
            "status": "executed",
            "currency": "USD",
        }


class CashLedger:
    """Every account's cash. It changes here only, and never without an activity."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.accounts: dict[str, BrokerageAccount] = {}
        self.activities: list[Activity] = []

    def account(self, account_id: Any) -> BrokerageAccount:
        """By id. Raises: AlpacaError 404."""
        found = self.accounts.get(account_id) if isinstance(account_id, str) else None
        if found is None:
            raise not_found("account")
        return found

    def book(self, account_id: str, kind: str, amount: Decimal, description: str) -> Activity:
        """Change an account's cash by a signed amount and record it."""
        account, now = self.account(account_id), self._world.now()
        account.before = (account.cash, now)
        account.cash += amount
        stamp = now.strftime("%Y%m%d%H%M%S") + f"{now.microsecond // 1000:03d}"
        activity_id = f"{stamp}::{self._world.ids.uuid('activity')}"
        activity = Activity(activity_id, account_id, kind, amount, description, now)
        self.activities.append(activity)
        return activity

    def view(self, account: BrokerageAccount, cash: Decimal | None = None) -> dict[str, Any]:
        """As `GET /v1/trading/accounts/{id}/account` shows it; `cash` shows an older amount."""
        held = account.cash if cash is None else cash
        power = amounts.plain(held * account.multiplier)
        shown, free = amounts.plain(held), amounts.plain(max(held - account.reserved, Decimal(0)))
        blocked = account.refuses is not None
        return {
            "id": account.id,
            "account_number": account.number,
            "status": account.status,
            "currency": "USD",
            "cash": shown,
            "cash_withdrawable": free,
            "cash_transferable": free,
            "buying_power": power,
            "non_marginable_buying_power": shown,
            "equity": shown,
            "pending_transfer_in": "0",
            "pending_transfer_out": "0",
            "account_blocked": False,
            "transfers_blocked": blocked,
            "trading_blocked": False,
            "multiplier": str(account.multiplier),
            "created_at": milliseconds(account.created_at),
        }
