"""A unit of work whose transactions see a moment of the test's choosing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, text


class MovedTime:
    """`with time() as connection:` is a transaction at `time.now`; `time.passes(...)` moves it on."""

    def __init__(self, engine: Engine, now: datetime = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)) -> None:
        self._engine = engine
        self.now = now

    def passes(self, **lengths: float) -> None:
        self.now += timedelta(**lengths)

    @contextmanager
    def __call__(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            connection.execute(text("SELECT set_config('rampkeeper.now', :now, true)"), {"now": self.now.isoformat()})
            yield connection

    def monotonic(self) -> float:
        """Our own clock, moving along."""
        return self.now.timestamp()
