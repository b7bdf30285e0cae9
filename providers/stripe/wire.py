"""Stripe's JSON and our words for it; our orders as Stripe's form bodies.

Two ways of writing money in one API, told apart by the field and never by the number: onramp amounts are decimal text
in major units, those of classic objects (Checkout, refunds, disputes) integers in the currency's minor unit.
Source: Stripe API reference and the official package `stripe` 16.1 (onramp: 16.1.0a4), read 2026-11.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from funding.money import SCALES, Money
from funding.ports.stripe import (
    CheckoutSession,
    Dispute,
    OnrampOrder,
    OnrampSession,
    OnrampStatus,
    PaymentStatus,
    Refund,
    RefundStatus,
)
from providers.fields import Fields

FLOW: Final = "flow"  # the name in `metadata` under which an object carries our reference
_COINS: Final = frozenset({"USDC", "USDT"})  # of what the onramp sells, the assets we keep
_FIAT: Final = re.compile(r"[a-z]{3}", re.IGNORECASE)
_NAME: Final = re.compile(r"[a-z0-9_]{1,40}")
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
_WITHDRAWN: Final = frozenset(
    {"needs_response", "under_review", "appeal_needs_response", "appeal_under_review", "lost"}
)
_CLOSED: Final = frozenset({"won", "lost", "warning_closed", "prevented"})

Status = TypeVar("Status", OnrampStatus, PaymentStatus, RefundStatus)


def dump_onramp(order: OnrampOrder) -> str:
    """The exact form body that makes a session: one coin, one network, one locked address.

    Raises: ValueError: a coin the onramp does not sell or no amount, or a network or address that cannot be one.
    """
    coin = order.amount.asset
    if coin not in _COINS or order.amount.minor <= 0:
        raise ValueError(f"the onramp is asked for {' or '.join(sorted(_COINS))}, more than none")
    if not _NAME.fullmatch(order.network) or not order.address.isascii() or not order.address.isalnum():
        raise ValueError("the network or the address cannot be one")
    # The singular fields are only what the page shows first; the lists of one are all a customer may choose.
    fields = {
        f"wallet_addresses[{address_key(order.network)}]": order.address,
        "lock_wallet_address": "true",
        "destination_currency": coin.lower(),
        "destination_network": order.network,
        "destination_amount": order.amount.text(),
        "destination_currencies[0]": coin.lower(),
        "destination_networks[0]": order.network,
        f"metadata[{FLOW}]": order.reference,
    }
    return urlencode(fields, safe="[]")


def address_key(network: str) -> str:
    """What a network is called within `wallet_addresses`."""
    return "base_network" if network == "base" else network


def load_onramp(value: Any) -> OnrampSession:
    """An onramp session; what it delivers is read, and must be there, once it is complete. Raises: WrongShape."""
    fields = Fields(value)
    raw_status = fields.text("status")
    status = status_of(raw_status, OnrampStatus)
    details = fields.maybe_child("transaction_details") or Fields({}, "transaction_details.")
    complete = status is OnrampStatus.FULFILLMENT_COMPLETE
    return OnrampSession(
        id=fields.id("id"),
        status=status,
        raw_status=raw_status,
        reference=flow_named(fields),
        url=fields.maybe_text("redirect_url"),
        paid=_paid(details),
        delivered=coins(details) if complete else None,
        network=details.text("destination_network") if complete else details.maybe_text("destination_network"),
        address=details.text("wallet_address") if complete else details.maybe_text("wallet_address"),
        chain_hash=details.maybe_text("transaction_id"),
        created_at=moment(fields, "created"),
    )


def load_checkout(value: Any) -> CheckoutSession:
    """A Checkout session. Raises: WrongShape."""
    fields = Fields(value)
    raw_status = fields.text("payment_status")
    return CheckoutSession(
        id=fields.id("id"),
        status=status_of(raw_status, PaymentStatus),
        raw_status=raw_status,
        customer=fields.maybe_text("client_reference_id"),
        total=minor_units(fields, "amount_total"),
        payment_intent=maybe_ref(fields, "payment_intent"),
        created_at=moment(fields, "created"),
    )


def load_refund(value: Any) -> Refund:
    """A refund. Raises: WrongShape."""
    fields = Fields(value)
    raw_status = fields.text("status")
    return Refund(
        id=fields.id("id"),
        payment_intent=maybe_ref(fields, "payment_intent"),
        amount=minor_units(fields, "amount"),
        status=status_of(raw_status, RefundStatus),
        raw_status=raw_status,
    )


def load_dispute(value: Any) -> Dispute:
    """A dispute; whether its money is gone by its own balance transactions, else by its status. Raises: WrongShape."""
    fields = Fields(value)
    raw_status = fields.text("status")
    withdrawn = raw_status.lower() in _WITHDRAWN
    if fields.raw("balance_transactions") is not None:
        moves = [Fields(one, "balance_transactions.") for one in fields.rows("balance_transactions")]
        withdrawn = sum(whole(one, "amount") for one in moves) < 0
    return Dispute(
        id=fields.id("id"),
        payment_intent=maybe_ref(fields, "payment_intent"),
        amount=minor_units(fields, "amount"),
        raw_status=raw_status,
        withdrawn=withdrawn,
        closed=raw_status.lower() in _CLOSED,
    )


def status_of(text: str, kind: type[Status]) -> Status:
    """Stripe's word in ours, whatever its case; an unknown one stays open."""
    try:
        return kind(text.lower())
    except ValueError:
        return kind("unknown")


