"""How pages read: a short transaction on one snapshot that can only read, with a limit on each statement."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

Rows = list[dict[str, Any]]

LIMIT: Final = "2s"  # of a statement; pages are meant to need a tenth of it
# Rows a figure looks at. When there are more, pages say "2,000+": nobody works through them one by one.
MOST_MOVING: Final = 10_000
MOST_WAITING: Final = 2_000

_ONE_SNAPSHOT: Final = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_LIMITED: Final = text(f"SET LOCAL statement_timeout = '{LIMIT}'")


@contextmanager
def page_reading(engine: Engine) -> Iterator[Connection]:
    """A connection that reads as of one moment. Nothing of it outlasts the transaction: a pooler may stand between."""
    with engine.connect() as connection, connection.begin():
        connection.execute(_ONE_SNAPSHOT)
        connection.execute(_LIMITED)
        yield connection


def rows(connection: Connection, query: str, **values: Any) -> Rows:
    """The rows of a query as plain dicts."""
    return [dict(row) for row in connection.execute(text(query), values).mappings()]
