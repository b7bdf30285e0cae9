"""Reading a provider's JSON: strict where money and identity hang on it, blind to fields nobody asked for.

Errors name the field, never its value: they are shown to people and logged.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NoReturn

from funding.errors import RampkeeperError
from funding.money import Money, NotMoney

_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")  # no prefix is checked: providers change theirs
_TIME: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(?:[.,](\d{1,12}))?\s*([Zz]|[+-]\d{2}:?\d{2})?"
)
_LONGEST_TEXT: Final = 2000
_LEAP: Final = "60"


class WrongShape(RampkeeperError):
    """JSON that is not what the provider documents. The message names the field, never its value."""


def parse_json(body: bytes | str) -> Any:
    """The JSON value of a body. Raises: WrongShape."""
    return _parsed(body, None)


def parse_event(body: bytes | str) -> Any:
    """As `parse_json`, of a body that anybody may have composed: a field named twice could be read in two ways."""
    return _parsed(body, _once)


def _parsed(body: bytes | str, pairs: Callable[[list[tuple[str, Any]]], dict[str, Any]] | None) -> Any:
    try:
        return json.loads(body, parse_constant=_no_constant, object_pairs_hook=pairs)
    except RecursionError:
        raise WrongShape("nested too deeply") from None
    except ValueError:  # the parser's error carries the body
        raise WrongShape("not JSON, or a number in it has too many digits") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise WrongShape("an object names a field twice")
    return found


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


class Fields:
    """A JSON object, read field by field. `where` leads to it, for messages: "source."."""

    def __init__(self, value: Any, where: str = "") -> None:
        if not isinstance(value, dict):
            raise WrongShape(f"{where.rstrip('.') or 'the body'} must be an object")
        self._values: Mapping[str, Any] = value
        self._where = where

    def has(self, name: str) -> bool:
        """Whether the field is there, not null and not empty text."""
        value = self._values.get(name)
        return value is not None and value != ""

    def text(self, *names: str) -> str:
        """The first of these fields that is there: text, not empty."""
        found = self.maybe_text(*names)
        if found is None:
            raise self.wrong(names[0], "is missing")
        return found

    def maybe_text(self, *names: str) -> str | None:
        """As `text`; None when none of them is there or it is empty."""
        for name in names:
            value = self._values.get(name)
            if value is None or value == "":
                continue
            if not isinstance(value, str):
                raise self.wrong(name, "must be text")
            if len(value) > _LONGEST_TEXT or "\0" in value or not _encodable(value):
                raise self.wrong(name, "is not storable text")
            return value
        return None

    def id(self, *names: str) -> str:
        """An id: text of letters, digits and `_ . : -`, fit for a path and a key."""
        return self._checked_id(names[0], self.text(*names))

    def maybe_id(self, *names: str) -> str | None:
        """As `id`; None when there is none."""
        found = self.maybe_text(*names)
        return None if found is None else self._checked_id(names[0], found)

    def money(self, *names: str, asset: str) -> Money:
        """A decimal string in major units, not negative, of no more places than the asset has."""
        money, rest = self.money_floor(*names, asset=asset)
        if rest:
            raise self.wrong(names[0], f"has more decimal places than {asset}")
        return money

    def money_floor(self, *names: str, asset: str) -> tuple[Money, Decimal]:
        """As `money`, rounded down to the asset's scale, and what that cut off in major units."""
        money, rest = self.signed_floor(*names, asset=asset)
        if money.minor < 0:
            raise self.wrong(names[0], "must not be negative")
        return money, rest

    def signed_floor(self, *names: str, asset: str) -> tuple[Money, Decimal]:
        """As `money_floor`, with either sign."""
        text = self.text(*names)
        try:
            return Money.parse_floor(text, asset)
        except NotMoney as error:
            raise self.wrong(names[0], f"is no amount: {error}") from None

    def time(self, *names: str) -> datetime:
        """A moment in ISO 8601, to the microsecond; without an offset it is UTC."""
        found = self.maybe_time(*names)
        if found is None:
            raise self.wrong(names[0], "is missing")
        return found

    def maybe_time(self, *names: str) -> datetime | None:
        """As `time`; None when there is none."""
        text = self.maybe_text(*names)
        if text is None:
            return None
        try:
            return parse_time(text)
        except ValueError:
            raise self.wrong(names[0], "is not a time") from None

    def flag(self, name: str) -> bool:
        """True or false; a missing one is false."""
        value = self._values.get(name, False)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.wrong(name, "must be true or false")
        return value

    def child(self, name: str) -> "Fields":
        """An object within this one."""
        found = self.maybe_child(name)
        if found is None:
            raise self.wrong(name, "is missing")
        return found

    def maybe_child(self, name: str) -> "Fields | None":
        """As `child`; None when there is none."""
        value = self._values.get(name)
        return None if value is None else Fields(value, f"{self._where}{name}.")

    def raw(self, name: str) -> Any:
        """The field as it is; None when there is none."""
        return self._values.get(name)

    def rows(self, name: str) -> list[Any]:
        """A list; a missing one is empty (Go writes an empty list as null)."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "must be a list")
        return value

    def wrong(self, name: str, what: str) -> WrongShape:
        """The error that a field of this object is not as it should be."""
        return WrongShape(f"{self._where}{name} {what}")

    def _checked_id(self, name: str, text: str) -> str:
        if not is_id(text):
            raise self.wrong(name, "is no id")
        return text


def is_id(text: str) -> bool:
    """Whether a text can be an id: it also stands in paths, so `.` and `..` are none."""
    return _ID.fullmatch(text) is not None and text.strip(".") != ""


def parse_time(text: str) -> datetime:
    """An ISO 8601 moment of any precision, cut to microseconds, in UTC. Raises: ValueError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("not an ISO 8601 time")
    day, minute, second, fraction, offset = found.groups()
    leap = second == _LEAP
    zone = "+00:00" if offset is None or offset in {"Z", "z"} else offset
    plain = f"{day}T{minute}:{'59' if leap else second}.{(fraction or '0')[:6]:0<6}{zone}"
    moment = datetime.fromisoformat(plain)
    try:
        return moment.astimezone(UTC) + timedelta(seconds=1 if leap else 0)
    except OverflowError:
        raise ValueError("out of the range of times") from None


def objects(value: Any) -> list[dict[str, Any]]:
    """A bare JSON array of objects. Raises: WrongShape."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise WrongShape("the body must be a list of objects")
    return value


def compact(value: Any) -> bytes:
    """A JSON value as bytes, always the same for the same value."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
