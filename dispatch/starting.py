"""What every process asks before it does anything: is this our database, and at our schema?"""

import sys

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from sqlalchemy.exc import SQLAlchemyError

from db.engine import UnitOfWork
from dispatch.speakable import speakable
from migrations.run import behind


def serve_metrics(port: int | None, registry: CollectorRegistry = REGISTRY) -> None:
    """Serve this process's counters, if there is a port; end the process, saying so, when it is taken."""
    if port is None:
        return
    try:
        start_http_server(port, registry=registry)
    except OSError as error:
        sys.exit(f"cannot serve metrics on METRICS_PORT {port}: {error.strerror}. Set another, or stop what uses it")


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
