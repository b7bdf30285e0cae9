"""Virtual time and drawn ids: the database, the sandbox and every worker read them, and nothing sleeps."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest import mock

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from db.engine import UnitOfWork
from tests.simulation.quick import Connects, QuickConnection

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday


class Clock:
    """Time that moves only when told to. `commits` counts the transactions made in it.

    The database's clock goes `ahead` of it, or behind.
    """

    def __init__(self) -> None:
        self.now = START
        self.ahead = timedelta(0)
        self.commits = 0

    def __call__(self) -> datetime:
        return self.now

    @property
    def database(self) -> datetime:
        """What time the database thinks it is."""
        return self.now + self.ahead

    def monotonic(self) -> float:
        return (self.now - START).total_seconds()

    def rest(self, seconds: float) -> None:
        """Where the product sleeps."""
        self.advance(timedelta(seconds=seconds))

    def advance(self, by: timedelta) -> None:
        self.now += by


class Crash(BaseException):
    """The process is gone: nothing of ours may catch this."""


class CutOff(Exception):
    """What a driver reports when the connection broke during the commit."""


Boundary = Callable[[str], None]


def moved_unit_of_work(engine: Connects, clock: Clock, boundary: Boundary) -> UnitOfWork:
    """Transactions in virtual time that tell `boundary` when they begin, and before and after their commit.

    A boundary that raises CutOff before the commit loses it, after the commit only the news of it.
    """

    @contextmanager
    def begin() -> Iterator[Connection]:
        boundary("begins")
        with engine.connect() as connection:
            transaction = connection.begin()
            _tell(connection, clock.database)
            yield connection
            if not transaction.is_active:
                return
            try:
                boundary("commit")
                transaction.commit()
                clock.commits += 1
                boundary("committed")
            except CutOff as cut:
                raise OperationalError("COMMIT", {}, cut, connection_invalidated=True) from cut

    return begin


def one_after_the_other(begin: UnitOfWork, clock: Clock) -> UnitOfWork:
    """The same, each a microsecond later than the last: what is read in the order of its times needs them to differ."""

    @contextmanager
    def later() -> Iterator[Connection]:
        clock.advance(timedelta(microseconds=1))
        with begin() as connection:
            yield connection

    return later


def _tell(connection: Connection, now: datetime) -> None:
    """Tell the server what time it is in this transaction, as cheaply as can be: it is said a thousand times."""
    driver = connection.connection.driver_connection
    if isinstance(driver, QuickConnection):
        driver.tell(b"BEGIN; SET LOCAL rampkeeper.now = '%s'" % now.isoformat().encode())
        return
    assert isinstance(driver, psycopg.Connection)
    driver.execute("SELECT set_config('rampkeeper.now', %s, true)", [now.isoformat()], prepare=True)


@contextmanager
def drawn_ids(seed: int) -> Iterator[None]:
    """Within the block the product's random ids are drawn from the seed, so that it plays the same way every time."""
    draw = random.Random(f"{seed}:ids")
    with (
        mock.patch("os.urandom", draw.randbytes),
    ):
        yield
