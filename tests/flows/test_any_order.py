"""Any order and repetition of what is told about one deposit ends in one state and one ledger."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.support.any_order import MOST_EVENTS, Ending, Order, Plays, Telling, in_any_order, plays_of, whole_ending
from tests.support.depositors import HAPPY

PATHS = {
    "paid out": HAPPY,
    "seen late": ("funds_received", "payment_processed"),
    "reviewed and refunded": ("funds_received", "manual_review", "refund_submitted", "refund_processed"),
    "canceled": ("funds_received", "approved", "canceled"),
    "failed": ("funds_received", "approved", "payment_submitted", "failed"),
}


def _deposit(name: str, telling: Telling) -> Ending:
    """Told by its events, and at last by the polls."""
    house = telling.house
    house.deposit(house.person(), PATHS[name])
    telling.in_order()
    house.pass_time(60, listening=not telling.events)
    telling.polls(2, seconds=90)
    journals = [(one.id, one.status, one.amount) for one in house.world.alpaca.journals.by_id.values()]
    return {**whole_ending(house), "journals": journals}


@pytest.fixture(scope="module")
def plays(services: Any, template: str) -> Iterator[Plays]:
    with plays_of({name: partial(_deposit, name) for name in PATHS}, services, template) as plays:
        yield plays


@in_any_order(PATHS)
def test_any_order_and_repetition_of_events_ends_in_one_state_and_one_ledger(
    plays: Plays, name: str, order: Order
) -> None:
    assert plays.told(name, order) == plays.endings[name]


def test_there_are_events_of_every_kind_to_put_out_of_order(plays: Plays) -> None:
    events = plays.events["paid out"]
    assert {(event.provider, event.source) for event in events} == {
        ("due", "webhook"),
        ("due", "poll"),
        ("alpaca", "poll"),
        ("alpaca", "stream"),
    }
    assert len(events) < MOST_EVENTS
    assert [to_state for _, to_state in plays.endings["paid out"]["transitions"]][-1] == "broker_funded"
