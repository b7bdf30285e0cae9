"""Bridge's webhook signature: RSA over the digest of a digest, with a time in milliseconds.

Source: Bridge documentation, "Webhook signature verification", read 2026-11; its text reads like a single digest, its
published vector is right for the double one only.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from providers.rotation import Windowed
from providers.webhook_keys import (
    Headers,
    MatchedKey,
    SignatureMalformed,
    SignatureMissing,
    WebhookKey,
    first_match,
    load_public_keys,
    refuse_stale,
)

HEADER: Final = "X-Webhook-Signature"
TOLERANCE: Final = timedelta(minutes=10)  # Bridge's own advice
# Base64 may end in "=": the parts are told apart by the first comma alone.
_HEADER: Final = re.compile(r"t=(?P<milliseconds>[0-9]{1,16}),v0=(?P<signature>[A-Za-z0-9+/]+={0,2})")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def load_keys(entries: Sequence[Windowed[bytes]]) -> tuple[WebhookKey[RSAPublicKey], ...]:
    """Public keys, as DER (SPKI), ready for `verify`. Raises: ValueError: one is not RSA."""
    return load_public_keys(entries, RSAPublicKey)  # type: ignore[type-abstract]  # asked of an instance only


def verify(
    body: bytes,
    headers: Headers,
    keys: Sequence[WebhookKey[RSAPublicKey]],
    now: datetime,
    *,
    tolerance: timedelta = TOLERANCE,
) -> MatchedKey:
    """Prove that Bridge sent exactly these bytes, lately. `headers` finds names in any case.

    Raises: SignatureRefused, in its kinds; StaleTimestamp.
    """
    text = headers.get(HEADER)
    if text is None:
        raise SignatureMissing
    parts = _HEADER.fullmatch(text.strip(" \t"))
    if parts is None:
        raise SignatureMalformed
    try:
        signature = base64.b64decode(parts["signature"], validate=True)
    except binascii.Error:
        raise SignatureMalformed from None
    inner = hashlib.sha256(parts["milliseconds"].encode() + b"." + body).digest()

    def matches(key: RSAPublicKey) -> bool:
        try:
            key.verify(signature, inner, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    matched = first_match(keys, now, matches)
    try:
        signed_at = _EPOCH + timedelta(milliseconds=int(parts["milliseconds"]))
    except OverflowError:  # a date beyond the calendar is far from now
        signed_at = datetime.max.replace(tzinfo=UTC)
    refuse_stale(signed_at, now, tolerance)
    return matched
