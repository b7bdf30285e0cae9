"""What the flows ask of Due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

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


@dataclass(frozen=True, slots=True, kw_only=True)
class OffRampOrder:
    """What came in on a virtual account that does not convert by itself, to be converted into `asset_out`."""

    virtual_account: str
    amount: Money
    asset_out: str


class DueTransfers(Protocol):
    """Due's transfers. A virtual account converts by itself; only one in `legacy_offramp` waits to be told."""

    def get_transfer(self, transfer_id: str, *, account: str) -> Transfer:
        """One transfer, scoped to its owner. Raises: NotFound, ProviderUnavailable, UnexpectedAnswer, Misconfigured."""
        ...

    def find_transfers(self, *, account: str, virtual_account: str, since: datetime) -> Sequence[Transfer]:
        """That virtual account's transfers made since then, oldest first, the listing walked to its end."""
        ...

    def off_ramp_request(self, order: OffRampOrder) -> str:
        """The exact JSON body `create_off_ramp` sends."""
        ...

    def create_off_ramp(self, request: str, *, account: str) -> str:
        """Have Due convert; the id of the transfer it makes. Nothing keeps the same request from converting twice.

        Raises: OutcomeUnknown (may exist), ProviderRejected (did not happen), ProviderUnavailable (not sent),
        ProviderThrottled (not done), Misconfigured. `code == "err_insufficient_balance"` is money not there yet.
        """
        ...
