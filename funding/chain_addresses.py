"""Addresses on the chains that tokens travel on: whether a text is one, and when two are the same.

Sources: Tron developer documentation, "Account address format"; Ethereum yellow paper, addresses; Solana documentation,
"Accounts"; read 2026-11.
"""

import hashlib
import re
from typing import Final

TRON: Final = "tron"
ETHEREUM: Final = "ethereum"
SOLANA: Final = "solana"
ALIKE: Final = frozenset(
    {ETHEREUM, "avalanche", "base", "celo", "optimism", "polygon"}
)  # all write Ethereum's addresses
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TRON: Final = re.compile(f"T[{_BASE58}]{{33}}")
_TRON_BYTES: Final = 25  # a prefix, twenty bytes of account, four of checksum
_TRON_PREFIX: Final = 0x41
_SOLANA: Final = re.compile(f"[{_BASE58}]{{32,44}}")
_SOLANA_BYTES: Final = 32  # a public key, without a checksum
_ETHEREUM: Final = re.compile(r"0[xX][0-9a-fA-F]{40}")


class NoAddress(ValueError):
    """A text that is no address of that network, or a network nobody has told us of. It is never quoted."""


def normal(network: str, text: str) -> str:
    """The one way to write an address, by which two are compared: Ethereum's in lower case, the others as they are.

    Ethereum's own checksum, in the case of its letters, is not checked: many write it in one case.
    Raises: NoAddress.
    """
    named = network.lower()
    if named == TRON:
        if not _is_tron(text):
            raise NoAddress("not an address of Tron")
        return text
    if named == SOLANA:
        if not _is_solana(text):
            raise NoAddress("not an address of Solana")
        return text
    if named in ALIKE:
        if not _ETHEREUM.fullmatch(text):
            raise NoAddress(f"not an address of {named.title()}")
        return text.lower()
    raise NoAddress(f"not a network we know; known are {', '.join(sorted({*ALIKE, SOLANA, TRON}))}")


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
    try:
        whole = _number(text).to_bytes(_TRON_BYTES, "big")
    except OverflowError:
        return False
    account, checksum = whole[:-4], whole[-4:]
    return whole[0] == _TRON_PREFIX and hashlib.sha256(hashlib.sha256(account).digest()).digest()[:4] == checksum


def _is_solana(text: str) -> bool:
    """Base58 of just as many bytes as a public key has: each leading 1 is a byte of zero."""
    if not _SOLANA.fullmatch(text):
        return False
    zeros = len(text) - len(text.lstrip(_BASE58[0]))
    return zeros + (_number(text).bit_length() + 7) // 8 == _SOLANA_BYTES


def _number(text: str) -> int:
    number = 0
    for letter in text:
        number = number * len(_BASE58) + _BASE58.index(letter)
    return number
