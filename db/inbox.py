"""The inbox: each event stored once, before anything acts on it. Table `inbox_events`."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import psycopg
from sqlalchemy import Connection, Engine, text

from db.arrays import Blobs, Texts, blobs, texts
from db.direct import run
from db.sealing import CannotOpen, Sealed, Sealer

PLAIN = Sealer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An event at the door: `body` raw as it came, `headers` the few worth keeping, never a secret among them."""

    provider: str
    event_id: str
    route: str
    type: str | None
    source: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    matched_key: str | None = None

    @property
    def digest(self) -> bytes:
        """What tells equal bodies from others."""
        return hashlib.sha256(self.body).digest()


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an arrival stands in the inbox, and whether it was there before."""

    id: int
    duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEvent:
    """An event taken for handling, its body opened; `unreadable` says why it could not be."""

    id: int
    provider: str
    event_id: str
    source: str
    body: bytes
    unreadable: str | None
    attempts: int
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What became of an event. `due_in_s` and `waits_for` go with "deferred" only."""

    id: int
    state: str
    type: str | None = None
    reason: str | None = None
    error: str | None = None
    flow_id: UUID | None = None
    due_in_s: float | None = None
    waits_for: str | None = None


# In the driver's own words, every column of the batch as one array (`b`: as it is, not spelt out). The moment is asked
# for once, because as the columns' default it would be asked for twice a row.
_INSERT: Final = """
    INSERT INTO inbox_events (provider, event_id, route, type, source, body, body_key, body_digest, headers,
                              matched_key, received_at, due_at)
    SELECT provider, event_id, route, type, source, body, body_key, body_digest, headers::jsonb, matched_key,
           (SELECT rk_now()), (SELECT rk_now())
      FROM unnest(%(providers)b, %(event_ids)b, %(routes)b, %(types)b, %(sources)b, %(bodies)b, %(body_keys)b,
                  %(digests)b, %(headers)b, %(matched)b)
           AS a(provider, event_id, route, type, source, body, body_key, body_digest, headers, matched_key)
    ON CONFLICT (provider, event_id) DO UPDATE
       SET duplicates = inbox_events.duplicates + 1, announced_at = NULL,
           due_at = CASE WHEN inbox_events.due_at IS NOT NULL THEN least(inbox_events.due_at, rk_now()) END
    RETURNING id, provider, event_id, (xmax = 0) AS fresh
"""


def insert_events(connection: Connection, arrivals: Sequence[Arrival], *, sealer: Sealer = PLAIN) -> list[Stored]:
    """Store events, each once; the answers stand in the order given.

    A duplicate of an event not yet handled makes it due again. Two arrivals of one id in one call: the second is
    the duplicate. Locks the rows it meets in the order (provider, event id), so two writers cannot deadlock.
    Served by the unique index on (provider, event_id).
    """
    if not arrivals:
        return []
    rows = connection.exec_driver_sql(_INSERT, _columns(arrivals, sealer)).all()
    return _answers(arrivals, rows)


def commit_events(engine: Engine, arrivals: Sequence[Arrival], *, sealer: Sealer = PLAIN) -> list[Stored]:
    """The same as a transaction of its own, committed on return: one round trip and little else.

    It goes round SQLAlchemy, whose part would be most of a small batch's cost, but takes its connection from the pool.
    Raises: psycopg.Error: nothing is stored, or the connection was lost and it is not known.
    """
    if not arrivals:
        return []
    columns = _columns(arrivals, sealer)
    with closing(engine.raw_connection()) as pooled:
        connection: psycopg.Connection = pooled.driver_connection  # type: ignore[assignment]  # it is psycopg's
        try:
            connection.autocommit = True
            rows = connection.execute(_INSERT, columns).fetchall()
        finally:
            if connection.closed:
                pooled.invalidate()
                engine.dispose()  # what the pool keeps was lost with it
            else:
                connection.autocommit = False
    return _answers(arrivals, rows)


