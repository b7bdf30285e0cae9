"""The gates of several processes on the one row they share in Postgres."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy
from sqlalchemy import text

from db import gates
from db.engine import unit_of_work
from db.gates import GateRows
from funding.errors import ProviderUnavailable
from providers.breaker import Tolerance
from providers.gate import Gate

DOWN = ProviderUnavailable("down", provider="due")


class Everything:
    """A rate that never refuses."""

    def spend(self) -> timedelta | None:
        return None


class Moments:
    """A monotonic clock each gate's reading is old on, whenever it looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 2.0
        return self.now


@pytest.fixture
def rows(engine: sqlalchemy.Engine) -> GateRows:
    return GateRows(unit_of_work(engine))


def a_gate(rows: GateRows) -> Gate:
    tolerance = Tolerance(in_a_row=3, window=timedelta(hours=1))
    return Gate("due", store=rows, rate=Everything(), threads=4, tolerance=tolerance, monotonic=Moments())


def let_pass(engine: sqlalchemy.Engine) -> None:
    """The time the breaker was to stay open is over."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE provider_gates SET open_until = rk_now() - interval '1 second'"))


def breaker(rows: GateRows) -> str:
    return rows.read("due").breaker


class TestTheSharedRow:
    def test_closes_the_door_of_every_process(self, rows: GateRows) -> None:
        one, other = a_gate(rows), a_gate(rows)
        for _ in range(3):
            one.admit()
            one.settle(DOWN)
        assert breaker(rows) == "open"
        with pytest.raises(ProviderUnavailable, match="breaker"):
            other.admit()

    def test_lets_one_probe_out_of_many_that_ask_at_once(self, rows: GateRows, engine: sqlalchemy.Engine) -> None:
        """A provider that has just come back must not meet the whole fleet."""
        rows.opened("due", open_for=timedelta(minutes=1), failures=1)
        let_pass(engine)
        out: list[Gate] = []
        together = threading.Barrier(8)

        def ask(gate: Gate) -> None:
            together.wait(5)
            try:
                gate.admit()
            except ProviderUnavailable:
                return
            out.append(gate)

        threads = [threading.Thread(target=ask, args=(a_gate(rows),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(out) == 1
        assert breaker(rows) == "probing"

    def test_opens_or_closes_with_the_probe(self, rows: GateRows, engine: sqlalchemy.Engine) -> None:
        gate, failures = a_gate(rows), []
        rows.opened("due", open_for=timedelta(minutes=1), failures=2)
        for outcome in (DOWN, None):
            let_pass(engine)
            gate.admit()
            gate.settle(outcome)
            failures.append(rows.read("due").failures)
        assert failures == [3, 0]
        assert breaker(rows) == "closed"

    def test_pauses_and_resumes(self, rows: GateRows, engine: sqlalchemy.Engine) -> None:
        gate = a_gate(rows)
        with engine.begin() as connection:
            gates.pause(connection, "due", reason="their maintenance", by="ana")
        with pytest.raises(ProviderUnavailable, match="paused"):
            gate.admit()
        with engine.begin() as connection:
            gates.resume(connection, "due")
        gate.admit()
