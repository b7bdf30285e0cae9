"""Addresses on the chains that tokens travel on: whether a text is one, and when two are the same.

Sources: Tron developer documentation, "Account address format"; Ethereum yellow paper, addresses; read 2026-11.
"""

import hashlib
import re
from typing import Final

TRON: Final = "tron"
ETHEREUM: Final = "ethereum"
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TRON: Final = re.compile(f"T[{_BASE58}]{{33}}")
_TRON_BYTES: Final = 25  # a prefix, twenty bytes of account, four of checksum
_TRON_PREFIX: Final = 0x41
_ETHEREUM: Final = re.compile(r"0[xX][0-9a-fA-F]{40}")


class NoAddress(ValueError):
    """A text that is no address of that network, or a network nobody has told us of. It is never quoted."""


def normal(network: str, text: str) -> str:
    """The one way to write an address, by which two are compared: Ethereum's in lower case, Tron's as it is.

    Ethereum's own checksum, in the case of its letters, is not checked: many write it in one case.
    Raises: NoAddress.
    """
    named = network.lower()
    if named == TRON:
        if not _is_tron(text):
            raise NoAddress("not an address of Tron")
        return text
    if named == ETHEREUM:
        if not _ETHEREUM.fullmatch(text):
            raise NoAddress("not an address of Ethereum")
        return text.lower()
    raise NoAddress(f"not a network we know; known are {ETHEREUM} and {TRON}")


def is_address(network: str, text: str) -> bool:
    """Whether a text is an address of that network (its name in any case)."""
    try:
        normal(network, text)
    except NoAddress:
        return False
    return True


def _is_tron(text: str) -> bool:
    """Base58 with a checksum: the last four bytes begin the double SHA-256 of those before."""
    if not _TRON.fullmatch(text):
        return False
    number = 0
    for letter in text:
        number = number * len(_BASE58) + _BASE58.index(letter)
    try:
        whole = number.to_bytes(_TRON_BYTES, "big")
    except OverflowError:
        return False
    account, checksum = whole[:-4], whole[-4:]
    return whole[0] == _TRON_PREFIX and hashlib.sha256(hashlib.sha256(account).digest()).digest()[:4] == checksum
