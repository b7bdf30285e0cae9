"""The gate: who gets out, and what the fleet learns from it."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from funding.errors import (
    Misconfigured,
    NotAsked,
    OutcomeUnknown,
    ProviderError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
    StaleClaim,
    UnexpectedAnswer,
)
from funding.gate_state import GateState
from providers.breaker import FIRST_OPEN, LONGEST_OPEN, Tolerance, open_for
from providers.gate import PACED_S, Gate

DOWN = ProviderUnavailable("down", provider="due")
LOST = OutcomeUnknown("lost", provider="due")


class Clock:
    """A monotonic clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


class Row:
    """The shared row, kept by a dictionary's rules instead of a database's."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.paused = False
        self.breaker, self.failures, self.open_until = "closed", 0, 0.0
        self.held_until = 0.0
        self.reads = 0
        self.down = False

    def _reach(self) -> None:
        if self.down:
            raise ConnectionError("no database")

    def read(self, provider: str) -> GateState:
        self._reach()
        self.reads += 1
        wait = timedelta(seconds=max(self.open_until - self.clock.now, 0))
        held = timedelta(seconds=max(self.held_until - self.clock.now, 0))
        return GateState(paused=self.paused, breaker=self.breaker, failures=self.failures, wait=wait, held=held)

    def held(self, provider: str, *, wait: timedelta) -> None:
        self._reach()
        self.held_until = max(self.held_until, self.clock.now + wait.total_seconds())

    def opened(self, provider: str, *, open_for: timedelta, failures: int) -> None:
        self._reach()
        self.breaker, self.failures = "open", failures
        self.open_until = self.clock.now + open_for.total_seconds()

    def closed(self, provider: str) -> None:
        self._reach()
        self.breaker, self.failures, self.open_until = "closed", 0, 0.0

    def probe(self, provider: str, *, lease: timedelta) -> bool:
        self._reach()
        if self.breaker == "closed" or self.open_until > self.clock.now:
            return False
        self.breaker, self.open_until = "probing", self.clock.now + lease.total_seconds()
        return True


class Rate:
    """A rate limit that says what it is told to, until it is free."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.wait: timedelta | None = None
        self.free_at = float("inf")
        self.spent = 0

    def spend(self) -> timedelta | None:
        self.spent += 1
        return self.wait if self.clock.now < self.free_at else None


