"""Stripe's rules, each with where it comes from."""

from datetime import timedelta
from typing import Final

from funding.policy import Policy

POLICY: Final = Policy(
    provider="stripe",
    # Stripe API reference, "Idempotent requests", read 2026-11: keys may be pruned after at least 24 hours, and then
    # act as new. The first answer is kept under its key, an error of Stripe's own too.
    key_lifetime=timedelta(hours=24),
    can_look_up=True,  # GET /v1/crypto/onramp_sessions by created[gte], matched on metadata[flow]
    # Stripe docs, "Rate limits", read 2026-11: 100 a second live, 25 in test mode, and 25 for one endpoint in both.
    assumed_rate_per_minute=6_000,
    assumed_rate_per_second=25,
    rate_documented=True,
    # Listings filter on creation alone, in whole seconds, and our clock may be ahead of theirs.
    overlap=timedelta(minutes=15),
)
