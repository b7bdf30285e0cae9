"""Statements asked of the driver itself fail as any other would."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from db.direct import run
from db.engine import make_engine
from db.trouble import refused

ONE = text("SELECT CAST(:one AS int) AS number, CAST(:name AS text) AS name")
ADD = text("INSERT INTO customers (id) VALUES (:id)")
END_THE_OTHERS = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
""")


@pytest.fixture
def kept(database_url: str) -> Iterator[Engine]:
    """An engine that keeps its connections, as a process of the fleet does."""
    engine = make_engine(database_url, pool=3)
    yield engine
    engine.dispose()


def ask_three_times(engine: Engine) -> None:
    for _ in range(3):
        with engine.begin() as connection:
            assert run(connection, ONE, {"one": 2, "name": ""}).fetchall()[0].number == 2


def test_its_rows_have_names_and_its_writes_are_the_transactions(kept: Engine) -> None:
    with kept.connect() as connection:
        [row] = run(connection, ONE, {"one": 1, "name": "100 %"}).fetchall()
        assert (row.number, row.name) == (1, "100 %")
        assert run(connection, ADD, {"id": "ana"}).rowcount == 1
        connection.rollback()
    with kept.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM customers")).scalar_one() == 0


def test_what_the_database_refuses_is_told_as_by_sqlalchemy(kept: Engine) -> None:
    with pytest.raises(IntegrityError) as caught, kept.begin() as connection:
        run(connection, ADD, {"id": ""})
    assert refused(caught.value)


def test_a_connection_that_is_gone_is_forgotten_with_those_beside_it(kept: Engine) -> None:
    """After a restart of Postgres every kept connection is dead: one statement finds that out for all."""
    with kept.connect() as one, kept.connect() as two, kept.connect() as three:
        for connection in (one, two, three):
            connection.execute(text("SELECT 1"))
            connection.rollback()
        one.execute(END_THE_OTHERS)
    with pytest.raises(OperationalError) as caught:
        ask_three_times(kept)
    assert caught.value.connection_invalidated
    assert not refused(caught.value)
    ask_three_times(kept)
