"""Announcing never holds up who asks for it."""

import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from web.announcer import GATHER_S, MOST_WAITING, Announcer
from web.metrics import DoorMetrics


class Queue:
    """A queue that hangs until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.entered = threading.Event()
        self.calls: list[list[int]] = []
        self.error: Exception | None = None

    def wake(self, ids: Sequence[int]) -> None:
        self.entered.set()
        self.go.wait(10)
        self.calls.append(list(ids))
        if self.error is not None:
            raise self.error


def missed(metrics: DoorMetrics) -> float:
    return metrics.registry.get_sample_value("rampkeeper_door_trouble_total", {"kind": "wake"}) or 0.0


def test_what_gathers_while_the_queue_hangs_goes_in_one_call_and_no_more_than_fits() -> None:
    queue, metrics = Queue(), DoorMetrics()
    announcer = Announcer(queue.wake, metrics=metrics)

    announcer.announce([1])
    assert queue.entered.wait(5)
    announcer.announce([2, 3])
    announcer.announce(list(range(MOST_WAITING)))
    announcer.announce([4])
    queue.go.set()
    announcer.stop(timedelta(seconds=5))

    assert queue.calls == [[1], [2, 3, *range(MOST_WAITING - 2)]]
    assert missed(metrics) == 2


def test_a_failing_queue_is_counted_and_asked_again_next_time() -> None:
    queue, metrics = Queue(), DoorMetrics()
    queue.go.set()
    queue.error = ConnectionError("no Redis")
    announcer = Announcer(queue.wake, metrics=metrics)

    announcer.announce([1])
    announcer.stop(timedelta(seconds=5))
    announcer.announce([2])

    assert queue.calls == [[1]]
    assert missed(metrics) == 1


def test_stopping_does_not_wait_for_a_queue_that_hangs() -> None:
    queue = Queue()
    announcer = Announcer(queue.wake, metrics=DoorMetrics())
    announcer.announce([1])
    assert queue.entered.wait(5)

    announcer.stop(timedelta(milliseconds=10))

    assert queue.calls == []
    queue.go.set()


def test_what_comes_thick_goes_in_few_calls() -> None:
    """Each call costs a message here and a transaction in a worker, however few ids it carries."""
    calls: list[tuple[float, list[int]]] = []
    announcer = Announcer(lambda ids: calls.append((time.monotonic(), list(ids))), metrics=DoorMetrics())

    for number in range(500):
        announcer.announce([number])
    announcer.stop(timedelta(seconds=10))

    assert [number for _, ids in calls for number in ids] == list(range(500))
    assert all(later - earlier >= GATHER_S * 0.9 for (earlier, _), (later, _) in pairwise(calls))
