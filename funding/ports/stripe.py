"""What the flows ask of Stripe."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from funding.money import Money


class OnrampStatus(StrEnum):
    """Stripe's statuses of an onramp session. An unknown one is `UNKNOWN`: open, and people are told."""

    INITIALIZED = "initialized"
    REQUIRES_PAYMENT = "requires_payment"
    FULFILLMENT_PROCESSING = "fulfillment_processing"
    FULFILLMENT_COMPLETE = "fulfillment_complete"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class PaymentStatus(StrEnum):
    """Whether a Checkout session is paid."""

    PAID = "paid"
    UNPAID = "unpaid"
    NO_PAYMENT_REQUIRED = "no_payment_required"
    UNKNOWN = "unknown"


class RefundStatus(StrEnum):
    """How far a refund has come. A failed or canceled one gives the money back."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnrampOrder:
    """Crypto that a customer wants delivered to their own wallet. `reference` is ours.

    `network` is Stripe's word ("base"), `amount` of USDC or USDT.
    """

    network: str
    address: str
    amount: Money
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OnrampSession:
    """An onramp session as read from Stripe. What it delivers is None until it is FULFILLMENT_COMPLETE, and then there.

    `delivered` is rounded down to the asset's scale, `paid` is without fees. Before completion `network` and `address`
    are None or may still change. `url` is the customer's page; the client secret is never kept.
    `paid` is None also when they paid in a currency that we keep no books of.
    """

    id: str
    status: OnrampStatus
    raw_status: str
    reference: str | None
    url: str | None
    paid: Money | None
    delivered: Money | None
    network: str | None
    address: str | None
    chain_hash: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSession:
    """A Checkout session as read from Stripe: `total` in the currency that was paid."""

    id: str
    status: PaymentStatus
    raw_status: str
    customer: str | None  # our own id of them, as `client_reference_id`
    total: Money
    payment_intent: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """One refund of a payment."""

    id: str
    payment_intent: str | None
    amount: Money
    status: RefundStatus
    raw_status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """One dispute of a payment. `withdrawn`: the money is with the bank now, so not after it was won.

    `closed`: won, lost, or ended before any money moved; a lost one may be opened again by an appeal.
    """

    id: str
    payment_intent: str | None
    amount: Money
    raw_status: str
    withdrawn: bool
    closed: bool


class StripeSessions(Protocol):
    """Stripe's sessions, and what takes a payment back.

    Raises, unless said otherwise: NotFound, ProviderUnavailable, ProviderThrottled, UnexpectedAnswer, Misconfigured.
    """

    def onramp_request(self, order: OnrampOrder) -> str:
        """The exact form-encoded body `create_onramp` sends: kept with the key, so that a retry sends the same.

        Raises: ValueError: another coin, no amount, or a network or address that cannot be one.
        """
        ...

    def create_onramp(self, request: str, *, key: UUID) -> OnrampSession:
        """Create, or with the same key and body get the first answer again, also when that was an error of Stripe's.

        Raises: OutcomeUnknown (may exist), ProviderRejected (did not happen), ProviderUnavailable (not sent, or the
        onramp is switched off), ProviderThrottled (not done), Misconfigured. `code == "idempotency_error"`: the key
        was used for another body, and what that one made is there.
        """
        ...

    def get_onramp(self, session_id: str) -> OnrampSession:
        """One onramp session."""
        ...

    def find_onramps(self, reference: str, *, since: datetime) -> Sequence[OnrampSession]:
        """The sessions with that reference made since then, oldest first, the listing walked to its end."""
        ...

    def get_checkout(self, session_id: str) -> CheckoutSession:
        """One Checkout session."""
        ...

    def refunds_of(self, payment_intent: str) -> Sequence[Refund]:
        """Every refund of a payment, oldest first."""
        ...

    def disputes_of(self, payment_intent: str) -> Sequence[Dispute]:
        """Every dispute of a payment, oldest first."""
        ...
