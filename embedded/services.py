"""The database and the queue: yours if the environment names them, our own embedded ones otherwise."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from embedded.postgres import PostgresServer
from embedded.valkey import ValkeyServer


@dataclass(frozen=True, kw_only=True)
class Services:
    """Where to find them. `postgres` and `valkey` are the servers we started ourselves, None where yours is used."""

    database_url: str
    redis_url: str
    postgres: PostgresServer | None
    valkey: ValkeyServer | None


@contextmanager
def services(*, durable: bool, environment: Mapping[str, str] = os.environ) -> Iterator[Services]:
    """Start what DATABASE_URL and REDIS_URL do not name; stopped and removed at the end.

    Raises: EmbeddedError.
    """
    with ExitStack() as stack:
        postgres = valkey = None
        database_url = environment.get("DATABASE_URL", "")
        if not database_url:
            postgres = stack.enter_context(PostgresServer(durable=durable))
            database_url = postgres.url
        redis_url = environment.get("REDIS_URL", "")
        if not redis_url:
            valkey = stack.enter_context(ValkeyServer())
            redis_url = valkey.url
        yield Services(database_url=database_url, redis_url=redis_url, postgres=postgres, valkey=valkey)
