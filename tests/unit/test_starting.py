"""What every process asks before it does anything: each no ends it with a sentence."""

import socket
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import OperationalError

from dispatch import starting
from dispatch.starting import serve_metrics, stop_unless_at_head


def begin() -> AbstractContextManager[Any]:
    return nullcontext()


class TestMetrics:
    def test_need_no_port(self) -> None:
        serve_metrics(None)

    def test_on_a_port_that_is_taken_end_the_process(self) -> None:
        with socket.create_server(("", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(SystemExit, match=f"METRICS_PORT {port}: Address already in use"):
                serve_metrics(port, CollectorRegistry())


class TestTheSchema:
    def test_that_is_ours_lets_the_process_begin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(starting, "behind", lambda _: None)
        stop_unless_at_head(begin)

    def test_that_is_another_ends_it_saying_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(starting, "behind", lambda _: "run rampkeeper migrate")
        with pytest.raises(SystemExit, match="run rampkeeper migrate"):
            stop_unless_at_head(begin)

    def test_that_cannot_be_asked_for_ends_it_without_a_secret(self) -> None:
        def away() -> AbstractContextManager[Any]:
            raise OperationalError("connect to hunter2", {}, psycopg.OperationalError("password hunter2"))

        with pytest.raises(SystemExit, match="Postgres cannot be used") as ended:
            stop_unless_at_head(away)
        assert "hunter2" not in str(ended.value)
