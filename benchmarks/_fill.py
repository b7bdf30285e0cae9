"""Years of closed flows in minutes: what really finished is copied inside Postgres, every row of it, under new ids."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg

CHUNK: Final = 20_000  # flows a transaction
# How long before its template the copy of number n came in: oldest first, all over half a year.
_AGO: Final = "interval '180 days' * (1 - (n - 1)::float / %(copies)s)"
_OF_FLOWS: Final = "flow_id IN (SELECT id FROM pg_temp.rested)"


@dataclass(frozen=True, slots=True)
class Copied:
    """A table: which of its rows are templates, and what of a copy is not as in its template `t`, by column."""

    name: str
    templates: str
    changed: Mapping[str, str]
    times: int = 1


def _new(*columns: str) -> dict[str, str]:
    """Ids made anew, the same wherever the same one stood; spread like those of flows."""
    return {column: f"md5(n || t.{column}::text)::uuid" for column in columns}


def _earlier(*columns: str) -> dict[str, str]:
    return {column: f"t.{column} - {_AGO}" for column in columns}


def _entry(column: str) -> str:
    """The number of an entry's copy, above all that were given out."""
    return f"%(last_entry)s * (n + 1::bigint) + t.{column}"


TABLES: Final = (
    Copied(
        "flows",
        "id IN (SELECT id FROM pg_temp.rested)",
        {
            **_new("id"),
            **_earlier("created_at", "moved_at", "closed_at", "watch_until"),
            "status": "'closed'",
            "provider": "NULL",
            "due_at": "NULL",
            "announced_at": "NULL",
        },
    ),
    Copied("attempts", _OF_FLOWS, _new("id", "flow_id") | _earlier("started_at", "finished_at")),
    Copied("transitions", _OF_FLOWS, _new("flow_id", "attempt_id") | _earlier("effective_at", "recorded_at")),
    Copied(
        "flow_references",
        _OF_FLOWS,
        _new("flow_id") | _earlier("created_at") | {"external_id": "t.external_id || '-' || n"},
    ),
    Copied("intentions", _OF_FLOWS, _new("key", "flow_id") | _earlier("born_at", "sent_at", "settle_from")),
    Copied(
        "journal_entries",
        _OF_FLOWS,
        _new("flow_id")
        | _earlier("effective_at", "recorded_at")
        | {"id": _entry("id"), "reverses_id": _entry("reverses_id"), "made_by": "pg_current_xact_id()"},
    ),
    Copied(
        "postings",
        f"entry_id IN (SELECT id FROM journal_entries WHERE {_OF_FLOWS})",  # noqa: S608 - our own words
        {"entry_id": _entry("entry_id")},
    ),
    Copied("notifications", _OF_FLOWS, _new("id", "flow_id") | _earlier("happened_at", "delivered_at")),
    Copied(
        "notification_attempts",
        f"notification_id IN (SELECT id FROM notifications WHERE {_OF_FLOWS})",  # noqa: S608 - our own words
        _new("notification_id") | _earlier("at"),
    ),
    Copied(
        "inbox_events",
        _OF_FLOWS,
        _new("flow_id")
        | _earlier("received_at", "handled_at")
        | {
            "event_id": "t.event_id || '-' || n || '-' || k",
            "body": f"CASE WHEN {_AGO} < interval '90 days' THEN t.body END",  # retention clears older ones
            "body_digest": "sha256((t.event_id || '-' || n || '-' || k)::bytea)",
        },
        times=3,
    ),
)


def fill(url: str, flows: int, *, say: Callable[[str], None]) -> int:
    """Copy the flows that came to rest until there are at least `flows` closed ones; how many were made.

    Triggers, and that a row points to one that is there, are not checked row by row: copies are as true as their
    templates. Balances, numbers given out, indexes and statistics are as if all had come in by the door.
    Raises: ValueError: nothing has come to rest yet.
    """
    with psycopg.connect(url) as connection:
        _run(connection, "SET session_replication_role = replica")
        _run(connection, "CREATE TEMP TABLE rested AS SELECT id FROM flows WHERE status = 'resting'")
        templates = _one(connection, "SELECT count(*) FROM pg_temp.rested")
        if not templates:
            raise ValueError("nothing has come to rest that could be copied")
        for copied in TABLES:
            rows = f"SELECT * FROM {copied.name} WHERE {copied.templates}"  # noqa: S608 - our own words
            _run(connection, f"CREATE TEMP TABLE t_{copied.name} AS {rows}")
        copies = -(-flows // templates)
        last_entry = _one(connection, "SELECT max(id) FROM journal_entries")
        definitions = _drop_indexes(connection)
        step = max(CHUNK // templates, 1)
        for first in range(1, copies + 1, step):
            values = {
                "first": first,
                "last": min(first + step - 1, copies),
                "copies": copies,
                "last_entry": last_entry,
            }
            for copied in TABLES:
                _run(connection, _copy(connection, copied), values)
            connection.commit()
            if first % (step * 10) == 1:
                say(f"{values['last'] * templates:,} of {copies * templates:,} closed flows")
        say("balances, indexes and statistics")
        _run(connection, "UPDATE balances SET posted = posted * %(n)s, pending = pending * %(n)s", {"n": copies + 1})
        _run(
            connection,
            "SELECT setval(pg_get_serial_sequence('journal_entries', 'id'), max(id)) FROM journal_entries",
        )
        for definition in definitions:
            _run(connection, definition)
        connection.commit()
        connection.autocommit = True
        _run(connection, "VACUUM (ANALYZE)")
        _run(connection, "CHECKPOINT")
        return int(copies * templates)


def _copy(connection: psycopg.Connection[Any], copied: Copied) -> str:
    columns = [
        row[0]
        for row in _run(
            connection,
            """
            SELECT column_name FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = %(table)s AND is_generated = 'NEVER'
               AND (is_identity = 'NO' OR column_name = ANY(%(changed)s))
            """,
            {"table": copied.name, "changed": list(copied.changed)},
        )
    ]
    return f"""
        INSERT INTO {copied.name} ({", ".join(columns)}) OVERRIDING SYSTEM VALUE
        SELECT {", ".join(copied.changed.get(column, f"t.{column}") for column in columns)}
          FROM generate_series(%(first)s::int, %(last)s::int) AS n
         CROSS JOIN generate_series(1, {copied.times}) AS k CROSS JOIN pg_temp.t_{copied.name} t ORDER BY n
    """  # noqa: S608 - of the catalogue's and this file's own words


def _drop_indexes(connection: psycopg.Connection[Any]) -> list[str]:
    """Drop those that are no constraints, to be made again at once in the end: what makes each."""
    found = _run(
        connection,
        """
        SELECT indexname, indexdef FROM pg_indexes
         WHERE schemaname = 'public' AND tablename = ANY(%(tables)s)
           AND indexname NOT IN (SELECT conname FROM pg_constraint)
        """,
        {"tables": [copied.name for copied in TABLES]},
    ).fetchall()
    for name, _ in found:
        _run(connection, f"DROP INDEX {name}")
    return [definition for _, definition in found]


def _run(
    connection: psycopg.Connection[Any], query: str, values: Mapping[str, Any] | None = None
) -> psycopg.Cursor[Any]:
    return connection.execute(query.encode(), values)


def _one(connection: psycopg.Connection[Any], query: str) -> int:
    row = _run(connection, query).fetchone()
    return int(row[0] or 0) if row else 0
