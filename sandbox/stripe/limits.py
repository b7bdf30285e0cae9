"""So many requests a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.stripe.errors import StripeError

if TYPE_CHECKING:
    from sandbox.world import World


class PerSecond:
    """Stripe's limit over the whole account, in whole seconds of the world's clock."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._second = 0
        self._used = 0

    def spend(self) -> None:
        """Count a request. Raises: StripeError 429: one too many; nothing has begun to run."""
        config, second = self._world.config, int(self._world.clock().timestamp())
        if second != self._second:
            self._second, self._used = second, 0
        self._used += 1
        if config.stripe_rate_limit is None or self._used <= config.stripe_rate_limit:
            return
        error = StripeError(429, "Request rate limit exceeded.", code="rate_limit")
        error.headers["Stripe-Rate-Limited-Reason"] = "global-rate"
        if config.stripe_should_retry is not None:
            error.headers["Stripe-Should-Retry"] = "true" if config.stripe_should_retry else "false"
        raise error