def _columns(arrivals: Sequence[Arrival], sealer: Sealer) -> dict[str, Texts | Blobs]:
    """The arrivals in the order of their keys, of equal ones the first, as the arrays that `_INSERT` takes."""
    unique = {(a.provider, a.event_id): a for a in reversed(arrivals)}
    ordered = [unique[key] for key in sorted(unique)]
    digests = [a.digest for a in ordered]
    sealed = [
        sealer.seal(a.body, context=sealing_context(a.provider, digest))
        for a, digest in zip(ordered, digests, strict=True)
    ]
    return {
        "providers": texts([a.provider for a in ordered]),
        "event_ids": texts([a.event_id for a in ordered]),
        "routes": texts([a.route for a in ordered]),
        "types": texts([a.type for a in ordered]),
        "sources": texts([a.source for a in ordered]),
        "bodies": blobs([s.data for s in sealed]),
        "body_keys": texts([s.key for s in sealed]),
        "digests": blobs(digests),
        "headers": texts([_told(tuple(a.headers.items())) for a in ordered]),
        "matched": texts([a.matched_key for a in ordered]),
    }


@lru_cache(maxsize=64)  # a provider sends the same few with every event
def _told(headers: tuple[tuple[str, str], ...]) -> str:
    return json.dumps(dict(headers))


def _answers(arrivals: Sequence[Arrival], rows: Iterable[Sequence[Any]]) -> list[Stored]:
    """What `_INSERT` found, for each arrival in the order given."""
    found = {(provider, event_id): Stored(number, duplicate=not fresh) for number, provider, event_id, fresh in rows}
    answers: list[Stored] = []
    seen: set[tuple[str, str]] = set()
    for arrival in arrivals:
        key = (arrival.provider, arrival.event_id)
        answers.append(Stored(found[key].id, duplicate=True) if key in seen else found[key])
        seen.add(key)
    return answers


def sealing_context(provider: str, digest: bytes) -> str:
    """What a sealed body is bound to: a replay of it, being the same bytes, opens too; another body does not."""
    return f"{provider}/{digest.hex()}"


_TAKE = text("""
    SELECT id, provider, event_id, source, body, body_key, body_digest, attempts,
           extract(epoch FROM rk_now() - received_at)::float8 AS age_s, set_config('synchronous_commit', 'off', true)
      FROM inbox_events WHERE id = ANY(:ids) AND coalesce(due_at <= rk_now(), false)  -- by its key, as in db.claims
     ORDER BY id FOR UPDATE SKIP LOCKED
""")


def take(connection: Connection, ids: Sequence[int], *, sealer: Sealer = PLAIN) -> list[InboxEvent]:
    """Those of `ids` that are due, locked, in id order; rows another worker has locked are left to it.

    The commit will not wait for the disk: lost with Postgres, they are still due and lead to the same again. Served by
    the primary key.
    """
    return [_event(row, sealer) for row in run(connection, _TAKE, {"ids": list(ids)}).fetchall()]


def _event(row: Any, sealer: Sealer) -> InboxEvent:
    body, unreadable = b"", None
    if row.body is None:
        unreadable = "its body was cleared before it was handled"
    else:
        sealed = Sealed(bytes(row.body), row.body_key)
        try:
            body = sealer.open(sealed, context=sealing_context(row.provider, bytes(row.body_digest)))
        except CannotOpen:
            unreadable = "no key at hand opens its stored body"
    return InboxEvent(
        id=row.id,
        provider=row.provider,
        event_id=row.event_id,
        source=row.source,
        body=body,
        unreadable=unreadable,
        attempts=row.attempts,
        age_s=row.age_s,
    )


_SETTLE = text("""
    UPDATE inbox_events e
       SET state = h.state, type = coalesce(h.type, e.type), reason = h.reason, last_error = h.error,
           flow_id = coalesce(h.flow_id, e.flow_id), attempts = e.attempts + 1, announced_at = NULL,
           waits_for = h.waits_for, due_at = rk_now() + make_interval(secs => h.due_in_s),
           handled_at = CASE WHEN h.due_in_s IS NULL THEN rk_now() END
      FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:types AS text[]), CAST(:reasons AS text[]),
                  CAST(:errors AS text[]), CAST(:flows AS uuid[]), CAST(:due_in AS float8[]), CAST(:waits AS text[]))
           AS h(id, state, type, reason, error, flow_id, due_in_s, waits_for)
     WHERE e.id = h.id
""")


def settle(connection: Connection, handled: Sequence[Handled]) -> None:
    """Write what became of taken events; they are locked by `take` already."""
    if not handled:
        return
    run(
        connection,
        _SETTLE,
        {
            "ids": [h.id for h in handled],
            "states": [h.state for h in handled],
            "types": [h.type for h in handled],
            "reasons": [h.reason for h in handled],
            "errors": [h.error for h in handled],
            "flows": [h.flow_id for h in handled],
            "due_in": [h.due_in_s for h in handled],
            "waits": [h.waits_for for h in handled],
        },
    )
