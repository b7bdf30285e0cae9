"""Due's webhook signature: Ed25519 over the raw body, hex, no timestamp; and the seed's HMAC on its old route.

Source: Due developer documentation, "Webhooks", read 2026-11.
"""

import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from providers.rotation import Windowed
from providers.webhook_keys import (
    Headers,
    MatchedKey,
    SignatureMalformed,
    SignatureMissing,
    WebhookKey,
    first_match,
    load_public_keys,
)

HEADER: Final = "X-Webhook-Signature"
LEGACY_HEADER: Final = "X-Due-Signature"
_SIGNATURE: Final = re.compile(r"[0-9a-fA-F]{128}")  # 64 bytes; bytes.fromhex alone would let spaces through
_LEGACY_SIGNATURE: Final = re.compile(r"[0-9a-fA-F]{64}")


def load_keys(entries: Sequence[Windowed[bytes]]) -> tuple[WebhookKey[Ed25519PublicKey], ...]:
    """Public keys, as DER (SPKI), ready for `verify`. Raises: ValueError: one is not Ed25519."""
    return load_public_keys(entries, Ed25519PublicKey)  # type: ignore[type-abstract]  # asked of an instance only


def verify(body: bytes, headers: Headers, keys: Sequence[WebhookKey[Ed25519PublicKey]], now: datetime) -> MatchedKey:
    """Prove that Due sent exactly these bytes. `headers` finds names in any case.

    Nothing signed tells the time, so a captured delivery stays valid for ever: only the permanent unique event id
    stands against a replay.
    Raises: SignatureRefused, in its kinds.
    """
    signature = bytes.fromhex(_header(headers, HEADER, _SIGNATURE))

    def matches(key: Ed25519PublicKey) -> bool:
        try:
            key.verify(signature, body)
        except InvalidSignature:
            return False
        return True

    return first_match(keys, now, matches)


def verify_legacy(body: bytes, headers: Headers, secrets: Sequence[WebhookKey[bytes]], now: datetime) -> MatchedKey:
    """Prove the seed's deposit body: hex HMAC-SHA256 of the raw bytes. Raises: SignatureRefused, in its kinds."""
    signature = bytes.fromhex(_header(headers, LEGACY_HEADER, _LEGACY_SIGNATURE))
    return first_match(secrets, now, lambda secret: hmac.compare_digest(hmac.digest(secret, body, "sha256"), signature))


def _header(headers: Headers, name: str, shape: re.Pattern[str]) -> str:
    text = headers.get(name)
    if text is None:
        raise SignatureMissing
    if not shape.fullmatch(text.strip(" \t")):
        raise SignatureMalformed
    return text.strip(" \t")
