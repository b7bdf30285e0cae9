"""Ends of a request that hardly ever come: a clock that is wrong, a writer that dies with others waiting."""

import threading
from collections.abc import Sequence
from datetime import datetime

import pytest
from flask import Flask
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from db.inbox import Arrival, Stored
from providers.event_names import EventName
from providers.receiving import Receiving
from providers.webhook_keys import Headers, MatchedKey, StaleTimestamp
from tests.support.waiting import eventually
from tests.unit.test_inbox_writer import Writing, arrival
from web.inbox_writer import CannotStore, InboxWriter
from web.metrics import DoorMetrics
from web.receiver import Receiver


def a_door(receiving: Receiving, stored: list[Arrival]) -> Flask:
    def store(arrivals: Sequence[Arrival]) -> list[Stored]:
        stored.extend(arrivals)
        return [Stored(1, duplicate=False) for _ in arrivals]

    metrics = DoorMetrics()
    writer = InboxWriter(store, lambda ids: None, metrics=metrics)
    app = Flask("door")
    limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
    Receiver({"/webhooks/other": receiving}, writer, metrics, limiter=limiter).mount(app)
    return app


class TestARequest:
    def test_signed_at_a_time_too_far_from_ours_is_refused(self) -> None:
        """A provider that signs the time of sending: what is captured cannot be sent again later."""

        def verify(_body: bytes, _headers: Headers, _now: datetime) -> MatchedKey:
            raise StaleTimestamp

        stored: list[Arrival] = []
        door = a_door(Receiving("other", verify, lambda body, event: EventName("evt", None)), stored)
        answer = door.test_client().post("/webhooks/other", data=b"{}")

        assert (answer.status_code, answer.json["type"]) == (400, "urn:rampkeeper:problem:timestamp-stale")  # type: ignore[index]
        assert stored == []


class TestAWriter:
    def test_that_dies_while_others_wait_is_replaced_for_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(threading, "excepthook", lambda args: None)
        writing = Writing()
        entered, die = threading.Event(), threading.Event()

        def store(arrivals: Sequence[Arrival]) -> list[Stored]:
            if arrivals[0].event_id == "first":
                entered.set()
                die.wait(10)
                raise SystemExit
            return writing.store(arrivals)

        writing.writer._store = store
        first = writing.pool.submit(writing.writer.write, arrival("first"))
        assert entered.wait(10)
        second = writing.pool.submit(writing.writer.write, arrival("second"))
        eventually(lambda: writing.writer._queue)
        die.set()

        assert isinstance(first.exception(10), CannotStore)
        assert second.result(10) == Stored(1, duplicate=False)
        writing.close()

    def test_commits_no_row_whose_request_has_been_answered_503(self) -> None:
        """The batch failed, and while its rows are tried one by one, the last one's patience ends."""
        writing = Writing(patience=0.5)
        writing.store.poison = {"bad"}
        tried = threading.Event()
        inner = writing.store.__call__

        def store(arrivals: Sequence[Arrival]) -> list[Stored]:
            ids = [one.event_id for one in arrivals]
            if ids == ["slow"]:
                tried.wait(10)
            return inner(arrivals)

        writing.writer._store = store
        writing.store.open.clear()
        first = writing.pool.submit(writing.writer.write, arrival("first"))
        assert writing.store.entered.wait(5)
        waiting = [writing.pool.submit(writing.writer.write, arrival("slow"))]
        eventually(lambda: len(writing.writer._queue) == 1)
        waiting += [writing.pool.submit(writing.writer.write, arrival(event_id)) for event_id in ("bad", "late")]
        eventually(lambda: len(writing.writer._queue) == 3)
        writing.store.open.set()
        assert isinstance(waiting[2].exception(10), CannotStore)
        tried.set()
        writing.close()

        assert first.done()
        assert "late" not in writing.store.rows
        assert "slow" in writing.store.rows or waiting[0].exception() is not None
