"""A provider's shared gate as it stands: read by the gate, kept by the database."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """A provider's shared row, as read: lengths of time are the database's, so no clock of ours takes part.

    `breaker` is "closed", "open" or "probing"; `wait` how long until `open_until`, zero when that has passed;
    `failures` how many times in a row it has opened; `held` how long the provider has asked us all to wait.
    """

    paused: bool = False
    breaker: str = "closed"
    failures: int = 0
    wait: timedelta = timedelta(0)
    held: timedelta = timedelta(0)
