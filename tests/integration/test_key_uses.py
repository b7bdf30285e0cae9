"""The last use of a key is noted now and then: all calls of the fleet would wait for the row it stands in."""

from contextlib import AbstractContextManager
from datetime import datetime

import pytest
from sqlalchemy import Connection, Engine, text

from db.engine import unit_of_work
from db.receiver_keys import NOTED_EVERY_S, UsesNoted

SHOWN = text("SELECT provider, fingerprint, last_used_at FROM receiver_keys ORDER BY 1, 2")


class Noted:
    """The table, and how often it was written to."""

    def __init__(self, engine: Engine) -> None:
        self.now = 0.0
        self.writes = 0
        self.down = False
        self._begin = unit_of_work(engine)
        self.uses = UsesNoted(self.begin, monotonic=lambda: self.now)

    def begin(self) -> AbstractContextManager[Connection]:
        if self.down:
            raise OSError("no database")
        self.writes += 1
        return self._begin()

    def shown(self) -> list[tuple[str, str, datetime]]:
        with self._begin() as connection:
            return [(row.provider, row.fingerprint, row.last_used_at) for row in connection.execute(SHOWN)]


def test_each_key_is_noted_once_in_a_while(engine: Engine) -> None:
    noted = Noted(engine)
    for _ in range(5):
        noted.uses.note("due", "a")
        noted.uses.note("due", "b")
    [(_, _, first), _] = noted.shown()
    assert noted.writes == 2

    noted.now = NOTED_EVERY_S
    noted.uses.note("due", "a")
    [(_, _, second), _] = noted.shown()
    assert second > first
    assert noted.writes == 3


def test_what_could_not_be_noted_is_noted_at_the_next_use(engine: Engine) -> None:
    noted = Noted(engine)
    noted.down = True
    with pytest.raises(OSError, match="no database"):
        noted.uses.note("due", "a")
    noted.down = False
    noted.uses.note("due", "a")
    assert [key for _, key, _ in noted.shown()] == ["a"]
