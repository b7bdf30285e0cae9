"""Any order and repetition of what is told about one bank deposit ends in one state and one ledger."""

from collections.abc import Iterator, Mapping, Sequence
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
MOST_EVENTS = 40  # of one deposit: a larger number leads to one of them again
Ending = Mapping[str, Any]

told = st.tuples(st.just("told"), st.integers(0, MOST_EVENTS), st.booleans())
passes = st.tuples(st.just("passes"), st.sampled_from((0, 1, 4, 9, 30)), st.just(value=False))  # seconds
orders = st.lists(st.one_of(told, told, passes), max_size=16)


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
    """For each path, every event there is when all goes well, and how that ends."""
    return {name: _play(kept, path, ()) for name, path in PATHS.items()}


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=st.sampled_from(sorted(PATHS)), order=orders)
@pytest.mark.timeout(600)
def test_any_order_and_repetition_of_events_ends_in_one_state_and_one_ledger(
    kept: sqlalchemy.Engine,
    known: Mapping[str, tuple[Sequence[Arrival], Ending]],
    path: str,
    order: Sequence[tuple[str, int, bool]],
) -> None:
    events, ending = known[path]
    _, this = _play(kept, PATHS[path], order, events)
    assert this == ending


@pytest.mark.parametrize("path", sorted(PATHS))
def test_each_path_ends_where_it_should_with_the_providers_own_balances(
    known: Mapping[str, tuple[Sequence[Arrival], Ending]], path: str
) -> None:
    events, ending = known[path]
    assert ending["transitions"][-1][1] == ENDS.get(path, "credited")
    assert ending["disagreements"] == []
    assert {event.provider for event in events} >= {"bridge"}
    assert len(events) < MOST_EVENTS


def _play(
    engine: sqlalchemy.Engine,
    path: Sequence[str],
    order: Sequence[tuple[str, int, bool]],
    events: Sequence[Arrival] = (),
) -> tuple[Sequence[Arrival], Ending]:
    """One deposit: with `events` these tell of it, in this order and at last all once; else everything does.

    The pretended providers draw their ids from the same seed each time, so that the events fit.
    """
    empty(engine)
    house = DepositHouse(engine)
    try:
        if events:
            house.world.faults.set("webhook_dropped")
        ramps = OnRamps(house)
        ramps.deposit(ramps.person(), path)
        for what, number, again in order:
            if what == "passes":
                house.pass_time(number)
            else:
                _tell(house, events[number % len(events)], again=again)
        house.pass_time(60)
        for event in events:
            _tell(house, event, again=False)
        for _ in range(2):
            house.poll()
            house.pass_time(120)
        return _events(house), _ending(ramps)
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


def _ending(ramps: OnRamps) -> Ending:
    """All that must be the same, but for times: which of them Bridge's events told depends on what was heard."""
    house = ramps.house
    return {
        "flow": house.rows("SELECT state, status, amount, asset, amount_out, asset_out, parked_reason FROM flows"),
        "transitions": house.rows("SELECT from_state, to_state FROM transitions ORDER BY id"),
        "references": house.rows("SELECT provider, kind, external_id FROM flow_references ORDER BY 1, 2, 3"),
        "entries": house.rows("""
            SELECT e.cause, e.purpose, a.owner, a.name, a.asset, p.layer, p.amount
              FROM journal_entries e JOIN postings p ON p.entry_id = e.id JOIN ledger_accounts a ON a.id = p.account_id
             ORDER BY 1, 2, 3, 4, 5, 6, 7
        """),
        "balances": house.rows("""
            SELECT a.owner, a.name, a.asset, b.posted, b.pending, b.available
              FROM balances b JOIN ledger_accounts a ON a.id = b.account_id ORDER BY 1, 2, 3
        """),
        "notifications": house.rows(
            "SELECT type, cause, channel, data FROM notifications ORDER BY type, cause, channel"
        ),
        "letters": house.letters(),
        "disagreements": ramps.disagreements(),
    }
