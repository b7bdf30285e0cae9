"""Connections for one thread that asks many small things: each statement is one plain libpq call, prepared once.

Everything is psycopg's own, the types it sends and reads and the errors it raises, but for its waiting: generators and
locks that a history, which does one thing at a time, does not need and which take longer than the statements.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import psycopg
from psycopg import adapt, errors
from psycopg.abc import Params, Query
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import TupleRow, tuple_row
from sqlalchemy import Connection, Engine, event

from db.engine import make_engine

CONNECTIONS = 8  # one for each process standing still inside a transaction, and those of the one that acts
SETTINGS = (  # limits of a fleet, which cost a timer a statement; and what only makes a commit wait
    "SET statement_timeout = 0; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = 0;"
    "SET synchronous_commit = off; SET plan_cache_mode = force_generic_plan; SET jit = off"
)


@dataclass(slots=True)
class Planned:
    """A statement that a connection has planned, and once it has run, the columns it answers with, if any."""

    name: bytes
    has_run: bool = False
    columns: list[psycopg.Column] | None = None


class QuickConnection(psycopg.Connection[TupleRow]):
    """A connection whose cursors ask at once and wait in the library."""

    def __init__(self, pgconn: PGconn) -> None:
        super().__init__(pgconn, tuple_row)
        self.cursor_factory = QuickCursor
        self.planned: dict[tuple[bytes, tuple[int, ...]], Planned] = {}
        self._committed = False

    def tell(self, commands: bytes) -> None:
        """Run commands without parameters or rows. Raises: psycopg.Error."""
        told = b"COMMIT; " + commands if self._committed else commands
        self._committed = False
        _checked(self.pgconn.exec_(told))

    def commit(self) -> None:
        """End the transaction, in the same breath as the next begins. No constraint is deferred, so it cannot fail."""
        self._committed = self.pgconn.transaction_status != TransactionStatus.IDLE

    def settle(self) -> None:
        """Have what was committed seen by others."""
        if self._committed:
            self.tell(b"")

    def rollback(self) -> None:
        """Take it back."""
        self.settle()
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            self.tell(b"ROLLBACK")


class QuickCursor(psycopg.Cursor[TupleRow]):
    """A cursor of such a connection: one statement, all its rows at once."""

    _columns: list[psycopg.Column] | None = None

    @property
    def description(self) -> list[psycopg.Column] | None:
        """The columns, which are the same each time a statement is run."""
        return self._columns

    def execute(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = None, binary: bool | None = None
    ) -> Self:
        """Run a statement, planned the first time this connection meets it. Raises: psycopg.Error."""
        del prepare, binary
        connection = self._conn
        if not isinstance(connection, QuickConnection):
            raise TypeError("a quick cursor belongs to a quick connection")
        self._reset()
        if self._last_query is not query:
            self._last_query = query
            self._tx = adapt.Transformer(self)
        asked = self._convert_query(query, params)
        connection.settle()
        if connection.pgconn.transaction_status == TransactionStatus.IDLE and not connection.autocommit:
            connection.tell(b"BEGIN")
        key = (asked.query, asked.types)
        planned = connection.planned.get(key)
        if planned is None:
            planned = connection.planned[key] = Planned(b"q%d" % len(connection.planned))
            _checked(connection.pgconn.prepare(planned.name, asked.query, asked.types))
        result = connection.pgconn.exec_prepared(planned.name, asked.params, asked.formats, self.format)  # type: ignore[arg-type]  # None is NULL
        self._results.append(_checked(result))
        self._select_current_result(0)
        if not planned.has_run:
            planned.columns, planned.has_run = super().description, True
        self._columns = planned.columns
        return self


def _checked(result: PGresult) -> PGresult:
    if result.status not in {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}:
        raise errors.error_from_result(result)
    return result


def quick_engine(url: str) -> Engine:
    """An engine that keeps its connections, all of them quick, and plans each statement once."""
    engine = make_engine(url, pool=CONNECTIONS)

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: object, _record: object, arguments: list[Any], named: dict[str, Any]) -> QuickConnection:
        connection = QuickConnection.connect(*arguments, **named)
        connection.tell(SETTINGS.encode())
        return connection

    return engine


class Connects(Protocol):
    """Where connections come from: a SQLAlchemy engine, or one that keeps them at hand."""

    def connect(self) -> AbstractContextManager[Connection]:
        """A connection for a block."""
        ...


class AtHand:
    """An engine's connections, handed out again as they were given back: the pool's own care takes a third of a use."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._free: list[Connection] = []
        self._last: Connection | None = None

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """One for a block, which need not end its transaction."""
        connection = self._free.pop() if self._free else self._engine.connect()
        if connection is not self._last:
            self.settle()
            self._last = connection
        try:
            yield connection
        finally:
            if connection.in_transaction():
                connection.rollback()
            self._free.append(connection)

    def settle(self) -> None:
        """Have all that was committed seen by everybody."""
        if self._last is not None:
            driver = self._last.connection.driver_connection
            assert isinstance(driver, QuickConnection)
            driver.settle()

    def tell(self, commands: bytes) -> None:
        """Run commands on a connection apart, once all that was committed is seen.

        Some of them, a replica's role above all, make a session forget what it has planned.
        """
        self.settle()
        tell(self._engine, commands)

    def close(self) -> None:
        """Give them all back to the engine."""
        self.settle()
        self._last = None
        while self._free:
            self._free.pop().close()


def tell(engine: Engine, commands: bytes) -> None:
    """Run commands without parameters or rows on a quick connection of this engine's."""
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        if not isinstance(driver, QuickConnection):
            raise TypeError("only a quick connection takes several commands at once")
        driver.tell(commands)
