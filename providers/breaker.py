"""A process's part in the fleet's circuit breaker: what it saw of a provider lately, and when that is enough."""

from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from funding.gate_state import GateState

FIRST_OPEN: Final = timedelta(seconds=10)
LONGEST_OPEN: Final = timedelta(minutes=5)


class GateStore(Protocol):
    """The shared row `provider_gates`, each call one short transaction of its own."""

    def read(self, provider: str) -> GateState:
        """The row, or a closed one when there is none."""
        ...

    def opened(self, provider: str, *, open_for: timedelta, failures: int) -> None:
        """Set the breaker open from now for so long, with that count: said twice, it is the same."""
        ...

    def closed(self, provider: str) -> None:
        """Set it closed, failures 0."""
        ...

    def probe(self, provider: str, *, lease: timedelta) -> bool:
        """Take the one probe: breaker not closed and `open_until` past becomes probing until now + `lease`.

        True for exactly one caller; when that one dies, another may take it after the lease.
        """
        ...

    def held(self, provider: str, *, wait: timedelta) -> None:
        """Nobody asks for so long from now; a longer wait that stands already stays."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """When a process calls a provider broken: so many failures in a row, or this share of enough calls in a window."""

    in_a_row: int = 5
    share: float = 0.5
    calls: int = 20
    window: timedelta = timedelta(seconds=60)


class Health:
    """Successes and failures of one process's calls. Not locked: the gate is."""

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
        self._in_a_row = 0
        self._seen: deque[tuple[float, bool]] = deque()

    def note(self, *, good: bool, now: float) -> bool:
        """Count a call (`now` on the monotonic clock); true when the provider is to be called broken."""
        self._seen.append((now, good))
        while self._seen[0][0] < now - self._tolerance.window.total_seconds():
            self._seen.popleft()
        self._in_a_row = 0 if good else self._in_a_row + 1
        if good:
            return False
        bad = sum(not one for _, one in self._seen)
        too_many = len(self._seen) >= self._tolerance.calls and bad >= self._tolerance.share * len(self._seen)
        return too_many or self._in_a_row >= self._tolerance.in_a_row

    def forget(self) -> None:
        """Begin anew, once the breaker has opened or closed."""
        self._in_a_row = 0
        self._seen.clear()


def open_for(failures: int) -> timedelta:
    """How long the breaker stays open the `failures`th time in a row: 10 s, doubling to 5 minutes."""
    doublings = min(max(failures - 1, 0), 10)
    return min(FIRST_OPEN * (1 << doublings), LONGEST_OPEN)
