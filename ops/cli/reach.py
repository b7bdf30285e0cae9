"""How a command reaches the database: by DATABASE_URL, or through the instance of this checkout that runs."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import OperationalError

from db.engine import make_engine, unit_of_work
from ops.actions.desk import Desk, Nobody, Waker
from providers.rotation import Malformed
from settings.values import database_url

ROOT: Final = Path(__file__).resolve().parents[2]
EXAMPLE: Final = "postgresql://user:password@host:5432/name"


class CannotReach(click.ClickException):
    """The database, or its schema, is not there; the message says what to do."""

    exit_code = 1


class NothingNamed(click.ClickException):
    """Neither a database nor an instance to talk to."""

    exit_code = 2


def environment(instance: str | None) -> Mapping[str, str]:
    """The settings in force: the environment's own, or with DATABASE_URL unset (or `instance` named) an instance's.

    Raises: NothingNamed.
    """
    if os.environ.get("DATABASE_URL", "").strip() and instance is None:
        return os.environ
    from embedded.instance import NoInstance, find_instance  # noqa: PLC0415 -- only where no database is named

    try:
        return {**os.environ, **find_instance(ROOT, instance).environment()}
    except (NoInstance, OSError, ValueError) as error:
        hint = "" if instance else "; or set DATABASE_URL"
        raise NothingNamed(f"{error}{hint}") from error


@contextmanager
def database(settings: Mapping[str, str], *, any_schema: bool = False) -> Iterator[Engine]:
    """An engine on the database of these settings, its schema checked. Raises: CannotReach."""
    url = settings.get("DATABASE_URL", "").strip()
    check_address(url)
    engine = make_engine(url, transaction_pooler=settings.get("DATABASE_POOLER", "").lower() == "transaction")
    try:
        if not any_schema:
            check_schema(engine)
        yield engine
    except OperationalError as error:
        raise CannotReach(unreachable(url, error)) from None
    finally:
        engine.dispose()


@contextmanager
def reading_from(instance: str | None) -> Iterator[Connection]:
    """One read-only transaction in which every query sees the same moment."""
    with database(environment(instance)) as engine, engine.begin() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        yield connection


@contextmanager
def desk_of(instance: str | None, *, by: str) -> Iterator[Desk]:
    """Where an acting command acts."""
    settings = environment(instance)
    with database(settings) as engine:
        yield Desk(begin=unit_of_work(engine), by=by, waker=_waker(settings))


def check_address(url: str) -> None:
    """Refuse a DATABASE_URL that cannot be one, without quoting it. Raises: NothingNamed."""
    try:
        database_url(url)
    except Malformed as malformed:
        raise NothingNamed(f"DATABASE_URL {malformed}; for example {EXAMPLE}") from None


def check_schema(engine: Engine) -> None:
    """Refuse a schema that is not this checkout's newest. Raises: CannotReach."""
    from migrations.run import current, head  # noqa: PLC0415 -- slow to import: not for commands without a database

    with engine.connect() as connection:
        found = current(connection)
    if found != head():
        state = f"stands at {found}" if found else "is empty"
        raise CannotReach(f"the schema {state}, this checkout needs {head()}: run `rampkeeper migrate`")


def unreachable(url: str, error: OperationalError) -> str:
    """What to say of a database that cannot be reached: where it is, never its password."""
    address = make_url(url)
    place = f"{address.host or 'the local socket'}{f':{address.port}' if address.port else ''}"
    said = str(error.orig).strip().splitlines()
    reason = said[0].rpartition(" failed: ")[2] if said else "no answer"  # libpq says where, then why
    return f"Postgres at {place} cannot be used: {reason}\nCheck DATABASE_URL, and that the server runs."


def _waker(settings: Mapping[str, str]) -> Waker:
    url = settings.get("REDIS_URL", "").strip()
    if not url:
        return Nobody()
    from dispatch import logs  # noqa: PLC0415 -- slow to import: for acting commands only
    from dispatch.broker import make_broker, make_client  # noqa: PLC0415 -- the same
    from dispatch.wake import Wake  # noqa: PLC0415 -- the same

    logs.configure("error")  # a queue out of reach is no news for whoever called: the rows are due all the same
    try:
        return Wake(make_broker(url), make_client(url))
    except ValueError:  # no Redis address: the dispatcher finds what is due
        return Nobody()
