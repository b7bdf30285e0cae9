"""One gate for each provider, asked once before a call: pause, breaker, rate limit; and how many threads may be inside.

The fleet obeys it through a shared row (pause and breaker, read at most once a second) and a shared count (rate).
Each process counts its own failures; the one that has seen enough opens the row for all. A success outside a probe
changes nothing shared, so a late answer from before cannot close it.
"""

import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol

import structlog

from funding.errors import NotAsked, OutcomeUnknown, ProviderError, ProviderThrottled, ProviderUnavailable
from funding.gate_state import GateState
from providers.breaker import GateStore, Health, Tolerance, open_for

_log = structlog.get_logger(__name__)
FRESH_S: Final = 1.0  # how old our reading of the shared row may be
TELL_LONGER_S: Final = 1.0  # a hold is written for the fleet only when it ends so much later than what is known
GUESTS_WAIT_S: Final = 1.0  # far longer than a place is taken, unless the provider hangs
GUESTS_RETURN: Final = timedelta(seconds=2)
PACED_S: Final = 2.0  # a call waits here for our own limit; a longer wait is the row's, not a thread's
PAUSED_WAIT: Final = timedelta(seconds=15)
PROBE_LEASE: Final = timedelta(seconds=30)  # a call's deadline and time to tell


def places(threads: int) -> int:
    """How many of a process's threads may be inside one provider at once: half, so that the others have the rest."""
    return max(threads // 2, 1)


class Rate(Protocol):
    """A rate limit (`providers.rates.SharedRate`)."""

    def spend(self) -> timedelta | None:
        """None when a call may go out, else how long to wait."""
        ...


class Gate:
    """The gate of one provider in this process. Safe from many threads; `admit` and `settle` are called on one."""

    def __init__(
        self,
        provider: str,
        *,
        store: GateStore,
        rate: Rate,
        threads: int,
        tolerance: Tolerance | None = None,
        probe_lease: timedelta = PROBE_LEASE,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.provider = provider
        self._store = store
        self._rate = rate
        self._inside = threading.BoundedSemaphore(places(threads))
        self._health = Health(tolerance or Tolerance())
        self._probe_lease = probe_lease
        self._monotonic = monotonic
        self._jitter = jitter or random.Random()
        self._sleep = sleep
        self._lock = threading.Lock()
        self._state = GateState()
        self._read_at = float("-inf")
        self._held_until = float("-inf")  # the provider's own word in a 429
        self._mine = threading.local()  # whether the call on this thread is the probe

    def try_enter(self) -> bool:
        """Take one of the places in this process; false when all are taken: drop the message, its row stays due."""
        entered = self._inside.acquire(blocking=False)
        if entered:
            self._mine.entered = True
        return entered

    def leave(self) -> None:
        """Give the place back."""
        self._mine.entered = False
        self._inside.release()

    def admit(self) -> None:
        """Let a call go out. Raises: ProviderUnavailable (paused, open), ProviderThrottled: nothing was sent.

        A thread that has no place here, being inside another provider, takes one for this call.
        """
        self._mine.guest = False
        if not getattr(self._mine, "entered", False):
            if not self._inside.acquire(timeout=GUESTS_WAIT_S):
                raise self._throttled(f"every place at {self.provider} is taken", GUESTS_RETURN)
            self._mine.guest = True
        try:
            self._admit()
        except BaseException:
            self._part()
            raise

    def _part(self) -> None:
        """A guest's place is free again."""
        guest, self._mine.guest = getattr(self._mine, "guest", False), False
        if guest:
            self._inside.release()

    def _admit(self) -> None:
        self._mine.probe = False
        state = self._fresh()
        if state.paused:
            raise ProviderUnavailable(f"{self.provider} is paused", provider=self.provider, retry_after=PAUSED_WAIT)
        held = self._held_for(state)
        if held > 0:
            raise self._throttled(f"{self.provider} asked us to wait", timedelta(seconds=held))
        self._pace()  # before the breaker: a probe once taken must go out
        wait = None if state.breaker == "closed" else self._refused_by_breaker(state)
        if wait is not None:
            raise ProviderUnavailable(
                f"{self.provider} keeps failing: its breaker is {state.breaker}",
                provider=self.provider,
                retry_after=self._spread(wait),
            )

    def _pace(self) -> None:
        """Spend one call of our own limit, waiting a moment for it: a burst goes out one after the other.

        Turned away at once, its rows would all come back later, most of them in vain. Raises: ProviderThrottled.
        """
        until = self._monotonic() + PACED_S
        while (wait := self._rate.spend()) is not None:
            seconds = self._spread(wait).total_seconds()
            if self._monotonic() + seconds > until:
                raise self._throttled(f"our own limit of calls to {self.provider} is used up", wait)
            self._sleep(seconds)

    def settle(self, error: BaseException | None) -> None:
        """Learn how an admitted call ended: None for an answer. Never raises: the call's own outcome comes first."""
        self._part()
        probe, self._mine.probe = getattr(self._mine, "probe", False), False
        try:
            if isinstance(error, ProviderThrottled) and error.retry_after is not None:
                self._hold(error.retry_after)
            self._learn(error, probe=probe)
        except Exception as failure:  # noqa: BLE001 -- the shared row may be out of reach; what the call came to must not be lost
            _log.warning("gate.not_told", provider=self.provider, error=type(failure).__name__)

    def _hold(self, wait: timedelta) -> None:
        """Keep to the provider's word at once, and tell the fleet unless it knows."""
        with self._lock:
            longer = wait.total_seconds() - self._held_for(self._state) > TELL_LONGER_S
            self._held_until = max(self._held_until, self._monotonic() + wait.total_seconds())
        if longer:
            self._store.held(self.provider, wait=wait)

    def _held_for(self, state: GateState) -> float:
        """Seconds that the provider has asked us to wait still, heard by this process or by another."""
        now = self._monotonic()
        return max(self._held_until - now, state.held.total_seconds() - (now - self._read_at))

    def _learn(self, error: BaseException | None, *, probe: bool) -> None:
        if isinstance(error, NotAsked) or (error is not None and not isinstance(error, ProviderError)):
            if probe:  # given back unsent, or a bug of ours: it says nothing of the provider, let another try
                self._store.opened(self.provider, open_for=timedelta(0), failures=max(self._state.failures, 1))
            return
        failed = isinstance(error, (ProviderUnavailable, OutcomeUnknown)) and not isinstance(error, ProviderThrottled)
        if probe:
            self._probed(failed=failed)
            return
        with self._lock:
            broken = self._health.note(good=not failed, now=self._monotonic())
            if not broken or self._state.breaker != "closed":
                return
            self._health.forget()
            failures = self._state.failures + 1
            self._remember(GateState(breaker="open", failures=failures, wait=open_for(failures)))
        self._store.opened(self.provider, open_for=open_for(failures), failures=failures)
        _log.warning("gate.opened", provider=self.provider, failures=failures)

    def _probed(self, *, failed: bool) -> None:
        with self._lock:
            self._health.forget()
            failures = self._state.failures + 1
            wait = open_for(failures)
            self._remember(GateState(breaker="open", failures=failures, wait=wait) if failed else GateState())
        if failed:
            self._store.opened(self.provider, open_for=wait, failures=failures)
        else:
            self._store.closed(self.provider)
            _log.info("gate.closed", provider=self.provider)

    def _refused_by_breaker(self, state: GateState) -> timedelta | None:
        """How long to stay away, or None: this call is the fleet's one probe."""
        wait = state.wait - timedelta(seconds=self._monotonic() - self._read_at)
        if wait > timedelta(0):
            return wait
        if self._store.probe(self.provider, lease=self._probe_lease):
            self._mine.probe = True
            return None
        return timedelta(seconds=FRESH_S)

    def _fresh(self) -> GateState:
        """The shared row, at most a second old; when it cannot be read, as it was last."""
        with self._lock:
            if self._monotonic() - self._read_at < FRESH_S:
                return self._state
        try:
            state = self._store.read(self.provider)
        except Exception as failure:  # noqa: BLE001 -- no database, no reason to stop reading a provider: the runner judges that
            _log.warning("gate.unread", provider=self.provider, error=type(failure).__name__)
            return self._state
        with self._lock:
            if self._state.breaker != "closed" and state.breaker == "closed":
                self._health.forget()
            self._remember(state)
        return state

    def _remember(self, state: GateState) -> None:
        self._state, self._read_at = state, self._monotonic()

    def _throttled(self, message: str, wait: timedelta) -> ProviderThrottled:
        return ProviderThrottled(message, provider=self.provider, retry_after=self._spread(wait))

    def _spread(self, wait: timedelta) -> timedelta:
        """Up to half as long again, so that those who wait do not all come back at once."""
        return wait * (1 + self._jitter.random() / 2)
