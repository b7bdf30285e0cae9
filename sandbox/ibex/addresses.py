"""Addresses of the chains that Ibex receives on and sends to."""

from __future__ import annotations

import hashlib
import random
import re

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TRON_VERSION = b"\x41"
_TRON = re.compile(rf"T[{_BASE58}]{{33}}")
_ETHEREUM = re.compile(r"0x[0-9a-fA-F]{40}")


def draw(network: str, dice: random.Random) -> str:
    """A new address that passes the network's own checks."""
    raw = dice.randbytes(20)
    return tron(raw) if is_tron(network) else f"0x{raw.hex()}"


def is_valid(network: str, address: str) -> bool:
    """Whether the text is an address of this network: Tron's with its checksum, 0x and 40 hex digits of any other."""
    if not is_tron(network):
        return _ETHEREUM.fullmatch(address) is not None
    if _TRON.fullmatch(address) is None:
        return False
    value = 0
    for letter in address:
        value = value * 58 + _BASE58.index(letter)
    raw = value.to_bytes(26, "big")[1:]
    return raw[:1] == _TRON_VERSION and _checksum(raw[:21]) == raw[21:]


def comparable(address: str) -> str:
    """The same for every spelling of one address: hex has no case, base 58 has."""
    return address.lower() if address.startswith(("0x", "0X")) else address


def is_tron(network: str) -> bool:
    """Whether this names Tron, in whatever case."""
    return network.casefold() == "tron"


def tron(raw: bytes) -> str:
    """The base58check text of 20 bytes: always 34 characters that begin with T."""
    payload = _TRON_VERSION + raw
    value, letters = int.from_bytes(payload + _checksum(payload), "big"), ""
    while value:
        value, digit = divmod(value, 58)
        letters = _BASE58[digit] + letters
    return letters


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
