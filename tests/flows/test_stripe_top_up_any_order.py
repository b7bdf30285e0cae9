"""Any order and repetition of what is told about one top-up ends in one state and one ledger."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from tests.support.any_order import FLOWS, MOST_EVENTS, Ending, Order, Plays, Telling, in_any_order, plays_of
from tests.support.top_ups import TopUps


def _bought(top_ups: TopUps) -> None:
    top_ups.customer()
    flow = top_ups.order(reference="one")
    top_ups.house.pass_time(1)
    top_ups.stripe.pay_onramp(top_ups.session_of(flow), step_seconds=5.0)


def _rejected(top_ups: TopUps) -> None:
    top_ups.customer()
    flow = top_ups.order(reference="one")
    top_ups.house.pass_time(1)
    top_ups.stripe.reject_onramp(top_ups.session_of(flow), 5.0)


def _charged(top_ups: TopUps) -> str:
    page = top_ups.page()
    top_ups.stripe.pay_checkout(page.id)
    return str(page.charge_id)


def _later(top_ups: TopUps, seconds: float, act: Callable[[], object]) -> None:
    def happen() -> None:
        act()

    top_ups.house.world.after(seconds, happen)


def _paid_late(top_ups: TopUps) -> None:
    top_ups.stripe.pay_checkout(top_ups.page().id, settles_after=10.0)


def _refunded(top_ups: TopUps) -> None:
    charge = _charged(top_ups)
    _later(top_ups, 5.0, lambda: top_ups.stripe.refund(charge, "30.00"))
    _later(top_ups, 8.0, lambda: top_ups.stripe.refund(charge))


def _refund_failed(top_ups: TopUps) -> None:
    charge = _charged(top_ups)
    refund = top_ups.stripe.refund(charge, "30.00")
    _later(top_ups, 6.0, lambda: top_ups.stripe.fail_refund(refund.id))


def _dispute_won(top_ups: TopUps) -> None:
    charge = _charged(top_ups)
    dispute = top_ups.stripe.open_dispute(charge)
    _later(top_ups, 6.0, lambda: top_ups.stripe.close_dispute(dispute.id, "won"))


def _dispute_lost(top_ups: TopUps) -> None:
    charge = _charged(top_ups)
    dispute = top_ups.stripe.open_dispute(charge, "60.00", withdraw=False)
    _later(top_ups, 4.0, lambda: top_ups.stripe.withdraw_dispute(dispute.id))
    _later(top_ups, 6.0, lambda: top_ups.stripe.close_dispute(dispute.id, "lost"))


def _nobodys(top_ups: TopUps) -> None:
    page = top_ups.page(known=False)
    top_ups.stripe.pay_checkout(page.id)


STORIES: Mapping[str, tuple[Callable[[TopUps], None], str]] = {
    "bought": (_bought, "claimable"),
    "rejected": (_rejected, "rejected"),
    "paid late": (_paid_late, "claimable"),
    "refunded": (_refunded, "reversed"),
    "refund failed": (_refund_failed, "claimable"),
    "dispute won": (_dispute_won, "claimable"),
    "dispute lost": (_dispute_lost, "claimable"),
    "nobody's": (_nobodys, "claimable"),
}


def _top_up(name: str, telling: Telling) -> Ending:
    """Told by its events, and at last by the polls.

    What came and went between two readings leaves no entry, so balances are compared.
    """
    house = telling.house
    top_ups = TopUps(house)
    STORIES[name][0](top_ups)
    telling.in_order()
    house.pass_time(300)
    telling.polls(2, seconds=300)
    assert top_ups.books() == []
    return {
        "flow": house.rows(FLOWS),
        "balances": house.rows("""
            SELECT a.owner, a.name, a.asset, p.layer, sum(p.amount)
              FROM postings p JOIN ledger_accounts a ON a.id = p.account_id
             GROUP BY 1, 2, 3, 4 HAVING sum(p.amount) <> 0 ORDER BY 1, 2, 3, 4
        """),
        "breaks": house.rows("SELECT provider, type, subject FROM breaks WHERE status = 'open' ORDER BY 1, 2, 3"),
        "letters": house.rows("SELECT error, status FROM dead_letters WHERE status = 'open'"),
    }


@pytest.fixture(scope="module")
def plays(services: Any, template: str) -> Iterator[Plays]:
    with plays_of({name: partial(_top_up, name) for name in STORIES}, services, template) as plays:
        yield plays


@in_any_order(STORIES, examples=30, longest=12)
def test_any_order_and_repetition_of_events_ends_in_one_state_and_one_ledger(
    plays: Plays, name: str, order: Order
) -> None:
    assert plays.told(name, order) == plays.endings[name]


def test_each_story_ends_where_it_must(plays: Plays) -> None:
    assert {name: ending["flow"][0][0] for name, ending in plays.endings.items()} == {
        name: end for name, (_, end) in STORIES.items()
    }
    assert all(len(events) < MOST_EVENTS for events in plays.events.values())
    assert {event.source for events in plays.events.values() for event in events} == {"webhook", "poll"}
