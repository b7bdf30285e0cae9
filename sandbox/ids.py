"""Ids and other drawn values, all from one seed."""

from __future__ import annotations

import random
import uuid
from datetime import datetime

_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_RANDOM_BITS = 80


class Ids:
    """Draws for one world. Each family has its own stream, so that more of one never changes another."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._streams: dict[str, random.Random] = {}

    def stream(self, family: str) -> random.Random:
        """The family's own random numbers."""
        if family not in self._streams:
            self._streams[family] = random.Random(f"{self._seed}:{family}")
        return self._streams[family]

    def prefixed(self, prefix: str) -> str:
        """An id in Due's manner, such as tf_6ZpQm7..."""
        return f"{prefix}_{''.join(self.stream(prefix).choices(_LETTERS, k=16))}"

    def uuid(self, family: str) -> str:
        """A version 4 UUID."""
        return str(uuid.UUID(int=self.stream(family).getrandbits(128), version=4))

    def digits(self, family: str, count: int) -> str:
        """A number of `count` digits that does not begin with zero."""
        return str(self.stream(family).randrange(10 ** (count - 1), 10**count))

    def chain_hash(self) -> str:
        """A transaction hash."""
        return f"0x{self.stream('hash').getrandbits(256):064x}"

    def address(self) -> str:
        """An address of an EVM chain."""
        return f"0x{self.stream('address').getrandbits(160):040x}"

    def ulid(self, family: str, moment: datetime) -> str:
        """A ULID of this moment; inside one millisecond the order is random."""
        return ulid(moment, self.stream(family).getrandbits(_ULID_RANDOM_BITS))


def ulid(moment: datetime, randomness: int = 0) -> str:
    """26 characters of Crockford base 32: 48 bits of milliseconds, 80 of randomness."""
    whole = int(moment.timestamp()) * 1000 + moment.microsecond // 1000
    value = whole << _ULID_RANDOM_BITS | randomness
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))


def ulid_milliseconds(text: str) -> int:
    """The milliseconds since the epoch in a ULID. Raises: ValueError."""
    if len(text) != 26:  # noqa: PLR2004 - the length of every ULID
        raise ValueError("not a ULID")
    value = 0
    for letter in text.upper():
        value = value * 32 + _CROCKFORD.index(letter)
    return value >> _ULID_RANDOM_BITS
