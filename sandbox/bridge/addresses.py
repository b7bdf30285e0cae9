"""Addresses on chains, drawn: of Tron with a checksum that holds."""

from __future__ import annotations

import hashlib
import random

from sandbox.ids import Ids

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def draw(ids: Ids, network: str) -> str:
    """An address of this network; anything that is not Tron looks like Ethereum."""
    return tron(ids.stream("bridge_address")) if network == "tron" else ids.address()


def tron(dice: random.Random) -> str:
    """34 characters from T on: base 58 of 0x41, twenty bytes and four of a double SHA-256."""
    body = b"\x41" + dice.randbytes(20)
    number = int.from_bytes(body + hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4], "big")
    text = ""
    while number:
        number, rest = divmod(number, 58)
        text = _BASE58[rest] + text
    return text
