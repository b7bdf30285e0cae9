"""What Bridge and the developer keep of an amount."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sandbox import amounts
from sandbox.bridge.model import Payment


@dataclass(frozen=True)
class Charged:
    """An amount on its way out: initial less developer's fee is subtotal, less exchange and gas is final."""

    initial: Decimal
    developer: Decimal
    subtotal: Decimal
    final: Decimal


def share(amount: Decimal, percent: Decimal | None) -> Decimal:
    """So many percent ("0.5" is half of one), cut to cents. How Bridge rounds is not written: this is ours."""
    return amounts.floor(amount * (percent or Decimal(0)) / 100, "USD")


def charge(amount: Decimal, developer: Decimal, exchange: Decimal, gas: Decimal, rate: Decimal = Decimal(1)) -> Charged:
    """The amounts after each fee; never below zero. `gas` is in what goes out, `rate` so many of it for one in."""
    subtotal = max(amount - developer, Decimal(0))
    final = max((subtotal - exchange) * rate - gas, Decimal(0))
    return Charged(amount, developer, subtotal, amounts.floor(final, "USDT"))


def charged(payment: Payment) -> Charged:
    """A transfer's or drain's amounts, of what arrived once something has."""
    amount = payment.amount or Decimal(0)
    developer = payment.fee if payment.fee_percent is None else share(amount, payment.fee_percent)
    return charge(amount, developer, payment.exchange_fee, payment.gas_fee)
