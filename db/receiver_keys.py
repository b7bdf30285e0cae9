"""When each key was last used, so that people see when an old one can go."""

from collections.abc import Callable, Collection

from sqlalchemy import Connection, text

from db.direct import run
from db.engine import UnitOfWork

_NOTE = text("""
    INSERT INTO receiver_keys (provider, fingerprint)
    SELECT * FROM unnest(CAST(:providers AS text[]), CAST(:fingerprints AS text[])) ORDER BY 1, 2
    ON CONFLICT (provider, fingerprint) DO UPDATE SET last_used_at = greatest(receiver_keys.last_used_at, rk_now())
""")


def note_used(connection: Connection, keys: Collection[tuple[str, str]]) -> None:
    """Set each (provider, fingerprint) used now. Locks the rows in key order."""
    providers, fingerprints = [key[0] for key in keys], [key[1] for key in keys]
    run(connection, _NOTE, {"providers": providers, "fingerprints": fingerprints})


def noting(begin: UnitOfWork) -> Callable[[str, str], None]:
    """What notes that a key (provider, fingerprint) was used just now, in a transaction of its own."""

    def note(provider: str, fingerprint: str) -> None:
        with begin() as connection:
            note_used(connection, {(provider, fingerprint)})

    return note
