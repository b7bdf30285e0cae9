"""Who calls Stripe: secret keys as bearer or as the user name of HTTP Basic."""

from __future__ import annotations

import base64
import binascii
import hmac

from sandbox.stripe.errors import StripeError
from sandbox.world import World


def given_key(authorization: str) -> str:
    """The key in an Authorization header, "" if there is none."""
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return ""
    return "" if password else name


def is_live(key: str) -> bool:
    """Whether a key sees live objects; all others see those of test mode."""
    return key.startswith(("sk_live_", "rk_live_"))


def check(world: World, key: str, *, writes: bool) -> None:
    """Raises: StripeError 401 for a key that nobody knows, 403 for a restricted one that would write."""
    if not key:
        raise StripeError(401, "You did not provide an API key.")
    if any(_same(key, one) for one in world.config.stripe_secret_keys):
        return
    if not any(_same(key, one) for one in world.config.stripe_restricted_keys):
        raise StripeError(401, f"Invalid API Key provided: {key[:8]}****{key[-4:] if len(key) > 16 else ''}")  # noqa: PLR2004 - a short key would be shown whole
    if writes:
        raise StripeError(403, "The provided key does not have the required permissions for this endpoint.")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
