"""What every process asks before it does anything: is this our database, and at our schema?"""

import sys

from sqlalchemy.exc import SQLAlchemyError

from db.engine import UnitOfWork
from dispatch.speakable import speakable
from migrations.run import behind


def stop_unless_at_head(begin: UnitOfWork) -> None:
    """End the process, saying what to mend, when Postgres cannot be asked or its schema is not this checkout's."""
    try:
        with begin() as connection:
            why = behind(connection)
    except SQLAlchemyError as error:
        kind = f"{type(error).__name__} {speakable(error)}".rstrip()
        why = f"Postgres cannot be used ({kind}): check DATABASE_URL, and that the server runs"
    if why:
        sys.exit(why)
