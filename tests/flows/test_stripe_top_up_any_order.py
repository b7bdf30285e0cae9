"""Any order and repetition of what is told about one top-up ends in one state and one ledger."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import inbox
from db.inbox import Arrival
from tests.simulation.quick import quick_engine
from tests.simulation.stage import empty
from tests.support.deposit_house import DepositHouse
from tests.support.top_ups import TopUps

MOST_EVENTS = 40  # of one top-up: a larger number leads to one of them again
Ending = Mapping[str, list[tuple[Any, ...]]]


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

told = st.tuples(st.just("told"), st.integers(0, MOST_EVENTS), st.booleans())
passes = st.tuples(st.just("passes"), st.sampled_from((0, 1, 4, 9, 30)), st.just(value=False))  # seconds
orders = st.lists(st.one_of(told, told, passes), max_size=12)


@pytest.fixture(scope="module")
def kept(services: Any, template: str) -> Iterator[sqlalchemy.Engine]:
    """One database for all examples, and connections that stay."""
    from tests.support.databases import Databases  # noqa: PLC0415 -- beside the fixtures it is needed here alone

    with Databases(services.database_url).clone(template) as url:
        engine = quick_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture(scope="module")
def known(kept: sqlalchemy.Engine) -> Mapping[str, tuple[Sequence[Arrival], Ending]]:
    """For each story, every event there is when all goes well, and how that ends."""
    return {name: _play(kept, name, ()) for name in STORIES}


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(story=st.sampled_from(sorted(STORIES)), order=orders)
@pytest.mark.timeout(600)
def test_any_order_and_repetition_of_events_ends_in_one_state_and_one_ledger(
    kept: sqlalchemy.Engine,
    known: Mapping[str, tuple[Sequence[Arrival], Ending]],
    story: str,
    order: Sequence[tuple[str, int, bool]],
) -> None:
    events, ending = known[story]
    _, this = _play(kept, story, order, events)
    assert this == ending


def test_each_story_ends_where_it_must(known: Mapping[str, tuple[Sequence[Arrival], Ending]]) -> None:
    assert {name: ending["flow"][0][0] for name, (_, ending) in known.items()} == {
        name: end for name, (_, end) in STORIES.items()
    }
    assert all(len(events) < MOST_EVENTS for events, _ in known.values())
    assert {event.source for events, _ in known.values() for event in events} == {"webhook", "poll"}


def _play(
    engine: sqlalchemy.Engine,
    story: str,
    order: Sequence[tuple[str, int, bool]],
    events: Sequence[Arrival] = (),
) -> tuple[Sequence[Arrival], Ending]:
    """One top-up: with `events` these tell of it, in this order, and at last the polls; else everything does.

    The pretended Stripe draws its ids from the same seed each time, so that the events fit.
    """
    empty(engine)
    house = DepositHouse(engine)
    try:
        if events:
            house.world.faults.set("webhook_dropped")
        top_ups = TopUps(house)
        STORIES[story][0](top_ups)
        for what, number, again in order:
            if what == "passes":
                house.pass_time(number)
            else:
                _tell(house, events[number % len(events)], again=again)
        house.pass_time(300)
        for _ in range(2):
            house.poll()
            house.pass_time(300)
        assert top_ups.books() == []
        return _events(house), _ending(house)
    finally:
        house.close()


def _tell(house: DepositHouse, event: Arrival, *, again: bool) -> None:
    """The event comes in, or comes `again`: the same bytes under a new name, as an operator's replay has them."""
    with house.begin() as connection:
        if again:
            count = connection.execute(sqlalchemy.text("SELECT count(*) FROM inbox_events")).scalar_one()
            event = replace(event, event_id=f"replay:{count}:1", source="replay")
        inbox.insert_events(connection, [event])
    house.pass_time(0)


def _events(house: DepositHouse) -> Sequence[Arrival]:
    rows = house.rows("SELECT provider, event_id, source, body FROM inbox_events ORDER BY id")
    return [
        Arrival(provider=provider, event_id=name, route=provider, type=None, source=source, body=bytes(body))
        for provider, name, source, body in rows
    ]


def _ending(house: DepositHouse) -> Ending:
    """All that must be the same. What came and went between two readings leaves no entry, so balances are compared."""
    return {
        "flow": house.rows("SELECT state, status, amount, asset, amount_out, asset_out, parked_reason FROM flows"),
        "balances": house.rows("""
            SELECT a.owner, a.name, a.asset, p.layer, sum(p.amount)
              FROM postings p JOIN ledger_accounts a ON a.id = p.account_id
             GROUP BY 1, 2, 3, 4 HAVING sum(p.amount) <> 0 ORDER BY 1, 2, 3, 4
        """),
        "breaks": house.rows("SELECT provider, type, subject FROM breaks WHERE status = 'open' ORDER BY 1, 2, 3"),
        "letters": house.rows("SELECT error, status FROM dead_letters WHERE status = 'open'"),
    }
