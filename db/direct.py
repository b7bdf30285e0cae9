"""Statements of the hot path, asked of the driver itself.

SQLAlchemy's own execution costs twice the CPU that the driver and the network take together. What it is needed for
stays: the pool, the transaction a statement is part of, and the errors, which come as its own.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, Dialect, TextClause
from sqlalchemy.exc import DBAPIError

_COMMENT: Final = re.compile(r"(^|\s)--\s.*")  # no literal of ours holds such a thing


def run(connection: Connection, statement: TextClause, values: Mapping[str, Any]) -> psycopg.Cursor[Any]:
    """Run a statement in the connection's transaction; its rows have names, and all of them are here already.

    Raises: SQLAlchemyError, of the same classes as `connection.execute`.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("the engine speaks through psycopg")
    words = _in_the_drivers_words(statement, connection.dialect)
    try:
        return driver.cursor(row_factory=namedtuple_row).execute(words, values)
    except psycopg.Error as error:
        if driver.closed:
            # SQLAlchemy finds that out for itself, and forgets the pool's other connections to what is gone.
            connection.exec_driver_sql("SELECT 1")
        raise DBAPIError.instance(words, None, error, psycopg.Error, hide_parameters=True) from error


@lru_cache(maxsize=256)
def _in_the_drivers_words(statement: TextClause, dialect: Dialect) -> str:
    """In the driver's style of parameters, without comments and indentation: what is long it reads anew each time."""
    lines = str(statement.compile(dialect=dialect)).splitlines()
    return " ".join(filter(None, (_COMMENT.sub("", line).strip() for line in lines)))
