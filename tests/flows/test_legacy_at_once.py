"""Deposits in `legacy_offramp` told of at the same moment: workers judge those of one account one after another."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, text

from db import due_work
from ops.actions.events import replay_event
from ops.actions.reconcile import second_deposits
from tests.support.deposit_house import DepositHouse
from tests.support.depositors import Person
from tests.support.waiting import eventually

LONG_S = 30


@pytest.fixture
def person(house: DepositHouse) -> Person:
    return house.person(mode="legacy_offramp")


def handle_at_once(house: DepositHouse, engine: Engine, first: int, second: int) -> None:
    """Two workers handle an event each; the first has done all but commit when the second begins."""
    ingest = house.worker.ingest
    done, commit = threading.Event(), threading.Event()

    @contextmanager
    def held() -> Iterator[Connection]:
        with ingest.begin() as connection:
            yield connection
            done.set()
            commit.wait(LONG_S)

    def waits() -> bool:
        with engine.begin() as connection:
            return bool(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar())

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(replace(ingest, begin=held).handle, [first])
        try:
            assert done.wait(LONG_S)
            other = pool.submit(ingest.handle, [second])
            eventually(lambda: other.done() or waits(), within_s=LONG_S)
        finally:
            commit.set()
        one.result(LONG_S)
        other.result(LONG_S)


def arrived(house: DepositHouse) -> list[int]:
    """The events that wait to be handled, the oldest first."""
    house.world.tick()
    house.deliver()
    with house.begin() as connection:
        return sorted(due_work.events(connection, limit=10))


def test_one_deposit_told_of_in_other_bytes_is_converted_once(
    house: DepositHouse, person: Person, engine: Engine
) -> None:
    house.announce(person, "250.00")
    house.world.due.endpoints.announce_seed_deposit(person.virtual_account, "250.000")
    handle_at_once(house, engine, *arrived(house))
    house.pass_time(300)

    assert house.one("SELECT count(*) FROM flows") == 1
    assert house.open_breaks() == [("due", "possible_second_deposit")]
    assert len(house.world.due.transfers) == 1


def test_a_replay_of_an_event_that_is_being_handled_is_no_second_deposit(
    house: DepositHouse, person: Person, engine: Engine
) -> None:
    house.announce(person, "250.00")
    (event,) = arrived(house)
    replay, _ = replay_event(house.desk, event)
    handle_at_once(house, engine, event, replay)
    house.pass_time(300)

    assert house.rows("SELECT count(DISTINCT flow_id), count(*) FROM inbox_events WHERE type = 'deposit'") == [(1, 2)]
    assert house.one("SELECT count(*) FROM breaks") == 0
    assert len(house.world.due.transfers) == 1


def test_one_that_waited_long_for_another_still_has_patience_with_due(house: DepositHouse, person: Person) -> None:
    """Equal ones are asked for in turn; having waited for its turn, a deposit may find its money not booked yet."""
    booked = house.world.due.legacy_received
    house.announce(person)
    money = dict(booked)
    booked.clear()
    house.pass_time(900)
    assert [letter[:2] for letter in house.letters()] == [("rejected_err_insufficient_balance", "open")]
    house.announce(person)
    booked.clear()
    house.pass_time(1)
    [(doubt,)] = house.rows("SELECT id FROM breaks WHERE status = 'open'")
    second_deposits.say(house.desk, [doubt], answer="another", said="two payments")
    house.pass_time(900)

    booked.update(money)
    assert house.replay() == ["replaying"]
    house.pass_time(70)
    assert len(house.world.due.transfers) == 1
    booked.update(money)
    house.pass_time(300)
    assert [house.state_of(one) for one in house.world.due.transfers] == ["broker_funded"] * 2
    assert [letter[1] for letter in house.letters()] == ["resolved"], "only the first had to be replayed"
