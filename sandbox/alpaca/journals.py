"""Journals: cash between the firm's account and a customer's, exactly once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox import amounts
from sandbox.alpaca import errors
from sandbox.alpaca.ledger import BrokerageAccount, CashLedger
from sandbox.alpaca.streams import EventLog
from sandbox.schedule import Happening

if TYPE_CHECKING:
    from sandbox.world import World

_FIXTURE = re.compile(r"/fixtures/status=([A-Za-z_]+)/fixtures/")
_LONGEST_DESCRIPTION = 1024
OPEN = frozenset({"queued", "sent_to_clearing", "pending"})
DEAD = frozenset({"rejected", "refused", "canceled", "deleted"})  # final, no money moved
STATUSES = frozenset({*OPEN, *DEAD, "executed", "correct"})


@dataclass
class Journal:
    """One JNLC journal."""

    id: str
    number: int
    from_account: str
    to_account: str
    amount: Decimal
    description: str
    created_at: datetime
    day: str  # YYYY-MM-DD, Alpaca's system_date
    key: str | None = None
    key_type: str = "single"
    status: str = ""
    replaces: str | None = None  # the journal this one corrects
    coming: Happening | None = None
    coming_status: str | None = None
    before: dict[str, Any] | None = None
    changed_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """As the API shows it: `net_amount`, where the request said `amount`."""
        return {
            "id": self.id,
            "entry_type": "JNLC",
            "from_account": self.from_account,
            "to_account": self.to_account,
            "status": self.status,
            "net_amount": amounts.plain(self.amount),
            "currency": "USD",
            "description": self.description,
            "settle_date": self.day if self.status == "executed" else None,
            "system_date": self.day,
            "symbol": None,
            "qty": None,
            "price": None,
        }


class Journals:
    """Creates journals and moves them on; every change is an event of the journal stream."""

    def __init__(self, world: World, ledger: CashLedger, events: EventLog, firm_account_id: str) -> None:
        self._world = world
        self._ledger = ledger
        self._events = events
        self._firm = firm_account_id
        self.by_id: dict[str, Journal] = {}  # oldest first
        self.single_limit = amounts.parse(world.config.journal_single_limit)
        self.daily_limit = amounts.parse(world.config.journal_daily_limit)
        self._spent: dict[str, Decimal] = {}  # by day

    def create(self, wanted: Mapping[str, Any], key: str | None = None, key_type: str = "single") -> Journal:
        """A journal as asked for. Raises: AlpacaError 403, 404 or 422."""
        amount, description = self._checked(wanted)
        payer = self._ledger.account(wanted.get("from_account"))
        payee = self._ledger.account(wanted.get("to_account"))
        if payer.id == payee.id or self._firm not in {payer.id, payee.id}:
            raise errors.invalid("a journal needs the firm's account on exactly one side")
        if payee.refuses == "forbidden":
            raise errors.refused(payee.id)
        if payer.cash - payer.reserved < amount:
            raise errors.insufficient()
        journal = self._new(payer.id, payee.id, amount, description, key=key, key_type=key_type)
        self._move(journal, "queued")
        self._decide(journal, payee)
        return journal

    def delete(self, journal_id: str) -> None:
        """Call off a pending journal. Raises: AlpacaError 404, 422: it has moved on."""
        journal = self.get(journal_id)
        if journal.status != "pending":
            raise errors.invalid(f"journal is {journal.status} and can no longer be deleted")
        self._move(journal, "deleted")

    def get(self, journal_id: str) -> Journal:
        """By id. Raises: AlpacaError 404."""
        if journal_id not in self.by_id:
            raise errors.not_found("journal")
        return self.by_id[journal_id]

    def force(self, journal_id: str, status: str, amount: Decimal | None = None) -> Journal:
        """What an operator at Alpaca could do: settle an open journal, or correct an executed one.

        A correction answers with the new journal that takes its place, of another amount if one is given. Raises:
        AlpacaError 404, 422: not a status, or not from here.
        """
        journal = self.get(journal_id)
        if status == "correct" and journal.status == "executed":
            return self._correct(journal, journal.amount if amount is None else amount)
        if status not in STATUSES - {"correct"} or journal.status not in OPEN:
            raise errors.invalid(f"cannot go from {journal.status} to {status}")
        self._move(journal, status)
        return journal

    def advance(self, journal: Journal) -> bool:
        """Take the next planned step now instead of later; False if none is planned."""
        if journal.coming_status is None:
            return False
        self._move(journal, journal.coming_status)
        return True

    def _checked(self, wanted: Mapping[str, Any]) -> tuple[Decimal, str]:
        if wanted.get("entry_type") != "JNLC":
            raise errors.invalid("entry_type must be JNLC")
        if wanted.get("currency") is not None and wanted["currency"] != "USD":
            raise errors.invalid("currency must be USD")
        try:
            amount = amounts.parse(wanted.get("amount"))
        except ValueError as error:
            raise errors.invalid("amount must be a decimal number") from error
        if amount <= 0 or amount != amounts.floor(amount, "USD"):
            raise errors.invalid("amount must be above zero and of whole cents")
        description = wanted.get("description") or ""
        if not isinstance(description, str) or len(description) > _LONGEST_DESCRIPTION:
            raise errors.invalid(f"description must be text of at most {_LONGEST_DESCRIPTION} characters")
        return amount, description

    def _new(self, payer: str, payee: str, amount: Decimal, description: str, **more: Any) -> Journal:
        now = self._world.now()
        journal = Journal(
            id=self._world.ids.uuid("journal"),
            number=len(self.by_id) + 1,
            from_account=payer,
            to_account=payee,
            amount=amount,
            description=description,
            created_at=now,
            day=now.strftime("%Y-%m-%d"),
            **more,
        )
        self.by_id[journal.id] = journal
        return journal

    def _decide(self, journal: Journal, payee: BrokerageAccount) -> None:
        self._spent[journal.day] = self._spent.get(journal.day, Decimal(0)) + journal.amount
        fixture = _FIXTURE.search(journal.description)
        queue = self._world.config.journal_queue_seconds
        if fixture is not None and fixture[1].lower() in STATUSES:
            self._plan(journal, fixture[1].lower(), queue)
        elif payee.refuses is not None:
            self._plan(journal, payee.refuses, queue)
        elif journal.amount > self.single_limit or self._spent[journal.day] > self.daily_limit:
            self._move(journal, "pending")
        elif queue <= 0:
            self._move(journal, "executed")
        else:
            self._plan(journal, "sent_to_clearing", queue)

    def _plan(self, journal: Journal, status: str, seconds: float) -> None:
        journal.coming_status = status
        journal.coming = self._world.after(seconds, lambda: self._move(journal, status))

    def _move(self, journal: Journal, status: str) -> None:
        was = journal.status
        if was:
            journal.before, journal.changed_at = journal.as_json(), self._world.now()
        if journal.coming is not None:
            journal.coming.cancelled = True
            journal.coming = journal.coming_status = None
        journal.status = status
        payer = self._ledger.account(journal.from_account)
        if not was and status in OPEN:
            payer.reserved += journal.amount
        elif was in OPEN and status not in OPEN:
            payer.reserved -= journal.amount
        if status == "executed":
            self._book(journal, 1)
        self._announce(journal, was)
        if status == "sent_to_clearing":
            self._plan(journal, "executed", self._world.config.journal_clearing_seconds)

    def _correct(self, journal: Journal, amount: Decimal) -> Journal:
        journal.before, journal.changed_at = journal.as_json(), self._world.now()
        journal.status = "correct"
        self._book(journal, -1)
        self._announce(journal, "executed")
        parties = (journal.from_account, journal.to_account)
        successor = self._new(*parties, amount, journal.description, replaces=journal.id)
        self._move(successor, "executed")
        return successor

    def _book(self, journal: Journal, sign: int) -> None:
        amount = journal.amount * sign
        self._ledger.book(journal.from_account, "JNLC", -amount, journal.description)
        self._ledger.book(journal.to_account, "JNLC", amount, journal.description)

    def _announce(self, journal: Journal, was: str) -> None:
        customer = journal.to_account if journal.from_account == self._firm else journal.from_account
        payload = {
            "entry_type": "JNLC",
            "journal_id": journal.id,
            "status_from": was,
            "status_to": journal.status,
            "description": journal.description,
            "idempotency_key": journal.key,
            "idempotency_key_type": journal.key_type if journal.key else None,
        }
        self._events.append(customer, payload)
