"""Receipts and the one withdrawal at a time: what the schema itself holds to, and an upgrade that was cut off."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from db.engine import make_engine
from migrations.run import current, downgrade, head, upgrade

BEFORE = "0003"
UNDER_WAY = ("requested", "held", "sent_to_bridge", "paying_out")


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    engine = make_engine(empty_database_url)
    upgrade(empty_database_url, BEFORE)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO customers (id) VALUES ('ana'), ('ben')"))
    yield engine
    engine.dispose()


def withdraw(connection: Connection, state: str, customer: str | None = "ana", *, status: str = "open") -> UUID:
    values = {"id": uuid4(), "state": state, "status": status, "customer": customer}
    connection.execute(
        text("""
            INSERT INTO flows (id, kind, state, status, customer_id, due_at, closed_at)
            VALUES (:id, 'bridge_withdrawal', :state, :status, :customer,
                    CASE WHEN :status = 'open' THEN rk_now() END, CASE WHEN :status <> 'open' THEN rk_now() END)
        """),
        values,
    )
    return UUID(str(values["id"]))


def test_a_second_withdrawal_of_a_customer_is_refused_while_one_is_under_way(
    engine: Engine, empty_database_url: str
) -> None:
    """One that is back or paid out, another customer's, one whose owner nobody knows: none stands in its way."""
    upgrade(empty_database_url)
    for state in UNDER_WAY:
        with engine.begin() as connection:
            one = withdraw(connection, state)
            withdraw(connection, "requested", "ben")
            withdraw(connection, "requested", None)
            withdraw(connection, "requested", None)
            withdraw(connection, "returned")
            withdraw(connection, "paid_out", status="resting")
            withdraw(connection, "failed", status="closed")
        for second in UNDER_WAY:
            with pytest.raises(IntegrityError, match="uq_flows_withdrawal_under_way"), engine.begin() as connection:
                withdraw(connection, second)
        with engine.begin() as connection:
            connection.execute(text("UPDATE flows SET state = 'returned' WHERE id = :id"), {"id": one})
            withdraw(connection, "requested")
            connection.execute(text("DELETE FROM flows"))


def test_an_upgrade_that_was_cut_off_is_made_again(engine: Engine, empty_database_url: str) -> None:
    """Its index could not be built, and is left invalid: refusing, it would guard nothing."""
    with engine.begin() as connection:
        twice = [withdraw(connection, "requested") for _ in range(2)]
    with pytest.raises(IntegrityError):
        upgrade(empty_database_url)
    with engine.begin() as connection:
        assert current(connection) == BEFORE
        connection.execute(text("DELETE FROM flows WHERE id = :id"), {"id": twice[0]})
    upgrade(empty_database_url)
    with engine.begin() as connection:
        assert current(connection) == head()
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'uq_flows_withdrawal_under_way'::regclass"
        assert connection.execute(text(valid)).scalar_one() is True


def test_a_downgrade_loses_receipts_and_nothing_else(engine: Engine, empty_database_url: str) -> None:
    upgrade(empty_database_url)
    with engine.begin() as connection:
        flow = withdraw(connection, "requested")
        connection.execute(
            text("""
                INSERT INTO receipts (provider, transaction_id, account, asset, amount, status, happened_at)
                VALUES ('ibex', 'tx_1', 'acc_1', 'USDT', 1, 'completed', rk_now())
            """)
        )
    downgrade(empty_database_url, BEFORE)
    upgrade(empty_database_url)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM receipts")).scalar_one() == 0
        assert connection.execute(text("SELECT id FROM flows")).scalar_one() == flow


def test_a_receipt_is_of_an_asset_we_know(engine: Engine, empty_database_url: str) -> None:
    upgrade(empty_database_url)
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO receipts (provider, transaction_id, account, asset, amount, status, happened_at)
                VALUES ('ibex', 'tx_1', 'acc_1', 'DOGE', 1, 'completed', rk_now())
            """)
        )
