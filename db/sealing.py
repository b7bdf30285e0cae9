"""Stored bodies, encrypted at rest: AES-256-GCM, with several keys for rotation.

A row names the key that sealed its body, or none, so sealed and plain rows live side by side and keys can be
added to a running system. What a sealed body holds: a nonce, then the ciphertext with its tag.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class CannotOpen(Exception):
    """A stored body that no key at hand opens: the key is gone, or the bytes were changed or moved."""


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A named AES-256 key."""

    id: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What to store of a body: the bytes, and the id of the key that sealed them (None: they are plain)."""

    data: bytes
    key: str | None


class Sealer:
    """Seals with the first key and opens with any; without keys it leaves bodies plain.

    `context` names what the bytes belong to (provider and event id): sealed bytes open under the same context
    only, so a row's body cannot be passed off as another's.
    """

    def __init__(self, keys: Sequence[EncryptionKey] = ()) -> None:
        self._ciphers = {key.id: AESGCM(key.key) for key in keys}
        self._newest = next(iter(self._ciphers), None)

    def seal(self, body: bytes, *, context: str) -> Sealed:
        """What to store for `body`."""
        if self._newest is None:
            return Sealed(body, None)
        nonce = os.urandom(NONCE_BYTES)
        return Sealed(nonce + self._ciphers[self._newest].encrypt(nonce, body, _bound(context)), self._newest)

    def open(self, sealed: Sealed, *, context: str) -> bytes:
        """The body as it came. Raises: CannotOpen."""
        if sealed.key is None:
            return sealed.data
        cipher = self._ciphers.get(sealed.key)
        if cipher is None:
            raise CannotOpen("the key that sealed this body is not configured")
        try:
            return cipher.decrypt(sealed.data[:NONCE_BYTES], sealed.data[NONCE_BYTES:], _bound(context))
        except (InvalidTag, ValueError):
            raise CannotOpen("the sealed body was changed, cut short, or belongs elsewhere") from None


def _bound(context: str) -> bytes:
    return context.encode("utf-8", "surrogatepass")
