"""The writer thread: batches, failures, and that no request ever hangs."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from db.inbox import Arrival, Stored
from web.inbox_writer import CannotStore, InboxWriter
from web.metrics import DoorMetrics


def arrival(event_id: str, key: str | None = "k") -> Arrival:
    return Arrival(
        provider="due", event_id=event_id, route="/", type=None, source="webhook", body=b"{}", matched_key=key
    )


class Store:
    """A store in memory that can be held shut and told to fail."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.batches: list[list[str]] = []
        self.rows: dict[str, int] = {}
        self.poison: set[str] = set()
        self.error: BaseException | None = None
        self.error_after_first: Exception | None = None

    def __call__(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        self.entered.set()
        self.open.wait(10)
        ids = [a.event_id for a in arrivals]
        self.batches.append(ids)
        if self.error is not None:
            raise self.error
        if self.error_after_first is not None and self.rows:
            raise self.error_after_first
        if self.poison & set(ids):
            raise ValueError("this row cannot be stored")
        answers = []
        for event_id in ids:
            known = event_id in self.rows
            answers.append(Stored(self.rows.setdefault(event_id, len(self.rows) + 1), duplicate=known))
        return answers


def trouble(metrics: DoorMetrics, kind: str) -> float:
    return metrics.registry.get_sample_value("rampkeeper_door_trouble_total", {"kind": kind}) or 0.0


class Writing:
    """A writer on such a store, with what it announced and noted."""

    def __init__(self, *, patience: float = 5, note: Exception | None = None) -> None:
        self.store, self.metrics = Store(), DoorMetrics()
        self.woken: list[list[int]] = []
        self.noted: list[set[tuple[str, str]]] = []

        def on_note(keys: object) -> None:
            self.noted.append(set(keys))  # type: ignore[call-overload]  # a collection of pairs
            if note:
                raise note

        self.writer = InboxWriter(
            self.store,
            lambda ids: self.woken.append(list(ids)),
            metrics=self.metrics,
            note_keys=on_note,
            patience=timedelta(seconds=patience),
        )
        self.pool = ThreadPoolExecutor(32)

    def write_together(self, ids: Sequence[str]) -> list[Stored | None]:
        """Write all while the store is shut behind a first row, so that they gather in one batch. None: refused."""
        self.store.open.clear()
        self.store.entered.clear()
        first = self.pool.submit(self.writer.write, arrival("first"))
        assert self.store.entered.wait(5)
        waiting = [self.pool.submit(self.writer.write, arrival(event_id)) for event_id in ids]
        deadline = threading.Event()
        while len(self.writer._queue) < len(ids) and not deadline.wait(0.001):
            pass
        self.store.open.set()
        first.result(10)
        return [None if f.exception(10) else f.result(10) for f in waiting]

    def close(self) -> None:
        self.store.open.set()
        self.writer.stop()
        self.pool.shutdown()


def test_what_gathers_during_a_commit_is_the_next_batch() -> None:
    writing = Writing()

    answers = writing.write_together(["a", "b", "c", "a"])

    assert [sorted(batch) for batch in writing.store.batches] == [["first"], ["a", "a", "b", "c"]]
    assert sorted(answer.duplicate for answer in answers if answer) == [False, False, False, True]
    writing.close()
    assert writing.woken == [[1], [2, 3, 4]]


def test_a_bad_row_fails_alone() -> None:
    writing = Writing()
    writing.store.poison = {"bad"}

    answers = writing.write_together(["a", "bad", "b"])

    assert [answer is not None for answer in answers] == [True, False, True]
    assert (trouble(writing.metrics, "batch"), trouble(writing.metrics, "row")) == (1, 1)
    writing.close()


def test_when_the_database_is_away_one_row_is_tried_and_all_are_refused() -> None:
    writing = Writing()
    writing.store.error_after_first = OperationalError("insert", {}, Exception("gone"))

    answers = writing.write_together([str(n) for n in range(20)])

    assert answers == [None] * 20
    assert [len(batch) for batch in writing.store.batches] == [1, 20, 1]
    assert writing.woken == [[1]]
    writing.close()


def test_a_request_waits_only_so_long_and_is_then_withdrawn() -> None:
    writing = Writing(patience=0.05)
    writing.store.open.clear()

    first = writing.pool.submit(writing.writer.write, arrival("first"))
    assert writing.store.entered.wait(5)
    second = writing.pool.submit(writing.writer.write, arrival("second"))

    assert isinstance(first.exception(5), CannotStore)
    assert isinstance(second.exception(5), CannotStore)
    writing.close()
    assert "second" not in writing.store.rows


def test_a_thread_that_dies_hangs_nobody_and_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: died.append(args.thread.name))
    writing = Writing()
    writing.store.error = SystemExit()

    with pytest.raises(CannotStore):
        writing.writer.write(arrival("a"))
    writing.store.error = None

    assert writing.writer.write(arrival("a")) == Stored(1, duplicate=False)
    writing.close()
    assert died == ["inbox-writer"]


def test_what_fails_after_the_commit_is_not_the_senders_trouble() -> None:
    writing = Writing(note=ConnectionError("postgres"))

    assert writing.writer.write(arrival("a")).id == 1
    writing.close()

    assert trouble(writing.metrics, "keys") == 1


def test_keys_in_use_are_noted_once_a_minute() -> None:
    writing = Writing()

    for event_id, key in [("a", "k1"), ("b", "k1"), ("c", "k2"), ("d", None)]:
        writing.writer.write(arrival(event_id, key))
    writing.close()

    assert writing.noted == [{("due", "k1")}, {("due", "k2")}]


def test_stopping_commits_what_waits_and_takes_no_more() -> None:
    writing = Writing()
    writing.store.open.clear()
    waiting = writing.pool.submit(writing.writer.write, arrival("a"))
    assert writing.store.entered.wait(5)
    stopping = writing.pool.submit(writing.writer.stop)
    writing.store.open.set()
    stopping.result(10)

    assert waiting.result(5).id == 1
    with pytest.raises(CannotStore):
        writing.writer.write(arrival("b"))
    writing.close()


def test_however_requests_come_none_is_left_waiting() -> None:
    """They wake the thread without a common lock: whoever comes just as it falls asleep must still be seen."""
    writing = Writing()

    def write(sender: int) -> None:
        for number in range(300):
            writing.writer.write(arrival(f"{sender}-{number}"))

    for each in [writing.pool.submit(write, sender) for sender in range(4)]:
        each.result(60)

    assert len(writing.store.rows) == 4 * 300
    assert trouble(writing.metrics, "late") == 0
    writing.close()
