"""A flow whose worker was told of it is not announced a second time at once; one that nobody was told of is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from db import due_work
from tests.simulation.heard import Heard
from tests.support.deposit_house import DepositHouse


def announced(house: DepositHouse, *, queue_is_empty: bool) -> Sequence[UUID]:
    """What the dispatcher would announce now; the stamps are taken back."""
    with house.begin() as connection:
        due = due_work.flows(connection, limit=10, heard_out=["due"] if queue_is_empty else [])
        connection.rollback()
    return [flow for flow, _, _ in due]


def opened(house: DepositHouse) -> UUID:
    """A deposit of which the first webhook has just been handled."""
    house.books_differ = "the deposit is still on its way"
    house.deposit(house.person(), path=("funds_received",))
    house.deliver()
    assert house.ingest()
    flow: UUID = house.one("SELECT id FROM flows")
    return flow


@pytest.mark.parametrize(("queue_is_empty", "after_s"), [(True, 3), (False, 15)])
def test_what_was_announced_is_left_to_whom_it_was_told(
    house: DepositHouse, *, queue_is_empty: bool, after_s: int
) -> None:
    house.worker.ingest = replace(house.worker.ingest, wake=Heard())
    flow = opened(house)

    house.clock.now += timedelta(seconds=after_s) - timedelta(milliseconds=1)
    assert announced(house, queue_is_empty=queue_is_empty) == []
    house.clock.now += timedelta(milliseconds=1)
    assert announced(house, queue_is_empty=queue_is_empty) == [flow]


def test_what_could_not_be_announced_is_the_dispatchers_at_once(house: DepositHouse) -> None:
    flow = opened(house)

    assert announced(house, queue_is_empty=False) == [flow]
