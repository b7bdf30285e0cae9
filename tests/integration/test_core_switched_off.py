"""A provider that is switched off takes no new flows; those under way go on, and what came meanwhile is not lost."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from tests.support.deposit_house import DepositHouse


@pytest.fixture
def house(engine: Engine) -> Iterator[DepositHouse]:
    house = DepositHouse(engine)
    yield house
    house.close()


def switch(house: DepositHouse, *, on: bool) -> None:
    house.worker.ingest = replace(house.worker.ingest, closed=() if on else ("due",))


def test_what_comes_meanwhile_waits_and_is_opened_once_it_is_on(house: DepositHouse) -> None:
    ana = house.person()
    switch(house, on=False)
    transfer = house.deposit(ana)
    house.pass_time(3600)
    assert house.rows("SELECT count(*) FROM flows") == [(0,)]
    assert house.rows("SELECT DISTINCT state FROM inbox_events WHERE reason LIKE '%switched off%'") == [("deferred",)]

    switch(house, on=True)
    house.pass_time(700)
    assert house.state_of(transfer) == "broker_funded"
    assert house.rows("SELECT DISTINCT state FROM inbox_events WHERE flow_id IS NOT NULL") == [("handled",)]
    assert house.world.effects.summary()["made"] == 1


def test_what_is_under_way_goes_on(house: DepositHouse) -> None:
    transfer = house.deposit(house.person(), ("funds_received",))
    house.pass_time(10)
    switch(house, on=False)
    house.move(transfer, "payment_processed")
    house.pass_time(60)
    assert house.state_of(transfer) == "broker_funded"
