"""A journal that Alpaca replaces more than once: each time what was really funded is taken back."""

from decimal import Decimal

from tests.support.deposit_house import DepositHouse


def test_a_replacement_funded_in_place_of_the_order_is_reversed_at_its_own_amount(house: DepositHouse) -> None:
    """Corrected before it was seen executed, then corrected again: 250 ordered, 100 funded, 40 in the end."""
    journals = house.world.alpaca.journals
    journals.single_limit = Decimal(100)
    transfer = house.deposit(house.person())
    house.pass_time(60)
    (first,) = journals.by_id.values()
    journals.force(first.id, "executed")
    second = journals.force(first.id, "correct", Decimal(100))
    house.pass_time(600, listening=True)
    assert house.state_of(transfer) == "broker_funded"

    journals.force(second.id, "correct", Decimal(40))
    house.pass_time(600, listening=True)
    house.poll()
    assert house.rows("SELECT posted FROM balances WHERE posted = 4000") == [(4000,)]


def test_a_replacement_counts_as_the_later_one_though_the_clock_stepped_back(house: DepositHouse) -> None:
    """Servers change over and their clocks differ: the first journal's reference bears a time still to come."""
    journals = house.world.alpaca.journals
    journals.single_limit = Decimal(100)
    transfer = house.deposit(house.person())
    house.pass_time(60)
    (first,) = journals.by_id.values()
    later = (
        "UPDATE flow_references SET created_at = created_at + interval '1 day' WHERE provider = 'alpaca' RETURNING 1"
    )
    assert house.rows(later) == [(1,)]

    journals.force(first.id, "executed")
    replacement = journals.force(first.id, "correct", Decimal(100))
    house.pass_time(600, listening=True)

    assert house.state_of(transfer) == "broker_funded"
    assert house.rows("SELECT alpaca_funding_tx_id FROM deposits") == [(replacement.id,)]
