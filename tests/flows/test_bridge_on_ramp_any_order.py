"""Any order and repetition of what is told about one bank deposit ends in one state and one ledger."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.support.any_order import (
    MOST_EVENTS,
    REFERENCES,
    Ending,
    Order,
    Plays,
    Telling,
    in_any_order,
    plays_of,
    whole_ending,
)
from tests.support.on_ramps import HAPPY, OnRamps

PATHS = {
    "credited": HAPPY,
    "announced first": ("funds_scheduled", *HAPPY),
    "reviewed": ("funds_received", "in_review", "payment_submitted", "payment_processed"),
    "refunded": ("funds_received", "in_review", "refunded"),
    "refunded after all": (*HAPPY, "refunded"),
    "test payment": ("funds_received", "microdeposit"),
}
ENDS = {"refunded": "refunded", "refunded after all": "refunded", "test payment": "failed"}


def _deposit(name: str, telling: Telling) -> Ending:
    """Told by its events, and at last by all of them once."""
    house = telling.house
    ramps = OnRamps(house)
    ramps.deposit(ramps.person(), PATHS[name])
    telling.in_order()
    house.pass_time(60)
    telling.all_once()
    telling.polls(2, seconds=120)
    return {**whole_ending(house), "references": house.rows(REFERENCES), "disagreements": ramps.disagreements()}


@pytest.fixture(scope="module")
def plays(services: Any, template: str) -> Iterator[Plays]:
    with plays_of({name: partial(_deposit, name) for name in PATHS}, services, template) as plays:
        yield plays


@in_any_order(PATHS)
def test_any_order_and_repetition_of_events_ends_in_one_state_and_one_ledger(
    plays: Plays, name: str, order: Order
) -> None:
    assert plays.told(name, order) == plays.endings[name]


@pytest.mark.parametrize("name", sorted(PATHS))
def test_each_path_ends_where_it_should_with_the_providers_own_balances(plays: Plays, name: str) -> None:
    events, ending = plays.events[name], plays.endings[name]
    assert ending["transitions"][-1][1] == ENDS.get(name, "credited")
    assert ending["disagreements"] == []
    assert {event.provider for event in events} >= {"bridge"}
    assert len(events) < MOST_EVENTS
