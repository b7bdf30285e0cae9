"""Stored bodies, encrypted at rest: AES-256-GCM, with several keys for rotation.

What is stored says for itself how to open it, so sealed and plain rows live side by side and a key can be added
to a running system: one marker byte, then either the plain bytes, or the key's id, a nonce and the ciphertext.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
PLAIN: Final = b"\x00"
SEALED: Final = b"\x01"


class CannotOpen(Exception):
    """Stored bytes that no key at hand opens: the key is gone, or the bytes were changed or moved."""


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A named AES-256 key. The id is stored beside what it sealed: ASCII, at most 255 bytes."""

    id: str
    key: bytes = field(repr=False)


class Sealer:
    """Seals with the first key and opens with any; without keys it stores plain bytes.

    `context` names what the bytes belong to (say, provider and event id): sealed bytes open under the same
    context only, so a row's body cannot be passed off as another's.
    """

    def __init__(self, keys: Sequence[EncryptionKey] = ()) -> None:
        self._ciphers = {key.id.encode("ascii"): AESGCM(key.key) for key in keys}
        self._newest = next(iter(self._ciphers), None)

    def seal(self, body: bytes, *, context: str) -> bytes:
        """What to store for `body`."""
        if self._newest is None:
            return PLAIN + body
        nonce = os.urandom(NONCE_BYTES)
        head = SEALED + bytes([len(self._newest)]) + self._newest
        return head + nonce + self._ciphers[self._newest].encrypt(nonce, body, _bound(head, context))

    def open(self, stored: bytes, *, context: str) -> bytes:
        """The body that was sealed. Raises: CannotOpen."""
        if stored[:1] == PLAIN:
            return stored[1:]
        if stored[:1] != SEALED or len(stored) < len(SEALED) + 1:
            raise CannotOpen("the stored bytes have no marker")
        head = stored[: 2 + stored[1]]
        cipher = self._ciphers.get(head[2:])
        if cipher is None:
            raise CannotOpen("the key that sealed this is not configured")
        nonce = stored[len(head) : len(head) + NONCE_BYTES]
        sealed = stored[len(head) + NONCE_BYTES :]
        if len(sealed) < TAG_BYTES:
            raise CannotOpen("the stored bytes are cut short")
        try:
            return cipher.decrypt(nonce, sealed, _bound(head, context))
        except InvalidTag:
            raise CannotOpen("the stored bytes were changed, or belong elsewhere") from None


def _bound(head: bytes, context: str) -> bytes:
    return head + context.encode("utf-8", "surrogatepass")
