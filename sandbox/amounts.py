"""Money as decimal text in major units, exact."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Any

STABLE = frozenset({"USDC", "USDT", "USDB", "EURC"})  # six places; everything else pretended here has two
_LARGEST = Decimal(10) ** 15


def parse(value: Any) -> Decimal:
    """A finite amount, not negative, from text or a JSON number. Raises: ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError("not an amount")  # noqa: TRY004 - one error for every bad amount: callers answer 422 alike
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise ValueError("not an amount") from error
    if not amount.is_finite() or amount < 0 or amount > _LARGEST:
        raise ValueError("not an amount")
    return amount


def places(currency: str) -> int:
    """How many places a currency has."""
    return 6 if currency in STABLE else 2


def floor(amount: Decimal, currency: str) -> Decimal:
    """The amount cut (never rounded up) to the currency's places."""
    return amount.quantize(Decimal(1).scaleb(-places(currency)), rounding=ROUND_DOWN)


def plain(amount: Decimal, least: int = 2) -> str:
    """Text without an exponent, with at least `least` places and no more than the value needs."""
    exponent = amount.normalize().as_tuple().exponent
    needed = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    return f"{amount:.{max(least, needed)}f}"
