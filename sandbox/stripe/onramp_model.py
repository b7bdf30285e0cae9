"""Onramp sessions: what they hold and how they are shown, in Stripe's way and in the seed's."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import TYPE_CHECKING, Any, ClassVar

from sandbox import amounts
from sandbox.schedule import Happening
from sandbox.stripe.model import Record

if TYPE_CHECKING:
    from sandbox.stripe.config import StripeConfig

FIATS = frozenset({"usd", "eur", "gbp", "cad", "cop", "php"})
CRYPTO_PLACES = {
    "avax": 18,
    "btc": 8,
    "eth": 18,
    "matic": 18,
    "ripusd": 18,
    "sol": 9,
    "usdc": 6,
    "usdt": 6,
    "wld": 18,
    "xlm": 7,
}
NETWORKS = frozenset(
    {
        *("avalanche", "base", "bitcoin", "celo", "ethereum", "optimism"),
        *("polygon", "solana", "stellar", "sui", "tempo", "worldchain"),
    }
)
COMPLETE = "fulfillment_complete"
FINAL = frozenset({COMPLETE, "rejected"})


def address_key(network: str) -> str:
    """What a network is called inside `wallet_addresses`: `base` is `base_network` there."""
    return "base_network" if network == "base" else network


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the caller asked a session to be; None where the customer may choose."""

    wallet_addresses: dict[str, str] | None = None  # by Stripe's keys
    destination_tags: dict[str, str] | None = None
    lock_wallet_address: bool = False
    source_currency: str | None = None
    source_amount: Decimal | None = None
    destination_currency: str | None = None
    destination_network: str | None = None
    destination_amount: Decimal | None = None
    destination_currencies: list[str] | None = None
    destination_networks: list[str] | None = None
    settlement_speed: str | None = None
    kyc_given: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class OnrampSession(Record):
    """One visit of a customer. What the wish leaves open stays null until the customer has chosen."""

    name: ClassVar[str] = "crypto onramp session"
    settled: ClassVar[str] = COMPLETE

    wish: Wish
    client_secret: str
    redirect_url: str
    source_currency: str | None = None
    source_amount: Decimal | None = None
    destination_currency: str | None = None
    destination_network: str | None = None
    destination_amount: Decimal | None = None
    fees: tuple[Decimal, Decimal] | None = None  # of the network and of the transaction, on top of the source amount
    wallet_address: str | None = None
    transaction_id: str | None = None
    drifted: bool = False
    script: deque[tuple[str, float]] = field(default_factory=deque)  # statuses to come, each with its wait in seconds
    coming: Happening | None = None
    history: list[tuple[str, datetime]] = field(default_factory=list)

    def drift(self, delta: str) -> None:
        """Deliver more or less than before."""
        self.destination_amount = max((self.destination_amount or Decimal(0)) + signed(delta), Decimal(0))

    def as_json(self, config: StripeConfig) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "object": "crypto.onramp_session",
            "created": self.created,
            "livemode": self.livemode,
            "client_secret": self.client_secret,
            "kyc_details_provided": self.wish.kyc_given,
            "metadata": dict(self.metadata),
            "redirect_url": self.redirect_url,
            "status": self.status,
            "transaction_details": self._details(config),
        }

    def _details(self, config: StripeConfig) -> dict[str, Any]:
        wish, amount = self.wish, self.destination_amount
        places = CRYPTO_PLACES.get(self.destination_currency or "", 6) if config.stripe_pad_crypto else 2
        fees = self.fees
        return {
            "source_currency": self.source_currency,
            "source_amount": None if self.source_amount is None else f"{self.source_amount:.2f}",
            "destination_currency": self.destination_currency,
            "destination_network": self.destination_network,
            "destination_amount": None if amount is None else amounts.plain(amount, places),
            "destination_currencies": wish.destination_currencies or _alone(self.destination_currency),
            "destination_networks": wish.destination_networks or _alone(self.destination_network),
            "fees": fees and {"network_fee_amount": f"{fees[0]:.2f}", "transaction_fee_amount": f"{fees[1]:.2f}"},
            "lock_wallet_address": wish.lock_wallet_address,
            "settlement_speed": wish.settlement_speed,
            "transaction_id": self.transaction_id if self.status == COMPLETE else None,
            "wallet_address": self.wallet_address,
            "wallet_addresses": self._addresses(),
        }

    def _addresses(self) -> dict[str, Any] | None:
        given = self.wish.wallet_addresses
        if given is None:
            return None
        every = {address_key(network): None for network in sorted(NETWORKS)}
        return {**every, **given, "destination_tags": self.wish.destination_tags}


def in_seed_shape(session: dict[str, Any]) -> dict[str, Any]:
    """The simpler object of the seed's path: status `succeeded`, `destination.amount` a whole number of minor units.

    `amount_total` and `currency` are fiat, as everywhere else at Stripe.
    """
    details = session["transaction_details"]
    currency, amount, paid = details["destination_currency"], details["destination_amount"], details["source_amount"]
    status = session["status"]
    return {
        **{name: session[name] for name in ("id", "object", "created", "livemode", "client_secret", "redirect_url")},
        "metadata": session["metadata"],
        "status": "succeeded" if status == COMPLETE else status,
        "destination": {
            "amount": None if amount is None else minor(Decimal(amount), currency),
            "currency": currency,
            "network": details["destination_network"],
        },
        "amount_total": None if paid is None else int(Decimal(paid) * 100),
        "currency": details["source_currency"],
    }


def minor(amount: Decimal, currency: str | None) -> int:
    """Crypto in its smallest units."""
    return int(amount.scaleb(CRYPTO_PLACES.get(currency or "", 6)))


def cut(amount: Decimal, places: int, rounding: str = ROUND_DOWN) -> Decimal:
    """The amount with so many places."""
    with localcontext(prec=60):
        return amount.quantize(Decimal(1).scaleb(-places), rounding)


def signed(text: str) -> Decimal:
    """An amount that may be negative. Raises: ValueError."""
    return -amounts.parse(str(text)[1:]) if str(text).startswith("-") else amounts.parse(text)


def _alone(value: str | None) -> list[str] | None:
    return None if value is None else [value]
