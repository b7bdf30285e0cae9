"""Before anything is paid again, what may have been paid is found: whichever account it went to, by our reference."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from tests.support.deposit_house import DepositHouse


@pytest.fixture
def house(engine: Engine) -> Iterator[DepositHouse]:
    house = DepositHouse(engine)
    yield house
    house.close()


def test_a_journal_names_its_flow_and_its_deposit(house: DepositHouse) -> None:
    """Two equal deposits of one person must be told apart, at Alpaca as here."""
    ana = house.person()
    transfers = [house.deposit(ana), house.deposit(ana)]
    house.pass_time(60)
    said = {journal.description for journal in house.world.alpaca.journals.by_id.values()}
    assert said == {f"{house.flow_of(one)['id']} {one}" for one in transfers}
    summary = house.world.effects.summary()
    assert (summary["made"], summary["duplicates"], summary["repeated_descriptions"]) == (2, 0, {})


def test_a_changed_link_does_not_hide_what_went_to_the_old_account(house: DepositHouse) -> None:
    """The reply was lost, the key has died, and meanwhile somebody linked another brokerage account."""
    ana = house.person()
    house.world.faults.set("reply_lost", "alpaca", only="POST /v1/journals")
    transfer = house.deposit(ana)
    house.pass_time(1200)
    assert house.letters() == [("unknown", "open", None)]
    house.world.faults.clear()

    other = house.world.alpaca.add_account()
    with house.begin() as connection:
        connection.execute(
            text("UPDATE customer_links SET external_id = :other WHERE kind = 'brokerage_account'"), {"other": other}
        )
    house.clock.advance(timedelta(days=2))
    house.replay()
    house.pass_time(1200)

    assert house.world.effects.summary()["made"] == 1
    flow = house.flow_of(transfer)
    assert flow["parked_at"] is not None
    assert "to another account" in flow["parked_reason"]


def test_a_lost_reply_is_found_by_reference_once_the_key_has_died(house: DepositHouse) -> None:
    house.world.faults.set("reply_lost", "alpaca", only="POST /v1/journals")
    transfer = house.deposit(house.person())
    house.pass_time(1200)
    house.world.faults.clear()
    house.clock.advance(timedelta(days=2))
    house.replay()
    house.pass_time(1200)
    assert house.state_of(transfer) == "broker_funded"
    assert house.world.effects.summary()["made"] == 1
