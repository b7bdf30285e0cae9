"""A worker all of whose threads stand still ends itself; one that still works, or has nothing to do, does not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from tests.support.waiting import eventually
from workers.standstill import LONGEST_S, Standstill

THREADS = 2


class World:
    """A worker's threads, whose actor waits until it is let go, and the time as its watch sees it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ended: list[int] = []
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.standstill = Standstill(THREADS, monotonic=lambda: self.now, end=self.ended.append)
        self.broker = StubBroker(middleware=[self.standstill])
        self.work = dramatiq.actor(broker=self.broker, actor_name="work")(self._wait)

    def _wait(self) -> None:
        self.begun.release()
        self.go.wait(30)

    def begin(self, messages: int) -> None:
        """So many threads are at a message."""
        for _ in range(messages):
            self.work.send()
        for _ in range(messages):
            assert self.begun.acquire(timeout=20)

    def look_after(self, seconds: float) -> list[int]:
        """With what it ended itself, if it did."""
        self.now += seconds
        self.standstill.look()
        return self.ended


@contextmanager
def working(world: World) -> Iterator[None]:
    worker = dramatiq.Worker(world.broker, worker_threads=THREADS, worker_timeout=50)
    worker.start()
    try:
        yield
    finally:
        world.go.set()
        worker.stop()
        world.broker.close()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    with working(world):
        yield world


def test_all_threads_that_stand_still_end_the_process(world: World) -> None:
    world.begin(THREADS)
    assert world.look_after(LONGEST_S) == []
    assert world.look_after(1) == [1]


def test_one_thread_that_stands_still_does_not(world: World) -> None:
    world.begin(THREADS - 1)
    assert world.look_after(10 * LONGEST_S) == []


def test_threads_that_have_come_to_an_end_do_not(world: World) -> None:
    world.begin(THREADS)
    world.go.set()
    eventually(lambda: not world.standstill.busy)
    assert world.look_after(10 * LONGEST_S) == []
