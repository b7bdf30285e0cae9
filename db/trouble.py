"""Whose fault an error of the database is: the statement's, or its own, being away, busy or restarting."""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError, SQLAlchemyError

_OF_THE_STATEMENT = (DataError, IntegrityError, NotSupportedError, ProgrammingError)


def refused(error: SQLAlchemyError) -> bool:
    """Whether the database understood and refused: the same again would fail again.

    False for everything else: no connection (a failed connect names no code at all), a deadlock, a time limit, a full
    pool, a primary that became a replica. Nothing was written then, and the same may be asked again.
    """
    return isinstance(error, _OF_THE_STATEMENT) and not (isinstance(error, DBAPIError) and error.connection_invalidated)
