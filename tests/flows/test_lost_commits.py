"""After a failover or a restore: what Postgres has forgotten is found again, and nothing is paid twice."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from ops.actions.recovery import recover
from tests.support.deposit_house import DepositHouse

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
