"""JSON whose numbers keep their exact text: no float ever stands between IBEX and us, nor between us and storage."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from funding.money import Money, NotMoney
from providers.fields import Fields, WrongShape


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number by its text."""

    text: str


@dataclass(frozen=True, slots=True)
class Members:
    """A JSON object as it was written: in its order, and with what it names twice."""

    pairs: tuple[tuple[str, Any], ...]


def parse(body: bytes | str) -> Any:
    """The JSON value of a body, each number a `Number`. Raises: WrongShape."""
    return _decoded(_PLAIN, body)


def parse_event(body: bytes) -> Any:
    """As `parse`, of a body that anybody may have composed: a field named twice could be read in two ways."""
    return _decoded(_ONCE, body)


def parse_as_written(body: bytes) -> Any:
    """As `parse`, each object a `Members`. Raises: WrongShape."""
    return _decoded(_AS_WRITTEN, body)


def dump(value: Any) -> str:
    """The JSON of what either of them gives, in ASCII and without spaces. Raises: RecursionError."""
    match value:
        case Number(text=text):
            return text
        case Members(pairs=pairs):
            return "{" + ",".join(f"{json.dumps(name)}:{dump(inner)}" for name, inner in pairs) + "}"
        case dict():
            return "{" + ",".join(f"{json.dumps(name)}:{dump(inner)}" for name, inner in value.items()) + "}"
        case list():
            return "[" + ",".join(map(dump, value)) + "]"
        case _:
            return json.dumps(value)


def money(fields: Fields, name: str, *, asset: str) -> tuple[Money, str]:
    """A number in major units, not negative, rounded down to the asset's scale; and its text. Raises: WrongShape."""
    value = fields.raw(name)
    if not isinstance(value, Number):
        raise fields.wrong(name, "must be a number")
    try:
        amount, _ = Money.parse_floor(value.text, asset)
    except NotMoney as error:
        raise fields.wrong(name, f"is no amount: {error}") from None
    if amount.minor < 0:
        raise fields.wrong(name, "must not be negative")
    return amount, value.text


def whole(fields: Fields, *names: str) -> int | None:
    """The first of these fields that is there: a small whole number, written plainly. Raises: WrongShape."""
    for name in names:
        value = fields.raw(name)
        if value is None:
            continue
        if not isinstance(value, Number) or not value.text.isdigit() or len(value.text) > _DIGITS:
            raise fields.wrong(name, "must be a whole number")
        return int(value.text)
    return None


def _decoded(decoder: json.JSONDecoder, body: bytes | str) -> Any:
    try:
        return decoder.decode(body if isinstance(body, str) else body.decode("utf-8"))
    except RecursionError:
        raise WrongShape("nested too deeply") from None
    except ValueError:  # the parser's error carries the body
        raise WrongShape("not JSON") from None


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise WrongShape("an object names a field twice")
    return found


def _members(pairs: list[tuple[str, Any]]) -> Members:
    return Members(tuple(pairs))


def _decoder(pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> json.JSONDecoder:
    return json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_no_constant, object_pairs_hook=pairs)


_DIGITS: Final = 18
_PLAIN: Final = _decoder()
_ONCE: Final = _decoder(_once)
_AS_WRITTEN: Final = _decoder(_members)
