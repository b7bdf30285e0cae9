"""What the flows ask of Alpaca."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from funding.money import Money


class JournalStatus(StrEnum):
    """Alpaca's journal statuses. An unknown one is `UNKNOWN`: still open, and people are told."""

    QUEUED = "queued"
    SENT_TO_CLEARING = "sent_to_clearing"
    PENDING = "pending"
    EXECUTED = "executed"
    REJECTED = "rejected"
    REFUSED = "refused"
    CANCELED = "canceled"
    DELETED = "deleted"
    CORRECT = "correct"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOrder:
    """Cash to be moved from the firm's account to a customer's.

    `reference` is ours and travels as the description's first word; `subject`, if any, follows it, so that a person
    there tells equal amounts apart.
    """

    to_account: str
    amount: Money
    reference: str
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CashJournal:
    """A journal as Alpaca has it (not one of ours: those are `JournalEntry`)."""

    id: str
    status: JournalStatus
    raw_status: str
    from_account: str
    to_account: str
    amount: Money
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerageBalances:
    """What Alpaca shows of one account, in USD."""

    account: str
    cash: Money
    buying_power: Money
    cash_transferable: Money
    transfers_blocked: bool


class AlpacaJournals(Protocol):
    """Alpaca's cash journals and balances."""

    def journal_request(self, order: JournalOrder) -> str:
        """The exact JSON body `create_journal` sends: kept with the key, so that a retry sends the same bytes."""
        ...

    def create_journal(self, request: str, *, key: UUID) -> CashJournal:
        """Create, or with the same key and body get the first answer again.

        Raises: OutcomeUnknown (may exist), ProviderRejected (did not happen), ProviderUnavailable (not sent),
        ProviderThrottled (not done), Misconfigured. `code == "40310000"` is the firm's cash being short.
        """
        ...

    def get_journal(self, journal_id: str) -> CashJournal:
        """One journal. Raises: NotFound, ProviderUnavailable, UnexpectedAnswer, Misconfigured."""
        ...

    def find_journals(self, reference: str, *, since: datetime, to_account: str | None) -> Sequence[CashJournal]:
        """All journals with that reference from the day before `since`, oldest first, listing walked to its end.

        `to_account` None: to any account.
        """
        ...

    def get_balances(self, account: str) -> BrokerageBalances:
        """Balances of a customer's account or of the firm's own."""
        ...

    @property
    def firm_account(self) -> str:
        """The account our journals take cash from."""
        ...
