"""How long to wait before the next try: exponential, with full jitter."""

import random
from dataclasses import dataclass
from datetime import timedelta

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Backoff:
    """`first` is the middle of the first wait, doubling up to `ceiling`; `tries` before a person is asked."""

    first: timedelta = timedelta(seconds=60)
    ceiling: timedelta = HOUR
    tries: int = 3

    def wait(self, number: int, *, draw: random.Random, at_least: timedelta | None = None) -> timedelta:
        """The wait after try `number` (from 1). A provider's own Retry-After wins when it is longer.

        Drawn between 1 and 1.5 times the doubled first wait: spread enough that a fleet does not come back at once,
        and the default three tries always span at least two minutes.
        """
        doubled = min(self.first * (1 << min(number - 1, 20)), self.ceiling)
        jittered = doubled * draw.uniform(1.0, 1.5)
        return max(jittered, at_least) if at_least else jittered


def backstop(snoozes: int) -> timedelta:
    """How long a waiting flow sleeps when no event wakes it: a minute growing to an hour."""
    return min(MINUTE * (1 << min(snoozes, 10)), HOUR)


def freshness_wait(readings: int) -> timedelta:
    """How soon to read again when a reading is older than the hint that woke us: 2, 4, 8 ... 60 s."""
    return min(timedelta(seconds=2) * (1 << min(readings, 10)), MINUTE)
