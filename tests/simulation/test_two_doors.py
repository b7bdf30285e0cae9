"""Two doors store the same events at the same time: what one thread, playing a history, cannot do to itself."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import Engine, text

from db import inbox
from db.inbox import Arrival, Stored
from tests.support.waiting import eventually

SAME = [Arrival(provider="due", event_id=name, route="due", type=None, source="webhook", body=b"{}") for name in "amz"]
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def store_both_ways(engine: Engine) -> list[str | list[Stored]]:
    """One door stores forwards, one backwards; each has to wait at the second event, which a third one has begun."""

    def store(arrivals: Sequence[Arrival]) -> str | list[Stored]:
        try:
            return inbox.commit_events(engine, arrivals)
        except psycopg.errors.DeadlockDetected:
            return "deadlock"

    def both_wait() -> bool:
        with engine.connect() as connection:  # a transaction would see the same each time
            return bool(connection.execute(WAITING).scalar_one() == 2)

    with ThreadPoolExecutor(2) as pool, engine.connect() as third:
        inbox.insert_events(third, SAME[1:2])
        stored = [pool.submit(store, arrivals) for arrivals in (SAME, SAME[::-1])]
        try:
            eventually(both_wait)
        finally:
            third.rollback()
        return [one.result(timeout=60) for one in stored]


def test_they_meet_their_rows_in_one_order(engine: Engine) -> None:
    """Whichever comes first keeps all of them; the other counts duplicates."""
    first, second = store_both_ways(engine)
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert sorted(one.duplicate for one in first + second) == [False] * 3 + [True] * 3


def test_without_the_order_they_deadlock(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above could fail."""
    monkeypatch.setattr(inbox, "sorted", list, raising=False)
    assert "deadlock" in store_both_ways(engine)
