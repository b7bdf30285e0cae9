"""What the flows ask of providers, in our words. Adapters under `providers/` answer; nothing here does I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from funding.money import Money


class TransferStatus(StrEnum):
    """Due's statuses. An unknown one stays open: `UNKNOWN`, with the text kept in `Transfer.raw_status`."""

    AWAITING_FUNDS = "awaiting_funds"
    FUNDS_RECEIVED = "funds_received"
    APPROVED = "approved"
    PAYMENT_SUBMITTED = "payment_submitted"
    PAYMENT_PROCESSED = "payment_processed"
    MANUAL_REVIEW = "manual_review"
    ACTION_REQUIRED = "action_required"
    REFUND_SUBMITTED = "refund_submitted"
    REFUND_PROCESSED = "refund_processed"
    CANCELED = "canceled"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A Due transfer as read from Due itself.

    `source` is what came in, fee included; `destination` what went on, fee already taken, rounded down to
    the asset's scale, `destination_rest` what the rounding cut off (major units). Fees are in their side's asset.
    """

    id: str
    account: str
    status: TransferStatus
    raw_status: str
    virtual_account: str | None
    source: Money
    source_fee: Money
    destination: Money
    destination_fee: Money
    destination_rest: Decimal
    chain: str | None  # the rail the money came in by, such as "base"
    rail: str | None  # the rail it went on by, such as "ach"
    created_at: datetime
    chain_hash: str | None = None


class DueTransfers(Protocol):
    """Due's transfers, read only: a virtual account converts by itself."""

    def get_transfer(self, transfer_id: str, *, account: str) -> Transfer:
        """One transfer, scoped to its owner. Raises: NotFound, ProviderUnavailable, UnexpectedAnswer, Misconfigured."""
        ...


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One object a listing showed: what a poll hands to the inbox.

    `digest_of` holds the fields `interpret` reads, in a fixed order; only when it changes is the finding news.
    `event_id` is the provider's own id of an event, when the finding is one: a webhook of that id is the same event.
    """

    kind: str
    id: str
    changed_at: datetime
    digest_of: str
    body: bytes  # the object as JSON, as an inbox event of source "poll" carries it
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a listing. `next_cursor` is None when the listing has been walked to its end."""

    findings: Sequence[Finding]
    next_cursor: str | None


class Listing(Protocol):
    """A listing a poll walks, page by page, so that a walk can stop for its budget and go on later."""

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Objects created or changed since then, oldest first where the provider can."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFrame:
    """One event of a provider's event stream."""

    id: str
    at: datetime
    body: bytes


class EventStream(Protocol):
    """A provider's endless stream; ends by raising ProviderUnavailable, also on silence or a gap notice."""

    def frames(self, *, since: datetime) -> Iterator[StreamFrame | None]:
        """Frames since then, repeats included; None on each heartbeat."""
        ...
