"""A provider that asked us to wait, or is being probed: kept to by the whole fleet, and its rows stay unannounced."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy

from db import due_work
from db.engine import unit_of_work
from db.gates import GateRows
from tests.support.rows import add_flow

NOW = datetime.now(UTC)


@pytest.fixture
def rows(engine: sqlalchemy.Engine) -> GateRows:
    return GateRows(unit_of_work(engine))


def announced(engine: sqlalchemy.Engine) -> int:
    with engine.begin() as connection:
        add_flow(connection, due_at=NOW)
        found = len(due_work.flows(connection, limit=10))
        connection.rollback()
    return found


class TestAHold:
    def test_is_the_longest_that_anybody_heard(self, rows: GateRows) -> None:
        rows.held("due", wait=timedelta(minutes=5))
        rows.held("due", wait=timedelta(seconds=1))
        assert timedelta(minutes=4) < rows.read("due").held <= timedelta(minutes=5)
        assert rows.read("alpaca").held == timedelta(0)

    def test_leaves_pause_and_breaker_alone(self, rows: GateRows) -> None:
        rows.opened("due", open_for=timedelta(minutes=1), failures=2)
        rows.held("due", wait=timedelta(minutes=5))
        assert (rows.read("due").breaker, rows.read("due").failures) == ("open", 2)

    def test_keeps_its_rows_unannounced(self, rows: GateRows, engine: sqlalchemy.Engine) -> None:
        assert announced(engine) == 1
        rows.held("due", wait=timedelta(minutes=5))
        assert announced(engine) == 0
        rows.held("alpaca", wait=timedelta(minutes=5))
        assert announced(engine) == 0


class TestAProbe:
    def test_keeps_the_others_unannounced_until_its_answer(self, rows: GateRows, engine: sqlalchemy.Engine) -> None:
        """Announced, each would be claimed only to be turned away."""
        rows.opened("due", open_for=timedelta(0), failures=1)
        assert announced(engine) == 1, "its time has passed: one of them is the probe"
        assert rows.probe("due", lease=timedelta(minutes=1))
        assert announced(engine) == 0
        rows.closed("due")
        assert announced(engine) == 1
