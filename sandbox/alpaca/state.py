"""Everything Alpaca remembers, and how a test puts things there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox import amounts
from sandbox.alpaca.errors import not_found
from sandbox.alpaca.idempotency import IdempotencyKeys
from sandbox.alpaca.journals import DEAD, Journals
from sandbox.alpaca.ledger import BrokerageAccount, CashLedger
from sandbox.alpaca.streams import EventLog
from sandbox.times import milliseconds

if TYPE_CHECKING:
    from sandbox.world import World

REFUSALS = frozenset({"forbidden", *DEAD})


@dataclass
class AchTransfer:
    """One bank transfer."""

    id: str
    account_id: str
    relationship_id: str
    amount: Decimal
    direction: str
    created_at: datetime
    status: str = "QUEUED"

    def as_json(self) -> dict[str, Any]:
        """As the API shows it: `type`, where the request said `transfer_type`."""
        return {
            "id": self.id,
            "account_id": self.account_id,
            "relationship_id": self.relationship_id,
            "bank_id": None,
            "type": "ach",
            "status": self.status,
            "reason": None,
            "amount": amounts.plain(self.amount),
            "requested_amount": amounts.plain(self.amount),
            "fee": "0",
            "fee_payment_method": "user",
            "direction": self.direction,
            "created_at": milliseconds(self.created_at),
            "updated_at": milliseconds(self.created_at),
            "expires_at": milliseconds(self.created_at + timedelta(days=7)),
        }


class AlpacaState:
    """Alpaca's memory. Nothing here locks, the world does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.ledger = CashLedger(world)
        self.journal_events = EventLog(world, "journal_event")
        self.funding_events = EventLog(world, "funding_event")
        self.transfers: dict[str, AchTransfer] = {}
        self.keys = IdempotencyKeys(world, timedelta(seconds=world.config.idempotency_seconds))
        self.firm_account_id = self.add_account(world.config.firm_account_id)
        self.journals = Journals(world, self.ledger, self.journal_events, self.firm_account_id)
        if amounts.parse(world.config.firm_cash) > 0:
            self.add_cash(self.firm_account_id, world.config.firm_cash, "initial cash")

    @property
    def accounts(self) -> dict[str, BrokerageAccount]:
        """Every account, the firm's first, by id."""
        return self.ledger.accounts

    def add_account(
        self,
        id: str | None = None,  # noqa: A002 - Alpaca's own word
        number: str | None = None,
        cash: str = "0",
        multiplier: int = 1,
    ) -> str:
        """A brokerage account; its UUID. Initial cash is an activity like any other; a multiplier makes it margin."""
        with self._world.lock:
            ids = self._world.ids
            account_id = id or ids.uuid("account")
            account = BrokerageAccount(account_id, number or ids.digits("account_number", 9), self._world.now())
            account.multiplier = multiplier
            self.ledger.accounts[account_id] = account
            if amounts.parse(cash) > 0:
                self.add_cash(account_id, cash, "initial cash")
            return account_id

    def add_cash(self, account_id: str, amount: str, description: str = "cash deposit") -> None:
        """Cash from outside (CSD), or with a negative amount back to it (CSW)."""
        with self._world.lock:
            signed = -amounts.parse(amount[1:]) if amount.startswith("-") else amounts.parse(amount)
            self.ledger.book(account_id, "CSW" if signed < 0 else "CSD", signed, description)

    def refuse_account(self, account_id: str, on: bool = True, mode: str = "forbidden") -> None:  # noqa: FBT001, FBT002 - a switch
        """Let compliance refuse journals to this account: 403 at once, or journals that end refused or rejected.

        Raises: ValueError: no such mode. AlpacaError: no such account.
        """
        if mode not in REFUSALS:
            raise ValueError(f"unknown refusal {mode!r}; known: {', '.join(sorted(REFUSALS))}")
        with self._world.lock:
            self.ledger.account(account_id).refuses = mode if on else None

    def add_transfer(self, account_id: str, relationship_id: str, amount: Decimal, direction: str) -> AchTransfer:
        """A bank transfer; as in Alpaca's own sandbox, ACH settles at once."""
        transfer_id = self._world.ids.uuid("ach_transfer")
        transfer = AchTransfer(transfer_id, account_id, relationship_id, amount, direction, self._world.now())
        self.transfers[transfer_id] = transfer
        self._settle(transfer)
        return transfer

    def balances(self) -> dict[str, str]:
        """Cash by account, the firm's first."""
        return {account.id: amounts.plain(account.cash) for account in self.accounts.values()}

    def cancel_transfer(self, account_id: str, transfer_id: str) -> None:
        """Call off a bank transfer that has not settled. Raises: AlpacaError 404."""
        transfer = self.transfers.get(transfer_id)
        if transfer is None or transfer.account_id != account_id or transfer.status == "COMPLETE":
            raise not_found("transfer")
        transfer.status = "CANCELED"

    def _settle(self, transfer: AchTransfer) -> None:
        incoming = transfer.direction == "INCOMING"
        signed = transfer.amount if incoming else -transfer.amount
        self.ledger.book(transfer.account_id, "CSD" if incoming else "CSW", signed, f"ACH {transfer.id}")
        transfer.status = "COMPLETE"
        payload = {
            "account_id": transfer.account_id,
            "correspondent": "SAND",
            "entity_id": transfer.id,
            "entity_type": "Transfer",
            "status_from": "QUEUED",
            "status_to": "COMPLETE",
            "reason": None,
        }
        self.funding_events.append(transfer.account_id, payload)
