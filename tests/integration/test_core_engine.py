"""Connections: a lost host is noticed, nobody waits for ever, errors quote no rows, a pooler is sent nothing odd."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from db.engine import make_engine, single_statements, unit_of_work
from db.trouble import refused


@contextmanager
def connected(url: str, **more: object) -> Iterator[Connection]:
    engine = make_engine(url, **more)  # type: ignore[arg-type]
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def shown(connection: Connection, name: str) -> str:
    return str(connection.execute(text(f"SHOW {name}")).scalar_one())


def parameters(connection: Connection) -> dict[str, str]:
    raw = connection.connection.driver_connection
    assert raw is not None
    return dict(raw.info.get_parameters())


@pytest.mark.parametrize("more", [{"pool": 2}, {}, {"pool": 2, "transaction_pooler": True}])
def test_a_lost_host_is_noticed_by_every_connection(database_url: str, more: dict[str, object]) -> None:
    with connected(database_url, **more) as connection:
        said = parameters(connection)
    assert (said["keepalives_idle"], said["keepalives_interval"], said["keepalives_count"]) == ("5", "2", "3")
    assert said["tcp_user_timeout"] == "10000"


def test_the_fleet_waits_for_nothing_for_ever(database_url: str) -> None:
    with connected(database_url, pool=1) as connection:
        limits = [shown(connection, f"{name}_timeout") for name in ("statement", "lock", "idle_in_transaction_session")]
    assert limits == ["2min", "10s", "5s"]


def test_a_lock_that_is_not_given_is_no_refusal(database_url: str) -> None:
    """A row held by a process that stands still: what was to be written is written later, not given up."""
    with connected(database_url, pool=1) as holder, connected(database_url, pool=1) as waiting:
        holder.execute(text("LOCK TABLE customers"))
        waiting.execute(text("SET LOCAL lock_timeout = '50ms'"))
        with pytest.raises(OperationalError) as caught:
            waiting.execute(text("LOCK TABLE customers"))
        assert not refused(caught.value)


def test_the_parameters_of_an_error_are_hidden(database_url: str) -> None:
    with connected(database_url, pool=1) as connection, pytest.raises(SQLAlchemyError) as caught:
        connection.execute(text("SELECT CAST(:name AS integer)"), {"name": "Ana Pires"})
    assert "SQL parameters hidden" in str(caught.value)


def test_a_pooler_is_sent_no_options_and_no_prepares(database_url: str) -> None:
    """It may refuse start-up options, and hands each transaction another connection."""
    with connected(database_url, pool=1, transaction_pooler=True) as connection:
        assert parameters(connection).get("options", "") == ""
        for _ in range(20):
            connection.execute(text("SELECT 1"))
        assert connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one() == 0


def test_what_the_url_says_stands(database_url: str) -> None:
    said = f"{database_url}?tcp_user_timeout=3000&options=-c%20lock_timeout%3D1s"
    with connected(said, pool=1) as connection:
        assert parameters(connection)["tcp_user_timeout"] == "3000"
        assert (shown(connection, "lock_timeout"), shown(connection, "statement_timeout")) == ("1s", "2min")


def test_of_single_statements_each_is_a_transaction_of_its_own(database_url: str) -> None:
    engine = make_engine(database_url, pool=2)
    at_once, begin = single_statements(engine), unit_of_work(engine)
    with at_once() as connection, begin() as other:
        connection.exec_driver_sql("INSERT INTO customers (id) VALUES ('ann')")
        assert other.exec_driver_sql("SELECT id FROM customers").scalar_one() == "ann"
    with begin() as connection:  # a connection that was given back begins transactions again
        connection.exec_driver_sql("INSERT INTO customers (id) VALUES ('bo')")
        connection.rollback()
    with begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM customers").scalar_one() == 1
    engine.dispose()
