"""What Ibex keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sandbox.schedule import Happening

USDT: Final = 29
CURRENCIES: Final = {0: "MSAT", 3: "USD", USDT: "USDT", 30: "USDC"}
RECEIVED: Final = 9  # the type of a stablecoin deposit
SENT: Final = 10  # ours: no list names the type of a stablecoin send


@dataclass
class Account:
    """One currency each; `before` is the balance until its last change, and when that was."""

    id: str
    user_id: str
    name: str
    currency_id: int
    balance: Decimal
    before: tuple[Decimal, datetime] | None = None


@dataclass(frozen=True)
class Option:
    """A currency on a network, to receive or to send."""

    id: str
    requirements_id: str
    currency_id: int
    network: str  # as spelled to callers

    @property
    def name(self) -> str:
        """The token's name."""
        return CURRENCIES[self.currency_id]


@dataclass(frozen=True)
class ReceiveInfo:
    """A standing address of an account."""

    id: str
    account_id: str
    name: str
    option: Option
    address: str
    created_at: datetime


@dataclass(frozen=True)
class SendInfo:
    """A place to send to."""

    id: str
    name: str
    option: Option
    address: str


@dataclass
class Transaction:
    """One deposit or send. `effect` is what it has changed its account's balance by until now."""

    id: str
    account_id: str
    type_id: int
    option: Option
    address: str  # ours for a deposit, theirs for a send
    amount: Decimal
    fee: Decimal
    created_at: datetime
    hash: str | None = None
    status: str = "pending"
    settled_at: datetime | None = None
    effect: Decimal = Decimal(0)
    coming: Happening | None = None
    coming_status: str | None = None
    before: dict[str, Any] | None = None  # how it looked until its last change, for stale reads
    changed_at: datetime | None = None
    reads: int = 0
    amount_drifted: bool = False


@dataclass
class Subscription:
    """An account's webhook; without a secret of its own, the world's configured one."""

    id: str
    account_id: str
    url: str
    secret: str | None
