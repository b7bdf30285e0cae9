"""What Due remembers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.due.signing import SigningKey
from sandbox.schedule import Happening


@dataclass
class Account:
    """A customer of ours at Due; transacts only with KYC passed and terms accepted."""

    id: str
    name: str
    email: str
    country: str
    type: str
    created_at: datetime
    external_id: str | None = None
    kyc: str = "passed"
    tos: str = "accepted"
    tos_id: str = ""
    tos_token: str = ""
    status_log: list[tuple[str, datetime]] = field(default_factory=list)


@dataclass
class Wallet:
    """A chain address an account sends from or receives at."""

    id: str
    owner_id: str
    address: str
    number: int


@dataclass
class Recipient:
    """Where money can be paid out to; never edited."""

    id: str
    owner_id: str
    name: str
    is_external: bool
    details: dict[str, Any]
    number: int


@dataclass
class VirtualAccount:
    """A standing conversion rule: what arrives at its details is converted and paid to its destination."""

    id: str
    key: str
    owner_id: str
    destination: str
    schema_in: str
    currency_in: str
    rail_out: str
    currency_out: str
    reference: str
    details: dict[str, Any] | None
    created_at: datetime
    number: int
    fee_bps: int = 0
    fee_amount: str = "0"


@dataclass
class Side:
    """One side of a transfer."""

    amount: Decimal
    fee: Decimal
    currency: str
    rail: str
    style: str = "plain"  # how its amount is written: plain, trimmed or six
    virtual_account_id: str | None = None
    recipient_id: str | None = None
    label: str | None = None
    details: dict[str, Any] | None = None
    memo: str | None = None
    confirmation: dict[str, str] | None = None


@dataclass
class Transfer:
    """One movement of money, by virtual account or by quote."""

    id: str
    owner_id: str
    number: int
    status: str
    source: Side
    destination: Side
    fx_rate: Decimal
    instructions: dict[str, str]
    created_at: datetime
    expires_at: datetime
    payout_delay: float
    received: bool = False  # money is in
    paid_out: bool = False  # money is out
    settled_back: bool = False  # money went back to the payer
    script: deque[tuple[str, float]] = field(default_factory=deque)  # statuses to come, each with its wait in seconds
    coming: Happening | None = None
    history: list[tuple[str, datetime]] = field(default_factory=list)
    reads: int = 0  # GETs answered since the last change of status
    amount_drifted: bool = False
    before: dict[str, Any] | None = None  # as it was shown before its last change
    changed_at: datetime | None = None


@dataclass
class Quote:
    """A priced offer, good for two minutes."""

    token: str
    owner_id: str
    source: Side
    destination: Side
    fx_rate: Decimal
    expires_at: datetime


@dataclass
class Endpoint:
    """Where events are sent, and the key they are signed with."""

    id: str
    url: str
    events: list[str]
    description: str
    owner_id: str
    key: SigningKey
    enabled: bool = True
