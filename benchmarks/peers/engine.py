"""The database and the life of a process, for both peers."""

import os
import threading
from typing import Final

from sqlalchemy import Engine, create_engine, make_url

LOOK_EVERY_S: Final = 0.5


def make_engine(pool: int) -> Engine:
    """Connections to DATABASE_URL, as many as there are threads."""
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
    return create_engine(url, pool_size=pool, max_overflow=0)


def threads() -> int:
    """How many deposits a worker process works at."""
    return int(os.environ["WORKER_THREADS"])


def end_with_parent() -> None:
    """From now on, end this process when its parent is gone: an orphan would hold the port."""
    parent = os.getppid()

    def look() -> None:
        while not threading.Event().wait(LOOK_EVERY_S):
            if os.getppid() != parent:
                os._exit(1)

    threading.Thread(target=look, daemon=True).start()
