"""When each key was last used, so that people see when an old one can go."""

import threading
import time
from collections.abc import Callable, Collection
from typing import Final

from sqlalchemy import Connection, text

from db.direct import run
from db.engine import UnitOfWork

NOTED_EVERY_S: Final = 30.0  # by each process: every call would wait for the one row that all calls write

_NOTE = text("""
    INSERT INTO receiver_keys (provider, fingerprint)
    SELECT * FROM unnest(CAST(:providers AS text[]), CAST(:fingerprints AS text[])) ORDER BY 1, 2
    ON CONFLICT (provider, fingerprint) DO UPDATE SET last_used_at = greatest(receiver_keys.last_used_at, rk_now())
""")


def note_used(connection: Connection, keys: Collection[tuple[str, str]]) -> None:
    """Set each (provider, fingerprint) used now. Locks the rows in key order."""
    providers, fingerprints = [key[0] for key in keys], [key[1] for key in keys]
    run(connection, _NOTE, {"providers": providers, "fingerprints": fingerprints})


class UsesNoted:
    """Notes the use of keys, from many threads, each key's at most every `NOTED_EVERY_S`."""

    def __init__(self, begin: UnitOfWork, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._begin = begin
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._noted: dict[tuple[str, str], float] = {}

    def note(self, provider: str, fingerprint: str) -> None:
        """This key was taken just now. Raises: SQLAlchemyError; the next use is noted then."""
        key, now = (provider, fingerprint), self._monotonic()
        with self._lock:
            if now - self._noted.get(key, float("-inf")) < NOTED_EVERY_S:
                return
            self._noted[key] = now
        try:
            with self._begin() as connection:
                note_used(connection, {key})
        except BaseException:
            with self._lock:
                del self._noted[key]
            raise
