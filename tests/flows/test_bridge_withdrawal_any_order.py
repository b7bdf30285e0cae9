"""Any order and repetition of what is told about one withdrawal ends in one state and one ledger."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

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
from tests.support.withdrawals import Withdrawals

PAID: Final = ("funds_received", "payment_submitted", "payment_processed")
PATHS: Final = {
    "paid out": PAID,
    "returned later": PAID,
    "reviewed": ("in_review", *PAID),
    "undeliverable": ("funds_received", "undeliverable", "refund_in_flight", "refunded"),
    "mended": ("funds_received", "error", "refund_in_flight", "refunded"),
    "failed at IBEX": PAID,
}
ENDS: Final = {
    "returned later": "released",
    "undeliverable": "released",
    "mended": "released",
    "failed at IBEX": "failed",
}


def _withdrawal(name: str, telling: Telling) -> Ending:
    """Told by its events, and at last by all of them once."""
    house = telling.house
    if name == "failed at IBEX":
        house.world.ibex.decide_sends(["failed"])
    money = Withdrawals(house)
    flow = money.ask(money.person())
    money.until(flow, "held")
    money.will_go(flow, *PATHS[name])
    telling.in_order()
    house.pass_time(900)
    if name == "returned later":
        money.bank_returns(flow)
        house.pass_time(60)
    telling.all_once()
    telling.polls(3, seconds=1200)
    return {
        **whole_ending(house),
        "references": house.rows(REFERENCES),
        "disagreements": money.disagreements(),
        "sends": money.sends(),
    }


@pytest.fixture(scope="module")
def plays(services: Any, template: str) -> Iterator[Plays]:
    with plays_of({name: partial(_withdrawal, name) for name in PATHS}, services, template) as plays:
        yield plays


@in_any_order(PATHS)
def test_any_order_and_repetition_of_events_ends_in_one_state_and_one_ledger(
    plays: Plays, name: str, order: Order
) -> None:
    assert plays.told(name, order) == plays.endings[name]


@pytest.mark.parametrize("name", sorted(PATHS))
def test_each_path_ends_where_it_should_with_the_providers_own_balances(plays: Plays, name: str) -> None:
    events, ending = plays.events[name], plays.endings[name]
    assert ending["transitions"][-1][1] == ENDS.get(name, "paid_out")
    assert ending["disagreements"] == []
    assert ending["sends"] == (0 if name == "failed at IBEX" else 1)
    assert {event.provider for event in events} >= {"bridge"}
    assert len(events) < MOST_EVENTS
