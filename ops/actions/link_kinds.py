"""Which links there are, and what their ids and attributes must look like."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from funding.chain_addresses import ALIKE, SOLANA, TRON, NoAddress, is_address, normal
from providers.fields import is_id

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
KEPT_COINS: Final = ("USDC", "USDT")
NETWORKS: Final = (*sorted(ALIKE), SOLANA, TRON)
_LONG_NUMBER: Final = re.compile(r"\d(?:[ -]?\d){6,}")  # of an account, also when written in groups


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
    fault = fault_of_id("external_id", external_id) or _fault_of_text(attributes)
    check = _FAULT_OF.get((provider, kind))
    return fault if fault or check is None else check(external_id, attributes)


def _fault_of_text(attributes: Mapping[str, Any]) -> str | None:
    for said in _texts(attributes):
        if "\x00" in said:
            return "attributes hold a NUL character"
        if any("\ud800" <= letter <= "\udfff" for letter in said):
            return "attributes hold half of a surrogate pair, which is no character"
    return None


def _fault_of_brokerage(external_id: str, _attributes: Mapping[str, Any]) -> str | None:
    return None if _is_uuid(external_id) else "external_id must be the UUID of the Alpaca account"


def _fault_of_due_account(_external_id: str, attributes: Mapping[str, Any]) -> str | None:
    if attributes.get("mode", MODES[0]) not in MODES:
        return f"attributes: mode must be one of {', '.join(MODES)}"
    if wrong := _not_texts(attributes, "key", "account", "asset_in", "asset_out"):
        return wrong
    if attributes.get("mode") == "legacy_offramp" and not attributes.get("account"):
        return "attributes: account must say whose it is at Due: in legacy_offramp we convert for it"
    return None


def _fault_of_id_in_a_path(external_id: str, _attributes: Mapping[str, Any]) -> str | None:
    """Such an id becomes part of a path of the provider's API."""
    return None if is_id(external_id) else "external_id must be an id: letters, digits and _ . : -"


def _fault_of_bank(external_id: str, attributes: Mapping[str, Any]) -> str | None:
    """Only the bank's name and the last digits are kept: never a whole number, in whatever attribute."""
    last = attributes.get("last4", "0000")
    if not (isinstance(last, str) and len(last) == LAST_DIGITS and last.isascii() and last.isdigit()):
        return f"attributes: last4 must be the last {LAST_DIGITS} digits, and no more"
    if _LONG_NUMBER.search(json.dumps(attributes)):
        return "attributes hold a long number: of a bank account the last digits are all that is kept"
    return _not_texts(attributes, "bank_name") or _fault_of_id_in_a_path(external_id, attributes)


def _fault_of_address(external_id: str, attributes: Mapping[str, Any]) -> str | None:
    """An address that IBEX receives on. Without a network it is one of any chain we know."""
    if wrong := _not_texts(attributes, "network", "asset", "account"):
        return wrong
    if attributes.get("asset", KEPT_COINS[0]).upper() not in KEPT_COINS:
        return f"attributes: asset must be one of {', '.join(KEPT_COINS)}"
    if "network" in attributes:
        return _fault_on(attributes["network"], external_id)
    known = any(is_address(network, external_id) for network in NETWORKS)
    return None if known else f"external_id must be an address of one of {', '.join(NETWORKS)}"


def _fault_of_wallet(external_id: str, attributes: Mapping[str, Any]) -> str | None:
    """A wallet on the network it must name. "<network>/" before it tells it apart from the same on another network."""
    if wrong := _not_texts(attributes, "network"):
        return wrong
    network = attributes.get("network", "").lower()
    if not network:
        return f"attributes: network must say which chain the wallet is on: {', '.join(NETWORKS)}"
    named, slash, address = external_id.rpartition("/")
    if slash and named != network:
        return f"external_id: before the slash must come {network}, the wallet's own network"
    return _fault_on(network, address)


_FAULT_OF: Final[Mapping[tuple[str, str], Callable[[str, Mapping[str, Any]], str | None]]] = {
    ("alpaca", "brokerage_account"): _fault_of_brokerage,
    ("due", "virtual_account"): _fault_of_due_account,
    ("bridge", "customer"): _fault_of_id_in_a_path,
    ("bridge", "virtual_account"): _fault_of_id_in_a_path,
    ("bridge", "external_account"): _fault_of_bank,
    ("ibex", "account"): _fault_of_id_in_a_path,
    ("ibex", "address"): _fault_of_address,
    ("stripe", "wallet_address"): _fault_of_wallet,
}


def _not_texts(attributes: Mapping[str, Any], *names: str) -> str | None:
    wrong = [name for name in names if not isinstance(attributes.get(name, ""), str)]
    return f"attributes: {', '.join(wrong)} must be text" if wrong else None


def _fault_on(network: str, address: str) -> str | None:
    try:
        normal(network, address)
    except NoAddress as error:
        return f"{'external_id' if network.lower() in NETWORKS else 'attributes: network'} is {error}"
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
