"""The benchmark of killed clocks: it kills who leads, and its judge sees each thing that could go wrong."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from threading import Event, Semaphore

import pytest
from sqlalchemy import Engine, text

from benchmarks._clock_judge import Judged, judge
from benchmarks._clock_pair import Pair
from benchmarks._processes import BenchmarkFailed, Processes
from benchmarks.clock import SETTINGS
from embedded.guardian import Guardian

EVERY = timedelta(seconds=20)


class AtOnce(Random):
    """The leader is killed as soon as the pair is whole."""

    def uniform(self, a: float, b: float) -> float:
        del b
        return a


@pytest.fixture
def stop() -> Event:
    return Event()


@pytest.fixture
def pair(database_url: str, valkey_url: str, tmp_path: Path, stop: Event) -> Iterator[Pair]:
    with Guardian() as guardian:
        yield Pair(
            "pair",
            processes=Processes(guardian, tmp_path),
            folder=tmp_path,
            database_url=database_url,
            settings={**SETTINGS, "REDIS_URL": valkey_url, "POLL_S": "60"},  # a busy machine may take over late
            starting=Semaphore(2),
            stop=stop,
        )


def test_a_killed_leader_is_followed_and_a_third_stands_by(pair: Pair, engine: Engine, database_url: str) -> None:
    pair.play(1, AtOnce())

    with engine.connect() as connection:
        assert connection.execute(text("SELECT term FROM clock_leases")).scalar_one() >= 2
    announced = pair.announced()
    judged = judge(database_url, announced)
    assert (pair.kills, judged.missed, judged.doubled) == (1, 0, 0)
    assert {job for job, _ in announced} >= {"poll_due_transfers", "alerts", "invariants"}


def test_a_pair_that_is_stopped_ends_its_waits(pair: Pair, stop: Event) -> None:
    stop.set()
    with pytest.raises(BenchmarkFailed, match="stopped"):
        pair.play(1, AtOnce())


class TestJudge:
    """Of a job every 20 seconds: six ticks since the first, three seconds late each; the next is not due yet."""

    @pytest.fixture
    def change(self, engine: Engine) -> Callable[..., None]:
        def run(statement: str, **values: object) -> None:
            with engine.begin() as connection:
                connection.execute(text(statement), values)

        return run

    @pytest.fixture
    def slots(self, engine: Engine, change: Callable[..., None]) -> list[datetime]:
        with engine.connect() as connection:
            now: datetime = connection.execute(text("SELECT rk_now()")).scalar_one()
        slots = [now - timedelta(seconds=130) + number * EVERY for number in range(7)]
        change("INSERT INTO clock_jobs (job, every, term) VALUES ('look', :every, 2)", every=EVERY)
        for number, slot in enumerate(slots):
            change(
                "INSERT INTO ticks (job, slot, term, created_at) VALUES ('look', :slot, :term, :at)",
                slot=slot,
                term=1 if number <= 3 else 2,
                at=slot + timedelta(seconds=3),
            )
        return slots

    def test_finds_nothing_where_nothing_is_wrong(self, slots: list[datetime], database_url: str) -> None:
        announced = [("look", slot.isoformat()) for slot in slots]
        assert judge(database_url, announced) == Judged(late_s=3.0, missed=0, doubled=0, ticks=6)

    def test_sees_a_slot_that_was_passed_over(
        self, slots: list[datetime], change: Callable[..., None], database_url: str
    ) -> None:
        change("DELETE FROM ticks WHERE slot = :slot", slot=slots[4])
        assert judge(database_url, []).missed == 1

    def test_sees_that_nothing_came_any_more(
        self, slots: list[datetime], change: Callable[..., None], database_url: str
    ) -> None:
        change("DELETE FROM ticks WHERE slot > :slot", slot=slots[4])
        assert judge(database_url, []).missed == 2

    def test_sees_a_job_that_never_came(
        self, slots: list[datetime], change: Callable[..., None], database_url: str
    ) -> None:
        change("INSERT INTO clock_jobs (job, every, term) VALUES ('never', :every, 2)", every=EVERY)
        assert judge(database_url, []).missed == 1

    def test_sees_the_latest(self, slots: list[datetime], change: Callable[..., None], database_url: str) -> None:
        late = timedelta(seconds=14)
        change("UPDATE ticks SET created_at = :at WHERE slot = :slot", slot=slots[3], at=slots[3] + late)
        assert judge(database_url, []).late_s == 14.0

    def test_sees_a_leader_that_ticks_after_it_was_followed(
        self, slots: list[datetime], change: Callable[..., None], database_url: str
    ) -> None:
        change("UPDATE ticks SET term = 1 WHERE slot = :slot", slot=slots[5])
        assert judge(database_url, []).doubled == 1

    def test_sees_a_slot_that_two_say_they_ticked(self, slots: list[datetime], database_url: str) -> None:
        assert judge(database_url, [("look", slots[2].isoformat())] * 2).doubled == 1

    def test_refuses_jobs_so_frequent_that_slots_may_be_passed_over(
        self, slots: list[datetime], change: Callable[..., None], database_url: str
    ) -> None:
        change("UPDATE clock_jobs SET every = interval '10 s'")
        with pytest.raises(ValueError, match="none as often"):
            judge(database_url, [])
