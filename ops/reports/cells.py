"""How values read: for people as short text, for programs as JSON. The same words on pages and on the command line."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from funding.money import Money, NotMoney

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list: its title, what of a row stands in it, and whether it is a number."""

    title: str
    of: Callable[[Row], Any]
    right: bool = False


def column(key: str, title: str | None = None, *, right: bool = False) -> Column:
    """The column of one key, titled by its name."""
    return Column(title or key.replace("_", " "), lambda row: row[key], right)


def money_column(title: str, amount: str = "amount", asset: str = "asset") -> Column:
    """The column of an amount of minor units and its asset."""
    return Column(title, lambda row: money_text(row[amount], row[asset]), right=True)


def cell(value: Any) -> str:
    """A value as one line of plain text without control characters; nothing for None."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case timedelta():
            return length_text(value)
        case Decimal() | int() | UUID() | float():
            return str(value)
        case str():
            return _CONTROL.sub(" ", value).strip()
        case Mapping() | Sequence():
            return _CONTROL.sub(" ", to_json(value, indent=None))
        case _:
            return _CONTROL.sub(" ", str(value))


def money_text(minor: Any, asset: str | None) -> str:
    """An amount in major units with its asset: "249.25 USD"; nothing where there is none."""
    if minor is None or asset is None:
        return ""
    try:
        return str(Money(int(minor), asset))
    except NotMoney:
        return f"{minor} minor units of {asset}"


def length_text(length: timedelta) -> str:
    """A length of time, to its two largest units: "2d 3h", "45s"."""
    seconds = int(length.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size or (unit == "s" and not parts):
            parts.append(f"{seconds // size}{unit}")
        seconds %= size
    return sign + " ".join(parts[:2])


def short_length(length: timedelta) -> str:
    """A length of time of which seconds may say too little: "820 ms", "4s", "2d 3h"."""
    return length_text(length) if length >= timedelta(seconds=1) else f"{length // timedelta(milliseconds=1)} ms"


def to_json(value: Any, *, indent: int | None = 2) -> str:
    """One JSON document: times as RFC 3339 in UTC, ids as text, amounts as integers."""
    return json.dumps(value, indent=indent, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Decimal() if value == value.to_integral_value():
            return int(value)
        case UUID():
            return str(value)
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case Mapping():
            return dict(value)
        case Sequence():
            return list(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no place in JSON")
