"""When each receiving key was last used, so that people see when an old one can go."""

from collections.abc import Collection

from sqlalchemy import Connection, text

_NOTE = text("""
    INSERT INTO receiver_keys (provider, fingerprint)
    SELECT * FROM unnest(CAST(:providers AS text[]), CAST(:fingerprints AS text[])) ORDER BY 1, 2
    ON CONFLICT (provider, fingerprint) DO UPDATE SET last_used_at = greatest(receiver_keys.last_used_at, rk_now())
""")


def note_used(connection: Connection, keys: Collection[tuple[str, str]]) -> None:
    """Set each (provider, fingerprint) used now. Locks the rows in key order."""
    providers, fingerprints = [key[0] for key in keys], [key[1] for key in keys]
    connection.execute(_NOTE, {"providers": providers, "fingerprints": fingerprints})
