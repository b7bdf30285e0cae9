"""What the flows ask of Bridge."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from funding.money import Money
from funding.ports.bridge_customers import BridgeCustomers

# The code of a refusal that only means `PayoutOrder.return_to`: the same order without it may be taken.
NO_RETURN_ADDRESS: Final = "no_return_address"


class Stage(StrEnum):
    """How far a bank deposit on a virtual account has come. An unknown one is `UNKNOWN`: open, and people are told."""

    FUNDS_SCHEDULED = "funds_scheduled"
    FUNDS_RECEIVED = "funds_received"
    IN_REVIEW = "in_review"
    PAYMENT_SUBMITTED = "payment_submitted"
    PAYMENT_PROCESSED = "payment_processed"
    REFUNDED = "refunded"
    MICRODEPOSIT = "microdeposit"  # proves a bank account: never converted, never credited
    UNKNOWN = "unknown"


class TransferState(StrEnum):
    """Bridge's states of a transfer. An unknown one is `UNKNOWN`, with the text kept in `raw_state`."""

    AWAITING_FUNDS = "awaiting_funds"
    IN_REVIEW = "in_review"
    FUNDS_RECEIVED = "funds_received"
    PAYMENT_SUBMITTED = "payment_submitted"
    PAYMENT_PROCESSED = "payment_processed"
    UNDELIVERABLE = "undeliverable"
    RETURNED = "returned"
    REFUND_IN_FLIGHT = "refund_in_flight"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    MISSING_RETURN_POLICY = "missing_return_policy"
    CANCELED = "canceled"
    ERROR = "error"
    UNKNOWN = "unknown"


class CustomerStatus(StrEnum):
    """Where a customer stands with Bridge: their identity and their consent to its terms."""

    NOT_STARTED = "not_started"
    INCOMPLETE = "incomplete"
    UNDER_REVIEW = "under_review"
    APPROVED = "approved"  # a customer object says active
    REJECTED = "rejected"
    PAUSED = "paused"
    OFFBOARDED = "offboarded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositStage:
    """One entry of a virtual account's history. `amount` changes its meaning and its asset along the way.

    Gross dollars when received, what was sent on once processed; in between, scheduled or submitted, an estimate.
    Fees are of the same entry, in its asset; like the estimates they are rounded down to its scale.
    """

    id: str
    stage: Stage
    raw_stage: str
    amount: Money
    developer_fee: Money | None
    exchange_fee: Money | None
    gas_fee: Money | None
    chain_hash: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BankDeposit:
    """Money that came by bank to a virtual account: all stages that Bridge shows of it, oldest first."""

    id: str
    customer: str
    virtual_account: str
    rail: str | None
    stages: tuple[DepositStage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutOrder:
    """Tokens that we will send Bridge, to be paid out as dollars to a customer's bank. `reference` is ours.

    `return_to`: the address that gets the tokens back should the payout fail; None: as the developer's own return
    policy says, and without one Bridge keeps them until there is one.
    """

    customer: str
    external_account: str
    amount: Money
    network: str
    reference: str
    return_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """A transfer as read from Bridge. `pay_to` is where it waits for our tokens; `sent_on` what the bank gets.

    `amount` and `developer_fee` are of the asset that comes in, `sent_on` of the bank's, in whole cents and, until the
    payment is processed, an estimate. `chain_hash` is of the tokens that came in.
    """

    id: str
    reference: str | None
    state: TransferState
    raw_state: str
    customer: str
    amount: Money
    sent_on: Money | None
    developer_fee: Money | None
    pay_to: str | None
    chain_hash: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeCustomer:
    """A customer. `rejections` are Bridge's reasons, for people of ours only: they may name documents.

    `told` are those that Bridge lets be told, in its words: they choose ours.
    """

    id: str
    status: CustomerStatus
    raw_status: str
    terms_accepted: bool
    rejections: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


class BridgeMoney(BridgeCustomers, Protocol):
    """Bridge's bank deposits and payouts.

    Raises, unless said otherwise: NotFound, ProviderUnavailable, ProviderThrottled, UnexpectedAnswer, Misconfigured.
    """

    def get_deposit(self, deposit_id: str, *, customer: str, virtual_account: str) -> BankDeposit:
        """One deposit, by all that the virtual account's history shows of it. NotFound: nothing (perhaps not yet)."""
        ...

    def payout_request(self, order: PayoutOrder) -> str:
        """The exact JSON body `create_payout` sends: kept with the key, so that a retry sends the same bytes."""
        ...

    def create_payout(self, request: str, *, key: UUID) -> Payout:
        """Create, or with the same key and body within a day get the first answer again; later the key is dead.

        Raises: OutcomeUnknown (may exist; a dead key too), ProviderRejected (did not happen), ProviderUnavailable (not
        sent), ProviderThrottled (not done), Misconfigured. `code == NO_RETURN_ADDRESS` refuses `return_to` alone.
        """
        ...

    def get_payout(self, transfer_id: str) -> Payout:
        """One transfer."""
        ...

    def find_payouts(self, reference: str, *, customer: str, since: datetime) -> Sequence[Payout]:
        """The customer's transfers with that reference made since then, oldest first, listing walked to its end."""
        ...

    def get_customer(self, customer_id: str) -> BridgeCustomer:
        """One customer."""
        ...
