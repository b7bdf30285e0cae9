"""The keys Due signs webhooks with: Ed25519 over the raw body, in hex."""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True)
class SigningKey:
    """One endpoint's key pair, from 32 bytes."""

    seed: bytes

    @classmethod
    def draw(cls, stream: random.Random) -> SigningKey:
        """A key from seeded dice: repeatable, and so fit for pretending only."""
        return cls(stream.randbytes(32))

    def sign(self, body: bytes) -> str:
        """128 hex digits for the X-Webhook-Signature header."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(body).hex()

    def _encoded(self, encoding: Encoding) -> bytes:
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pem(self) -> str:
        """The public key as PEM (SPKI), as the API shows it."""
        return self._encoded(Encoding.PEM).decode()

    @property
    def der_base64(self) -> str:
        """The public key as base64 of the DER."""
        return base64.b64encode(self._encoded(Encoding.DER)).decode()
