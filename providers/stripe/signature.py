"""Stripe's webhook signature: HMAC-SHA256 over time and body, one for each secret that is active there.

Source: the official package `stripe` 16.1, module `_webhook`, read 2026-11. Two checks are our own: a time far in the
future is refused too, and the time's tolerance cannot be switched off.
"""

import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from providers.webhook_keys import (
    Headers,
    MatchedKey,
    SignatureMalformed,
    SignatureMissing,
    WebhookKey,
    first_match,
    refuse_stale,
)

HEADER: Final = "Stripe-Signature"
TOLERANCE: Final = timedelta(minutes=5)
MOST_SIGNATURES: Final = 16  # far more than secrets are ever active at once: no reason to check a header for seconds
_TIME: Final = re.compile(r"[0-9]{1,11}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


def verify(
    body: bytes,
    headers: Headers,
    secrets: Sequence[WebhookKey[bytes]],
    now: datetime,
    *,
    tolerance: timedelta = TOLERANCE,
) -> MatchedKey:
    """Prove that Stripe sent exactly these bytes, lately. `headers` finds names in any case.

    Any signature of scheme v1 may match; v0 and schemes we do not know prove nothing.
    Raises: SignatureRefused, in its kinds; StaleTimestamp.
    """
    text = headers.get(HEADER)
    if text is None:
        raise SignatureMissing
    fields = [field.strip(" \t").partition("=") for field in text.split(",")]
    times = [value for name, _, value in fields if name == "t"]
    signatures = [value for name, _, value in fields if name == "v1" and _SIGNATURE.fullmatch(value)]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not 0 < len(signatures) <= MOST_SIGNATURES:
        raise SignatureMalformed

    def matches(secret: bytes) -> bool:
        right = hmac.new(secret, times[0].encode() + b"." + body, "sha256").hexdigest()
        return any(hmac.compare_digest(right, given) for given in signatures)

    matched = first_match(secrets, now, matches)
    refuse_stale(datetime.fromtimestamp(int(times[0]), UTC), now, tolerance)
    return matched
