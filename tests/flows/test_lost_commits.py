"""After a failover or a restore: what Postgres has forgotten is found again, and nothing is paid twice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from embedded.services import Services
from funding.errors import ProviderUnavailable
from ops.actions.reconcile import second_deposits
from ops.actions.recovery import recover
from tests.support.databases import Databases
from tests.support.deposit_house import DepositHouse
from tests.support.withdrawals import WALLET, Withdrawals

KEPT = ("customers", "customer_links", "assets", "poll_marks", "audit_head", "worker_sessions", "alembic_version")


def forget(engine: Engine) -> None:
    """Lose everything that was committed since the customers were added, as a restore of that moment would."""
    with engine.begin() as connection:
        named = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL(:kept)"),
            {"kept": list(KEPT)},
        )
        tables = ", ".join(named.scalars())
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # the guards refuse this, rightly
        connection.execute(text(f"TRUNCATE {tables}"))


def start(house: DepositHouse) -> datetime:
    """Let every poll have a mark to be set back from."""
    house.poll()
    return house.clock.now


@pytest.mark.parametrize("after", [timedelta(minutes=1), timedelta(hours=20), timedelta(days=3)], ids=str)
def test_a_funded_deposit_that_was_forgotten_is_found_and_not_paid_again(
    house: DepositHouse, engine: Engine, after: timedelta
) -> None:
    """Within the life of its key Alpaca knows the request again; later, the journal is looked up first."""
    began = start(house)
    transfer = house.deposit(house.person())
    house.pass_time(120)
    paid = house.flow_of(transfer)
    assert paid["state"] == "broker_funded"

    house.pass_time(after.total_seconds())
    forget(engine)
    recover(house.desk, since=began)
    house.poll()
    house.pass_time(120)

    found = house.flow_of(transfer)
    assert (found["state"], found["id"]) == ("broker_funded", paid["id"])
    assert house.world.effects.summary()["made"] == 1
    assert house.world.effects.summary()["duplicates"] == 0


def test_a_journal_under_way_that_was_forgotten_is_taken_up_again(house: DepositHouse, engine: Engine) -> None:
    began = start(house)
    person = house.person()
    transfer = house.deposit(person)
    house.pass_time(15)
    while not house.world.effects.summary()["made"]:
        house.pass_time(1)

    forget(engine)
    recover(house.desk, since=began)
    house.poll()
    house.pass_time(300)

    assert house.state_of(transfer) == "broker_funded"
    assert house.world.effects.summary()["duplicates"] == 0


# In legacy_offramp only an event tells of money, so Due is asked to send it again. ------------------------------------


@pytest.mark.parametrize("after", [timedelta(minutes=1), timedelta(hours=20), timedelta(days=3)], ids=str)
def test_a_converted_deposit_that_was_forgotten_is_found_by_its_event_and_not_converted_again(
    house: DepositHouse, engine: Engine, after: timedelta
) -> None:
    """Long after, nothing tells its transfer from that of a deposit of the same amount: a person is asked."""
    began = start(house)
    house.announce(house.person(mode="legacy_offramp"))
    house.pass_time(120)
    (transfer,) = house.world.due.transfers
    paid = house.flow_of(transfer)
    assert paid["state"] == "broker_funded"

    house.clock.advance(after)
    forget(engine)
    assert recover(house.desk, since=began).unheard == 1
    house.poll()
    assert house.one("SELECT count(*) FROM flows") == 0
    house.announce_again()
    house.pass_time(120)
    if after > timedelta(hours=1):
        doubt = house.one("SELECT id FROM breaks WHERE type = 'possible_second_deposit' AND status = 'open'")
        second_deposits.say(house.desk, [doubt], answer="resend", said="it was restored")
        house.pass_time(120)

    found = house.flow_of(transfer)
    assert (found["state"], found["id"]) == ("broker_funded", paid["id"])
    assert list(house.world.due.transfers) == [transfer]
    assert house.world.effects.summary()["made"] == 1
    assert house.world.effects.summary()["duplicates"] == 0


def test_an_account_whose_mark_was_lost_is_read_from_the_time_given(house: DepositHouse, engine: Engine) -> None:
    """Its first walk would begin an hour back, which is where a fresh installation begins."""
    house.world.faults.set("webhook_dropped", "due", logged="absent")
    house.person("earlier")
    began = start(house)
    person = house.person()
    transfer = house.deposit(person)
    house.pass_time(60)
    house.poll()
    house.pass_time(60)
    assert house.state_of(transfer) == "broker_funded"
    house.clock.advance(timedelta(hours=30))
    forget(engine)
    with engine.begin() as connection:
        lost = connection.execute(text("DELETE FROM poll_marks WHERE subject = :account"), {"account": person.account})
        assert lost.rowcount == 1

    recover(house.desk, since=began)
    house.poll()
    house.pass_time(120)

    assert house.state_of(transfer) == "broker_funded"
    assert house.world.effects.summary()["duplicates"] == 0


def test_a_first_walk_under_way_is_begun_anew_from_the_time_given(house: DepositHouse, engine: Engine) -> None:
    """It has no mark to be set back, and what looks an hour back sees nothing of before the outage."""
    began = house.clock.now
    transfer = house.deposit(house.person())
    house.world.faults.set("server_error", "due", times=1)
    with pytest.raises(ProviderUnavailable):
        house.poll()
    assert house.rows("SELECT poll, high_water_mark FROM poll_marks") == [("deliveries", None)]
    house.pass_time(120)
    assert house.state_of(transfer) == "broker_funded"
    house.clock.advance(timedelta(hours=3))
    forget(engine)

    assert recover(house.desk, since=began).polls == 1
    house.poll()
    house.pass_time(120)

    assert house.state_of(transfer) == "broker_funded"
    assert house.world.effects.summary()["duplicates"] == 0


# A backup of a moment when the deposit was under way. -----------------------------------------------------------------


@contextmanager
def backup(engine: Engine, services: Services) -> Iterator[Callable[[], None]]:
    """The database as it stands now; calling what this gives restores it."""
    databases, name = Databases(services.database_url), str(engine.url.database)
    engine.dispose()  # a database that is copied must have nobody in it
    with databases.clone(name) as copy:

        def restore() -> None:
            engine.dispose()
            databases.replace(name, copy.rpartition("/")[2])

        yield restore


@pytest.mark.parametrize(
    ("mode", "taken_after_s"),
    [*(("va_auto", s) for s in (0, 3, 21)), *(("legacy_offramp", s) for s in (0, 0.3, 1.5))],
)
def test_a_deposit_under_way_in_the_backup_is_taken_up_where_it_stands_by_now(
    house: DepositHouse, engine: Engine, services: Services, mode: str, taken_after_s: float
) -> None:
    """Its claims, calls and journal were made after the backup: every create is looked up first."""
    person = house.person(mode=mode)
    house.poll()
    if mode == "va_auto":
        house.deposit(person)
    else:
        house.announce(person)
    house.world.tick()
    house.deliver()
    house.ingest()
    if taken_after_s:
        house.pass_time(taken_after_s)
    with backup(engine, services) as restore:
        taken = house.clock.now
        house.pass_time(300)
        (transfer,) = house.world.due.transfers
        assert house.state_of(transfer) == "broker_funded"
        restore()
    assert house.one("SELECT count(*) FROM flows WHERE state = 'broker_funded'") == 0

    done = recover(house.desk, since=taken)
    assert done.flows == house.one("SELECT count(*) FROM flows")
    house.poll()
    house.pass_time(300)

    assert house.state_of(transfer) == "broker_funded"
    assert list(house.world.due.transfers) == [transfer]
    assert house.world.effects.summary()["made"] == 1
    assert house.world.effects.summary()["duplicates"] == 0


def test_polls_that_begin_late_reach_back_to_the_first_event_that_came(house: DepositHouse) -> None:
    """The door was open for hours before any clock ran: what came since is ours, whoever told us of it."""
    house.deposit(house.person())
    house.pass_time(60)
    house.world.faults.set("webhook_dropped", "due")
    unheard = house.deposit(house.person("ben"))
    house.pass_time(60)
    house.world.faults.clear()
    house.clock.advance(timedelta(hours=5))

    house.poll()
    house.pass_time(120)

    assert house.state_of(unheard) == "broker_funded"


# Tokens bear no reference of ours and their sends no key: all that tells of one is IBEX's listing. --------------------


def test_a_send_that_was_forgotten_is_not_made_again_though_ibex_shows_it_late(
    house: DepositHouse, engine: Engine
) -> None:
    """The customer asks again by the same reference, and Bridge answers with the transfer that it has made."""
    began = start(house)
    money = Withdrawals(house)
    ana = money.person()
    house.world.ibex.decide_sends(["pending"])
    flow = money.ask(ana)
    money.until(flow, "sent_to_bridge")
    house.clock.advance(timedelta(seconds=1))
    forget(engine)
    money.has(ana.name, WALLET)
    recover(house.desk, since=began)
    sent = dict(house.world.ibex.transactions)
    house.world.ibex.transactions.clear()
    house.world.after(60, lambda: house.world.ibex.transactions.update(sent))

    assert money.ask(ana) == flow
    house.pass_time(600)
    house.world.ibex.move(next(iter(sent)), "completed")
    house.pass_time(3600)

    assert (money.state(flow), money.sends(), len(house.world.bridge.transfers())) == ("paid_out", 1, 1)
    assert money.disagreements() == []
