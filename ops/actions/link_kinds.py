"""Which links there are, and what their ids and attributes must look like."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

KINDS: Final = {
    "due": ("account", "virtual_account"),
    "alpaca": ("brokerage_account",),
    "bridge": ("customer", "virtual_account", "external_account", "liquidation_address"),
    "ibex": ("account", "address"),
    "stripe": ("wallet_address",),
}
MODES: Final = ("va_auto", "legacy_offramp")  # of a Due virtual account: converts by itself, or asks us to
LONGEST: Final = 200  # characters of an id
LAST_DIGITS: Final = 4  # all that is ever stored of a bank account number


def fault_of_id(name: str, value: str) -> str | None:
    """What is wrong with an id, if anything. `name` is what to call it; the value itself is never quoted."""
    if not value:
        return f"{name} is empty"
    if len(value) > LONGEST:
        return f"{name} is longer than {LONGEST} characters"
    if not value.isprintable() or value != value.strip():
        return f"{name} has spaces around it or control characters in it"
    return None


def fault_of_link(provider: str, kind: str, external_id: str, attributes: Mapping[str, Any]) -> str | None:
    """What is wrong with a link, if anything."""
    if provider not in KINDS:
        return f"provider must be one of {', '.join(KINDS)}"
    if kind not in KINDS[provider]:
        return f"kind of {provider} must be one of {', '.join(KINDS[provider])}"
    return fault_of_id("external_id", external_id) or _fault_of_attributes(provider, kind, external_id, attributes)


def _fault_of_attributes(provider: str, kind: str, external_id: str, attributes: Mapping[str, Any]) -> str | None:
    for said in _texts(attributes):
        if "\x00" in said:
            return "attributes hold a NUL character"
        if any("\ud800" <= letter <= "\udfff" for letter in said):
            return "attributes hold half of a surrogate pair, which is no character"
    match provider, kind:
        case "alpaca", "brokerage_account":
            return None if _is_uuid(external_id) else "external_id must be the UUID of the Alpaca account"
        case "due", "virtual_account":
            if attributes.get("mode", MODES[0]) not in MODES:
                return f"attributes: mode must be one of {', '.join(MODES)}"
            texts = ("key", "account", "asset_in", "asset_out")
            wrong = [name for name in texts if not isinstance(attributes.get(name, ""), str)]
            if wrong:
                return f"attributes: {', '.join(wrong)} must be text"
            if attributes.get("mode") == "legacy_offramp" and not attributes.get("account"):
                return "attributes: account must say whose it is at Due: in legacy_offramp we convert for it"
            return None
        case "bridge", "external_account":
            last = attributes.get("last4", "0000")
            usable = isinstance(last, str) and len(last) == LAST_DIGITS and last.isdigit()
            return None if usable else f"attributes: last4 must be the last {LAST_DIGITS} digits, and no more"
        case _:
            return None


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value, keys too, at any depth."""
    match value:
        case str():
            yield value
        case Mapping():
            for key, item in value.items():
                yield from (str(key), *_texts(item))
        case list():
            for item in value:
                yield from _texts(item)


def _is_uuid(value: str) -> bool:
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return False
