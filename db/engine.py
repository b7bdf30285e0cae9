"""The engine, and the one transaction a unit of work is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

# A transaction that waits so long for its process belongs to one that stands still: its locks would hold up the fleet.
STANDS_STILL: Final = "5s"

UnitOfWork = Callable[[], AbstractContextManager[Connection]]  # opens a transaction; commits when left without an error


def make_engine(url: str, *, pool: int | None = None, transaction_pooler: bool = False) -> Engine:
    """An engine on `url` (libpq form is fine). `pool`: connections kept, None keeps none.

    A process of the fleet, which keeps connections, loses one whose transaction it leaves idle for `STANDS_STILL`.
    Behind a pooler in transaction mode server-side prepares are off, because the next transaction may get
    another server connection; that time limit is then the database role's own to set.
    """
    address = make_url(url).set(drivername="postgresql+psycopg")
    connect: dict[str, Any] = {"prepare_threshold": None if transaction_pooler else 5, "connect_timeout": 5}
    if pool is None:
        return create_engine(address, connect_args=connect, poolclass=NullPool, hide_parameters=True)
    if not transaction_pooler:
        given = str(address.query.get("options", ""))
        connect["options"] = f"-c idle_in_transaction_session_timeout={STANDS_STILL} {given}".rstrip()
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