def flow_named(fields: Fields) -> str | None:
    """Our reference in an object's metadata."""
    metadata = fields.maybe_child("metadata")
    return None if metadata is None else metadata.maybe_text(FLOW)


def maybe_ref(fields: Fields, name: str) -> str | None:
    """The id of another object, which Stripe writes as text, or shows whole where it was asked to."""
    return fields.child(name).id("id") if isinstance(fields.raw(name), dict) else fields.maybe_id(name)


def _paid(details: Fields) -> Money | None:
    """What the customer paid Stripe, where it is a currency we keep: nothing is booked from it."""
    text = details.maybe_text("source_currency") or ""
    if not details.has("source_amount") or not _is_kept(text):
        return None
    return details.money("source_amount", asset=text.upper())


def coins(details: Fields) -> Money:
    """What `transaction_details` says is delivered, rounded down: Stripe may pad to more places than we keep."""
    return details.money_floor("destination_amount", asset=coin(details, "destination_currency"))[0]


def coin(fields: Fields, name: str) -> str:
    """A coin of the onramp that we keep. Raises: WrongShape."""
    asset = fields.text(name).upper()
    if asset not in _COINS:
        raise fields.wrong(name, "is no coin that we keep")
    return asset


def fiat(fields: Fields, name: str) -> str:
    """A currency that we keep. Raises: WrongShape."""
    text = fields.text(name)
    if not _is_kept(text):
        raise fields.wrong(name, "is no currency that we keep")
    return text.upper()


def _is_kept(currency: str) -> bool:
    return _FIAT.fullmatch(currency) is not None and currency.upper() in SCALES


def minor_units(fields: Fields, name: str) -> Money:
    """An amount of a classic object: a whole number of the minor units of its `currency`, not negative."""
    minor = whole(fields, name)
    if minor < 0:
        raise fields.wrong(name, "must not be negative")
    return Money(minor, fiat(fields, "currency"))


def whole(fields: Fields, name: str) -> int:
    """A JSON integer of sensible size. Raises: WrongShape."""
    value = fields.raw(name)
    if value is None:
        raise fields.wrong(name, "is missing")
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 10**18:
        raise fields.wrong(name, "must be a whole number")
    return value


def moment(fields: Fields, name: str) -> datetime:
    """A time in whole seconds since 1970. Raises: WrongShape."""
    seconds = whole(fields, name)
    if not 0 <= seconds <= _LAST_SECOND:
        raise fields.wrong(name, "is not a time")
    return datetime.fromtimestamp(seconds, UTC)
