"""What can be chosen of Stripe."""

from __future__ import annotations

from dataclasses import dataclass

# The names below that a test may renew.
STRIPE_KEYS = frozenset({"stripe_secret_keys", "stripe_restricted_keys", "stripe_webhook_secrets"})


@dataclass(frozen=True)
class StripeConfig:
    """Each has a default that works; every name begins with `stripe_`."""

    stripe_secret_keys: tuple[str, ...] = ("sk_test_sandbox0001",)  # each is accepted; sk_live_... sees live objects
    stripe_restricted_keys: tuple[str, ...] = ()  # these may read and not write
    stripe_webhook_url: str | None = None  # makes one webhook endpoint at the start
    stripe_webhook_secrets: tuple[str, ...] = ("whsec_sandbox0001",)  # each signs, in this order, as during a rotation
    stripe_webhook_events: tuple[str, ...] = ("*",)  # what the first endpoint hears
    stripe_rate_limit: int | None = None  # requests a second; Stripe says 25 in test mode and 100 live
    stripe_should_retry: bool | None = None  # the header Stripe-Should-Retry of that limit's 429; None: no header
    stripe_onramp_event: str = "crypto.onramp_session.updated"  # or ..._session_updated, or onramp.session.succeeded
    stripe_onramp_events_listed: bool = True  # whether /v1/events shows onramp events
    stripe_pad_crypto: bool = True  # crypto amounts with every place of their currency, "248.310000"
    stripe_idempotency_seconds: float = 86_400.0  # how long a key is remembered
    stripe_refund_seconds: float = 0.0  # a refund is pending for so long; 0: succeeds at once
