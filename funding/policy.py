"""What a provider's rules allow us: one frozen policy a provider, with its source beside each value."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A provider's rules as far as money depends on them.

    `key_lifetime`: how long an idempotency key is honoured, None when the provider knows none.
    `can_look_up`: whether an object we made can be found again by our reference.
    `settle_time`: how far apart two look-ups must be before "nothing there" is believed.
    `deadline`: the total time of one call. `assumed_rate_per_minute`: documented, or assumed where nothing is;
    `assumed_rate_per_second`: of a burst, None when nothing is known of one.
    `rate_documented`: whether the rate is the provider's own word.
    `overlap`: how far a poll reads behind its mark.
    """

    provider: str
    key_lifetime: timedelta | None
    can_look_up: bool
    assumed_rate_per_minute: int
    rate_documented: bool
    assumed_rate_per_second: int | None = None
    settle_time: timedelta = timedelta(minutes=2)
    deadline: timedelta = timedelta(seconds=20)
    overlap: timedelta = timedelta(minutes=10)

    @property
    def hard_limit(self) -> timedelta:
        """A claim older than this is freed: the deadline and time to record."""
        return self.deadline + timedelta(seconds=10)
