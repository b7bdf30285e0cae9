"""What Bridge remembers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.chain import Movement
from sandbox.schedule import Happening

CHAINS = frozenset({"tron", "ethereum", "base", "polygon", "solana", "arbitrum", "optimism", "avalanche_c_chain"})


@dataclass(kw_only=True)
class Record:
    """What every object has; `number` rises with each one made of its kind."""

    id: str
    number: int
    customer_id: str
    created_at: datetime
    updated_at: datetime
    before: dict[str, Any] | None = None  # as it was shown before its last change
    reads: int = 0  # answered since the last change
    drifted: bool = False


@dataclass(kw_only=True)
class Customer(Record):
    """A customer of ours at Bridge; `kyc` in the words of a KYC link."""

    type: str
    full_name: str
    email: str
    kyc: str = "not_started"
    tos: str = "pending"
    rejection_reasons: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class KycLink(Record):
    """Where a person proves who they are; its statuses are the customer's."""

    endorsements: list[str] = field(default_factory=list)
    redirect_uri: str | None = None


@dataclass(kw_only=True)
class VirtualAccount(Record):
    """A bank account whose deposits are converted and paid to its destination."""

    instructions: dict[str, Any]
    destination: dict[str, Any]
    fee_percent: Decimal | None
    status: str = "activated"


@dataclass(kw_only=True)
class Activity(Record):
    """One stage of one deposit, or a change of a virtual account; never edited."""

    account_id: str
    type: str
    amount: Decimal | None
    currency: str | None
    deposit_id: str | None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class ExternalAccount(Record):
    """A customer's own bank account, to be paid out to."""

    currency: str
    bank_name: str
    owner_name: str
    number_last_4: str
    routing: str
    checking_or_savings: str
    meaning: tuple[str, ...]  # what makes two of them the same account
    active: bool = True
    deleted: bool = False


@dataclass(kw_only=True)
class LiquidationAddress(Record):
    """A permanent address: what arrives there is converted and paid out, each time as a drain."""

    chain: str
    currency: str
    address: str
    destination: dict[str, Any]
    fee_percent: Decimal
    return_address: str | None


@dataclass
class Course:
    """States still to come, each with its wait in seconds."""

    steps: deque[tuple[str, float]] = field(default_factory=deque)
    coming: Happening | None = None


@dataclass(kw_only=True)
class Deposit(Record):
    """Money from a bank on a virtual account; its stages are activities."""

    account: VirtualAccount
    amount: Decimal
    exchange_fee: Decimal
    gas_fee: Decimal
    source: dict[str, Any]
    sent_on: str  # the stage at which the coin leaves
    sent: Movement | None = None
    state: str = ""
    course: Course = field(default_factory=Course)


@dataclass(kw_only=True)
class Payment(Record):
    """A transfer or, without `instructions`, a drain."""

    amount: Decimal | None  # None: whatever arrives
    fee: Decimal
    fee_percent: Decimal | None
    source: dict[str, Any]
    destination: dict[str, Any]
    reference: str | None = None
    instructions: dict[str, Any] | None = None
    features: dict[str, bool] = field(default_factory=dict)
    liquidation_address_id: str | None = None
    return_address: str | None = None
    path: tuple[str, ...] | None = None  # its course once funds are here; None: the usual one
    step_seconds: float | None = None
    state: str = ""
    exchange_fee: Decimal = Decimal(0)
    gas_fee: Decimal = Decimal(0)
    received: Decimal | None = None
    funded_by: Movement | None = None
    paid_out: bool = False
    given_back: bool = False
    source_hash: str | None = None
    destination_hash: str | None = None
    history: list[tuple[str, datetime]] = field(default_factory=list)
    course: Course = field(default_factory=Course)

    @property
    def is_drain(self) -> bool:
        """Whether it came of a payment to a liquidation address."""
        return self.liquidation_address_id is not None


@dataclass(kw_only=True)
class Endpoint(Record):
    """Where events are sent; `seen` is the sequence of the last event that went into its queue or out to it."""

    url: str
    categories: list[str]
    status: str = "disabled"
    seen: int = 0
