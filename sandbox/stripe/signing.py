"""The Stripe-Signature header."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

DECOY = "0" * 64  # the v0 of test mode: whoever accepts that scheme accepts what nobody signed


def signature(secret: str, moment: int, body: bytes) -> str:
    """HMAC-SHA256 of the time, a dot and the raw body, under the whole secret as UTF-8 text; lower-case hex."""
    return hmac.new(secret.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()


def header(body: bytes, secrets: Sequence[str], moment: int, *, decoy: bool = True) -> str:
    """`t`, one `v1` for each secret in their order, and a `v0`."""
    schemes = [f"v1={signature(secret, moment, body)}" for secret in secrets]
    return ",".join([f"t={moment}", *schemes, *([f"v0={DECOY}"] if decoy else [])])
