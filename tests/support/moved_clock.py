"""Transactions at a time of the test's own: the database's clock, moved by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, text


class MovedClock:
    """Opens units of work whose `rk_now()` is `now`. It stands still until moved."""

    def __init__(self, engine: Engine) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self._engine = engine

    def forward(self, by: timedelta) -> None:
        self.now += by

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            connection.execute(text("SELECT set_config('rampkeeper.now', :now, true)"), {"now": self.now.isoformat()})
            yield connection
