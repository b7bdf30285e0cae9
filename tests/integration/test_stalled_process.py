"""A process that stands still in the middle of a transaction holds up nobody for long."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from db import engine as engines
from db.engine import make_engine, unit_of_work
from scheduler.beats import Beats
from scheduler.leader import Leadership
from tests.support.rows import add_flow, add_session
from tests.support.waiting import eventually


@pytest.fixture
def stalling(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The engine of a process whose patience is cut to half a second."""
    monkeypatch.setattr(engines, "STANDS_STILL", "500ms")
    engine = make_engine(database_url, pool=1)
    yield engine
    engine.dispose()


def test_its_locks_are_given_up_and_its_commit_is_cut_off(stalling: Engine, engine: Engine) -> None:
    with engine.begin() as other:
        flow = add_flow(other, session=add_session(other))

    def stall() -> None:
        with stalling.begin() as stalled:
            stalled.execute(text("UPDATE flows SET wakes = 1 WHERE id = :id"), {"id": flow})
            with engine.begin() as other:
                other.execute(text("SET LOCAL lock_timeout = '20s'"))
                other.execute(text("UPDATE flows SET wakes = 7 WHERE id = :id"), {"id": flow})

    with pytest.raises(DBAPIError) as cut:
        stall()
    assert cut.value.connection_invalidated, "the runner reads this as a record cut off, never as a refusal"
    with stalling.begin() as connection:
        assert connection.execute(text("SELECT wakes FROM flows")).scalar_one() == 7


SETTINGS = ("application_name", "idle_in_transaction_session_timeout")


def test_options_of_the_url_are_kept(database_url: str) -> None:
    engine = make_engine(f"{database_url}?options=-c%20application_name%3Dmine", pool=1)
    with engine.begin() as connection:
        shown = [connection.execute(text(f"SHOW {name}")).scalar_one() for name in SETTINGS]
    engine.dispose()
    assert shown == ["mine", "5s"]


def test_the_leader_does_not_wait_for_it(engine: Engine) -> None:
    """It frees what it can, goes on leading, and frees the rest when the lock is gone."""
    begin = unit_of_work(engine)
    leadership = Leadership(begin)
    leadership.step()
    assert leadership.lead is not None
    beats = Beats(begin)
    with begin() as connection:
        session = add_session(connection)
        connection.execute(text("UPDATE worker_sessions SET dead_at = rk_now()"))
        locked = add_flow(connection, session=session)
        free = add_flow(connection, session=session)
    with engine.connect() as holder, holder.begin():
        holder.execute(text("SELECT FROM flows WHERE id = :id FOR UPDATE"), {"id": locked})
        asked = time.monotonic()
        assert beats.run(leadership.lead).flows == (free,)
        leadership.step()
        assert time.monotonic() - asked < 5
    eventually(lambda: leadership.lead is not None and beats.run(leadership.lead).flows == (locked,))
