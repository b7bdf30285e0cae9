"""Our own database failing in the middle of a step, or over one event: given back, set aside, never charged."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, text

from db.engine import unit_of_work
from db.inbox import Handled, InboxEvent
from funding.facts import Reading
from settings import load
from tests.simulation.heard import Heard
from tests.support.deposit_house import DepositHouse
from tests.support.rows import add_flow
from workers.facts import Batch
from workers.jobs import watch_alerts


@pytest.fixture
def house(engine: Engine) -> Iterator[DepositHouse]:
    house = DepositHouse(engine)
    yield house
    house.close()


def test_an_object_that_another_flow_owns_parks_the_flow_that_met_it(house: DepositHouse) -> None:
    """Two flows may be one movement of money: a person compares them, and nothing else of the answer is believed."""
    transfer = house.deposit(house.person(), ("payment_processed",), step_seconds=1.0)
    runner, taken = house.worker.runner, set[str]()

    taking = text("""
        INSERT INTO flow_references (provider, kind, external_id, flow_id) VALUES ('alpaca', 'journal', :journal, :flow)
    """)

    @contextmanager
    def begin() -> Iterator[Connection]:
        with house.begin() as connection:
            for journal in set(house.world.alpaca.journals.by_id) - taken:
                connection.execute(taking, {"journal": journal, "flow": add_flow(connection, parked=True)})
                taken.add(journal)
        with house.begin() as connection:
            yield connection

    house.worker.runner = replace(runner, recorder=replace(runner.recorder, begin=begin))
    house.pass_time(30)

    assert house.flow_of(transfer)["parked_at"] is not None
    assert house.letters() == [("duplicate_reference", "open", None)]
    assert ("alpaca", "duplicate") in house.open_breaks()


def test_an_event_that_the_database_refuses_is_set_aside_alone(
    house: DepositHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is handled again one by one: the poison one gets a letter, the others are done."""
    apply = Batch.apply
    poisoned: list[int] = []

    def poisonous(self: Batch, event: InboxEvent, reading: Reading) -> Handled:
        if not poisoned:
            poisoned.append(event.id)
        if event.id in poisoned:
            self._connection.execute(text("SELECT 1 / (SELECT 0)"))
        return apply(self, event, reading)

    monkeypatch.setattr(Batch, "apply", poisonous)
    person = house.person()
    first, second = (house.deposit(person, ("funds_received",)) for _ in range(2))
    house.world.tick()
    house.deliver()
    house.ingest()

    assert house.rows("SELECT state, count(*) FROM inbox_events GROUP BY 1 ORDER BY 1") == [("dead", 1), ("handled", 1)]
    assert house.letters() == [("unusable_event", "open", None)]
    assert house.one("SELECT count(*) FROM flow_references WHERE external_id IN (:a, :b)", a=first, b=second) == 1


def test_nobody_is_told_of_alerts_where_nobody_is_named(engine: Engine) -> None:
    settings = load({"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x"})
    assert watch_alerts(unit_of_work(engine), Heard(), settings) == "0 told"