class Fleet:
    """Processes that share a row."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.row = Row(self.clock)
        self.rate = Rate(self.clock)

    def gate(self, *, threads: int = 8, tolerance: Tolerance | None = None) -> Gate:
        return Gate(
            "due",
            store=self.row,
            rate=self.rate,
            threads=threads,
            tolerance=tolerance or Tolerance(in_a_row=3, calls=10, share=0.5),
            monotonic=self.clock,
            jitter=random.Random(1),
            sleep=self.clock.pass_by,
        )


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def call(gate: Gate, error: BaseException | None = None, *, times: int = 1) -> None:
    for _ in range(times):
        gate.admit()
        gate.settle(error)


def opened(fleet: Fleet, gate: Gate) -> None:
    call(gate, DOWN, times=3)
    assert fleet.row.breaker == "open"


class TestTheBreaker:
    @pytest.mark.parametrize("error", [DOWN, LOST])
    def test_opens_for_all_after_failures_in_a_row(self, fleet: Fleet, error: ProviderError) -> None:
        """One process has seen enough; the others need not find out for themselves."""
        one, other = fleet.gate(), fleet.gate()
        call(one, error, times=3)
        fleet.clock.pass_by(1.5)
        for gate in (one, other):
            with pytest.raises(ProviderUnavailable) as caught:
                gate.admit()
            assert caught.value.retry_after is not None
            assert caught.value.retry_after >= FIRST_OPEN - timedelta(seconds=1.5)

    def test_opens_when_half_of_many_calls_fail(self, fleet: Fleet) -> None:
        gate = fleet.gate()
        for _ in range(5):
            call(gate)
            call(gate, DOWN)
        assert fleet.row.breaker == "open"

    def test_forgets_failures_of_long_ago(self, fleet: Fleet) -> None:
        gate = fleet.gate()
        for _ in range(10):
            call(gate)
            call(gate, DOWN)
            fleet.clock.pass_by(20)
        assert fleet.row.breaker == "closed"

    @pytest.mark.parametrize(
        "error",
        [
            ProviderRejected("no", provider="due"),
            Misconfigured("key", provider="due"),
            UnexpectedAnswer("shape", provider="due"),
            ProviderThrottled("slow", provider="due"),
            StaleClaim("late"),
            None,
        ],
    )
    def test_stays_closed_while_the_provider_answers(self, fleet: Fleet, error: BaseException | None) -> None:
        gate = fleet.gate()
        call(gate, error, times=30)
        assert fleet.row.breaker == "closed"

    def test_lets_one_probe_out_of_the_whole_fleet(self, fleet: Fleet) -> None:
        gates = [fleet.gate() for _ in range(5)]
        opened(fleet, gates[0])
        fleet.clock.pass_by(FIRST_OPEN.total_seconds() + 1)
        out = []
        for gate in gates:
            try:
                gate.admit()
                out.append(gate)
            except ProviderUnavailable:
                pass
        assert len(out) == 1
        out[0].settle(None)
        assert fleet.row.breaker == "closed"
        fleet.clock.pass_by(1.5)
        for gate in gates:
            call(gate)

    def test_stays_open_longer_after_each_failed_probe(self, fleet: Fleet) -> None:
        gate = fleet.gate()
        opened(fleet, gate)
        waits = []
        for _ in range(8):
            waits.append(fleet.row.open_until - fleet.clock.now)
            fleet.clock.pass_by(waits[-1] + 1)
            call(gate, DOWN)
        assert waits == [10, 20, 40, 80, 160, 300, 300, 300]

    def test_is_not_closed_by_an_answer_from_before(self, fleet: Fleet) -> None:
        """A call that went out before it opened says nothing of now."""
        one, late = fleet.gate(), fleet.gate()
        late.admit()
        opened(fleet, one)
        late.settle(None)
        assert fleet.row.breaker == "open"

    def test_counts_no_call_that_waited_for_another_one(self, fleet: Fleet) -> None:
        """One sign-in that fails keeps many calls from leaving: that is one failure, not many."""
        gate = fleet.gate()
        call(gate, NotAsked("not signed in again yet", provider="due"), times=20)
        assert fleet.row.breaker == "closed"

    @pytest.mark.parametrize("error", [StaleClaim("late"), RuntimeError("bug"), NotAsked("waits", provider="due")])
    def test_gives_the_probe_on_when_it_was_not_used(self, fleet: Fleet, error: Exception) -> None:
        gate, other = fleet.gate(), fleet.gate()
        opened(fleet, gate)
        fleet.clock.pass_by(FIRST_OPEN.total_seconds() + 1)
        call(gate, error)
        call(other)
        assert fleet.row.breaker == "closed"

    def test_gives_the_probe_on_when_its_process_died(self, fleet: Fleet) -> None:
        gate, other = fleet.gate(), fleet.gate()
        opened(fleet, gate)
        fleet.clock.pass_by(FIRST_OPEN.total_seconds() + 1)
        gate.admit()
        fleet.clock.pass_by(31)
        call(other)
        assert fleet.row.breaker == "closed"

    def test_begins_anew_once_it_has_closed(self, fleet: Fleet) -> None:
        gate, other = fleet.gate(), fleet.gate()
        call(other, DOWN, times=2)
        opened(fleet, gate)
        fleet.clock.pass_by(2)
        with pytest.raises(ProviderUnavailable):
            other.admit()
        fleet.row.closed("due")
        fleet.clock.pass_by(2)
        call(other, DOWN, times=2)
        assert fleet.row.breaker == "closed"

    def test_opens_ever_longer_up_to_a_ceiling(self) -> None:
        assert [open_for(number).total_seconds() for number in (0, 1, 2, 99)] == [10, 10, 20, 300]
        assert open_for(10_000) == LONGEST_OPEN


class TestThePause:
    def test_holds_everyone_back_and_sends_nothing(self, fleet: Fleet) -> None:
        fleet.row.paused = True
        with pytest.raises(ProviderUnavailable, match="paused"):
            fleet.gate().admit()
        assert fleet.rate.spent == 0

    def test_is_seen_within_a_second(self, fleet: Fleet) -> None:
        gate = fleet.gate()
        call(gate, times=50)
        assert fleet.row.reads == 1
        fleet.row.paused = True
        fleet.clock.pass_by(1.0)
        with pytest.raises(ProviderUnavailable):
            gate.admit()


class TestTheRate:
    def test_throttles_with_a_wait_that_is_spread(self, fleet: Fleet) -> None:
        """Those who wait for the same second must not come back in it together."""
        gate = fleet.gate()
        fleet.rate.wait = timedelta(seconds=10)
        waits = set()
        for _ in range(5):
            with pytest.raises(ProviderThrottled) as caught:
                gate.admit()
            assert caught.value.retry_after is not None
            waits.add(caught.value.retry_after.total_seconds())
        assert len(waits) == 5
        assert all(10 <= wait <= 15 for wait in waits)

    def test_lets_a_burst_out_one_after_the_other(self, fleet: Fleet) -> None:
        """Turned away they would all come back, most of them in vain: a call waits a moment for the limit instead."""
        gate = fleet.gate()
        fleet.rate.wait = timedelta(seconds=0.5)
        fleet.rate.free_at = 1.2
        gate.admit()
        assert 1.2 <= fleet.clock.now <= PACED_S

    def test_turns_away_what_would_wait_for_long(self, fleet: Fleet) -> None:
        gate = fleet.gate()
        fleet.rate.wait = timedelta(seconds=0.5)
        with pytest.raises(ProviderThrottled):
            gate.admit()
        assert fleet.clock.now <= PACED_S

    def test_is_asked_before_a_probe_is_taken(self, fleet: Fleet) -> None:
        """A probe taken and not sent would keep the breaker open for its whole lease."""
        gate = fleet.gate()
        opened(fleet, gate)
        fleet.clock.pass_by(FIRST_OPEN.total_seconds() + 1)
        fleet.rate.wait = timedelta(seconds=1)
        with pytest.raises(ProviderThrottled):
            gate.admit()
        assert fleet.row.breaker == "open"

    def test_obeys_the_providers_own_word(self, fleet: Fleet) -> None:
        gate = fleet.gate()
        call(gate, ProviderThrottled("429", provider="due", retry_after=timedelta(seconds=30)))
        fleet.clock.pass_by(29)
        with pytest.raises(ProviderThrottled):
            gate.admit()
        fleet.clock.pass_by(2)
        call(gate)

    def test_obeys_it_when_another_process_heard_it(self, fleet: Fleet) -> None:
        """The limit is of all of us: one 429 must not be earned by each process anew."""
        heard, other = fleet.gate(), fleet.gate()
        call(other)
        call(heard, ProviderThrottled("429", provider="due", retry_after=timedelta(seconds=30)))
        fleet.clock.pass_by(1.0)
        with pytest.raises(ProviderThrottled) as caught:
            other.admit()
        assert caught.value.retry_after is not None
        assert caught.value.retry_after >= timedelta(seconds=28)
        fleet.clock.pass_by(28)
        with pytest.raises(ProviderThrottled):
            other.admit()
        fleet.clock.pass_by(2)
        call(other)

    def test_obeys_it_alone_when_the_fleet_cannot_be_told(self, fleet: Fleet) -> None:
        gate = fleet.gate()
        call(gate)
        fleet.row.down = True
        call(gate, ProviderThrottled("429", provider="due", retry_after=timedelta(seconds=30)))
        fleet.clock.pass_by(20)
        with pytest.raises(ProviderThrottled):
            gate.admit()


class TestThePlaces:
    @pytest.mark.parametrize(("threads", "places"), [(8, 4), (3, 1), (1, 1)])
    def test_are_half_the_threads(self, fleet: Fleet, threads: int, places: int) -> None:
        """A provider that hangs must leave threads for the others."""
        gate = fleet.gate(threads=threads)
        assert [gate.try_enter() for _ in range(places + 1)] == [True] * places + [False]
        gate.leave()
        assert gate.try_enter()

    def test_a_call_from_inside_another_provider_takes_one_while_it_lasts(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Or a provider that hangs would hold the threads of those who only ask it something on their way."""
        monkeypatch.setattr("providers.gate.GUESTS_WAIT_S", 0.01)
        gate = fleet.gate(threads=2)
        with ThreadPoolExecutor(1) as elsewhere:
            assert elsewhere.submit(gate.try_enter).result()
            with pytest.raises(ProviderThrottled, match="every place"):
                gate.admit()
            elsewhere.submit(gate.leave).result()

            gate.admit()
            assert not elsewhere.submit(gate.try_enter).result()
            gate.settle(None)
            assert elsewhere.submit(gate.try_enter).result()

    def test_a_call_that_is_not_let_out_takes_none(self, fleet: Fleet) -> None:
        gate = fleet.gate(threads=2)
        fleet.row.paused = True
        with pytest.raises(ProviderUnavailable):
            gate.admit()
        assert gate.try_enter()


class TestWithoutADatabase:
    def test_settling_never_hides_what_the_call_came_to(self, fleet: Fleet) -> None:
        gate = fleet.gate()
        call(gate, DOWN, times=2)
        gate.admit()
        fleet.row.down = True
        gate.settle(DOWN)

    def test_goes_by_what_was_read_last(self, fleet: Fleet) -> None:
        gate = fleet.gate()
        fleet.row.paused = True
        with pytest.raises(ProviderUnavailable):
            gate.admit()
        fleet.row.down = True
        fleet.clock.pass_by(5)
        with pytest.raises(ProviderUnavailable, match="paused"):
            gate.admit()
