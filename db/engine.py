"""The engine, and the one transaction a unit of work is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

import db.arrays  # noqa: F401 - an engine knows the forms that the driver had been taught when it was made

# A transaction that waits so long for its process belongs to one that stands still: its locks would hold up the fleet.
STANDS_STILL: Final = "5s"
# One that waits so long for another's row gives up: what held it up is as good as gone, and the same is asked again.
LOCKED_OUT: Final = "10s"
RUNS_AWAY: Final = "120s"  # no statement of the fleet needs it; one that does says so with SET LOCAL

# A host that vanished without a word is noticed within 11 s, whether we wait for its answer or it for ours.
_NOTICE_A_LOST_HOST: Final = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}

UnitOfWork = Callable[[], AbstractContextManager[Connection]]  # opens a transaction; commits when left without an error


def make_engine(url: str, *, pool: int | None = None, transaction_pooler: bool = False) -> Engine:
    """An engine on `url` (libpq form is fine). `pool`: connections kept, None keeps none.

    A process of the fleet, which keeps connections, loses one whose transaction it leaves idle for `STANDS_STILL`, and
    waits for no lock and no statement for ever. Behind a pooler in transaction mode server-side prepares are off,
    because the next transaction may get another server connection; a pooler may refuse unknown start-up options, so
    those three limits are then the database role's own to set (`ALTER ROLE ... SET lock_timeout = '10s'`).
    What the url itself says of a connection stands.
    """
    address = make_url(url).set(drivername="postgresql+psycopg")
    connect: dict[str, Any] = {"prepare_threshold": None if transaction_pooler else 5}
    connect |= {
        name: value
        for name, value in {"connect_timeout": 5, **_NOTICE_A_LOST_HOST}.items()
        if name not in address.query
    }
    if pool is None:
        return create_engine(address, connect_args=connect, poolclass=NullPool, hide_parameters=True)
    if not transaction_pooler:
        given = str(address.query.get("options", ""))
        limits = {
            "idle_in_transaction_session_timeout": STANDS_STILL,
            "lock_timeout": LOCKED_OUT,
            "statement_timeout": RUNS_AWAY,
        }
        connect["options"] = " ".join([*(f"-c {name}={value}" for name, value in limits.items()), given]).rstrip()
    return create_engine(
        address,
        connect_args=connect,
        hide_parameters=True,  # an error must not quote the rows it was about
        pool_size=pool,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=False,
    )


def unit_of_work(engine: Engine) -> UnitOfWork:
    """What opens transactions on that engine: `with begin() as connection:` commits once, at the end."""

    @contextmanager
    def begin() -> Iterator[Connection]:
        with engine.begin() as connection:
            yield connection

    return begin


def single_statements(engine: Engine) -> UnitOfWork:
    """What gives connections on that engine on which each statement is a transaction of its own.

    For what is one statement anyway: beginning and committing are a round trip each.
    """
    committing = engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def at_once() -> Iterator[Connection]:
        with committing.connect() as connection:
            yield connection

    return at_once


def wait_for_no_disk(connection: Connection) -> None:
    """Let this transaction's commit be lost if Postgres crashes within the next moments: what it did is done again.

    A later commit that waits for the disk waits for this one too.
    """
    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
