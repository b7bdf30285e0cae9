"""Flows: opened, woken, told of what is theirs. Tables `flows`, `flow_references`; claims are `db.claims`."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.direct import run
from funding.money import Money

Due = tuple[UUID, str, str]  # a flow to announce: its id, kind and state

_WAKE = text("""
    WITH moment AS MATERIALIZED (SELECT rk_now() AS now)  -- one for both: announced before it was due is not announced
    UPDATE flows f
       SET wakes = f.wakes + 1, snoozes = 0, announced_at = CASE WHEN :announced THEN now END,
           due_at = least(coalesce(f.due_at, now), now),
           hints = f.hints || h.hints::jsonb
      FROM moment,
           (SELECT id, hints FROM unnest(CAST(:ids AS uuid[]), CAST(:hints AS text[])) AS u(id, hints) ORDER BY id) h
     WHERE f.id = h.id AND f.status <> 'closed'
    RETURNING f.id, f.kind, f.state
""")


def wake(
    connection: Connection, ids: Sequence[UUID], *, hints: Sequence[Mapping[str, str]] = (), announced: bool = False
) -> list[Due]:
    """Make flows due now and raise their wake counters; closed ones are left alone and not given back.

    Their waits begin anew: who has news looks often again, however long it had been waiting.

    `hints` goes with `ids`, one each. Lock the rows first, in id order, with `lock`, when there are several.
    `announced`: the caller announces them after its commit and gives back with `not_announced` what it could not.
    """
    if not ids:
        return []
    said = [json.dumps(dict(hint)) for hint in hints] if hints else ["{}"] * len(ids)
    rows = run(connection, _WAKE, {"ids": list(ids), "hints": said, "announced": announced}).fetchall()
    return [(row.id, row.kind, row.state) for row in rows]


# An event that waits tells the same again each time it is read: only what is new wakes.
_TELL = text("""
    UPDATE flows f
       SET hints = f.hints || h.hints,
           wakes = f.wakes + (f.attempt_id IS NULL AND h.hints - ARRAY(SELECT jsonb_object_keys(f.hints)) <> '{}')::int,
           due_at = CASE WHEN f.attempt_id IS NULL AND h.hints - ARRAY(SELECT jsonb_object_keys(f.hints)) <> '{}'
                         THEN least(coalesce(f.due_at, rk_now()), rk_now()) ELSE f.due_at END
      FROM (SELECT id, hints::jsonb FROM unnest(CAST(:ids AS uuid[]), CAST(:hints AS text[])) AS u(id, hints)
             ORDER BY id) h
     WHERE f.id = h.id AND f.status <> 'closed'
""")


def tell(connection: Connection, hints: Mapping[UUID, Mapping[str, str]]) -> None:
    """Have flows know of objects that are said to be theirs: due now, if it is news and no step is at work.

    Lock the rows first, in id order, with `lock`, when there are several.
    """
    if hints:
        said = [json.dumps(dict(hint)) for hint in hints.values()]
        run(connection, _TELL, {"ids": list(hints), "hints": said})


_NOT_ANNOUNCED = text("""
    UPDATE flows SET announced_at = NULL
     WHERE id = ANY(ARRAY(SELECT id FROM flows WHERE id = ANY(:ids) AND attempt_id IS NULL FOR UPDATE SKIP LOCKED))
""")


def not_announced(connection: Connection, ids: Sequence[UUID]) -> None:
    """Have the dispatcher announce these at once; one that somebody has locked is at work. Locks by primary key."""
    connection.execute(_NOT_ANNOUNCED, {"ids": list(ids)})


_LOCK = text("SELECT id, status FROM flows WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")
_LOCK_IDLE = text(f"{_LOCK.text} SKIP LOCKED")


def lock(connection: Connection, ids: Sequence[UUID], *, only_idle: bool = False) -> dict[UUID, str]:
    """Lock flows in id order, by primary key; their status by id. `only_idle`: those that nobody else has locked."""
    if not ids:
        return {}
    rows = run(connection, _LOCK_IDLE if only_idle else _LOCK, {"ids": list(ids)}).fetchall()
    return {row.id: row.status for row in rows}


_OWNERS = text("""
    SELECT provider, kind, external_id, flow_id FROM flow_references
     WHERE (provider, kind, external_id) IN (
       SELECT * FROM unnest(CAST(:providers AS text[]), CAST(:kinds AS text[]), CAST(:ids AS text[])))
""")


def owners(connection: Connection, keys: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], UUID]:
    """Which flow owns each (provider, kind, external id). Served by the primary key of flow_references."""
    if not keys:
        return {}
    rows = run(
        connection,
        _OWNERS,
        {"providers": [k[0] for k in keys], "kinds": [k[1] for k in keys], "ids": [k[2] for k in keys]},
    ).fetchall()
    return {(row.provider, row.kind, row.external_id): row.flow_id for row in rows}


# The flow, the name it is known by at its provider, and its first state. Without the name it is nobody's: taken back.
_OPEN = text("""
    WITH opened AS (
      INSERT INTO flows (id, kind, state, provider, customer_id, asset, amount, data, hints, due_at)
      SELECT :id, :flow_kind, :state, :step_provider, coalesce(l.customer_id, c.id), :asset, CAST(:amount AS numeric),
             CAST(:data AS jsonb), CAST(:hints AS jsonb), rk_now()
        FROM (VALUES (1)) AS one
        LEFT JOIN customer_links l ON l.provider = :provider AND l.kind = :link_kind AND l.external_id = :link_id
        LEFT JOIN customers c ON c.id = CAST(:customer AS text)
       WHERE coalesce(l.attributes ->> 'mode' = CAST(:mode AS text), true)
      ON CONFLICT (id) DO NOTHING
      RETURNING id
    ), named AS (
      INSERT INTO flow_references (provider, kind, external_id, flow_id)
      SELECT :provider, :kind, :external_id, id FROM opened
      ON CONFLICT DO NOTHING
      RETURNING flow_id
    ), begun AS (
      INSERT INTO transitions (flow_id, from_state, to_state, reason)
      SELECT flow_id, NULL, :state, :reason FROM named
    )
    SELECT EXISTS (SELECT FROM named) AS named FROM opened
""")


def open_flow(
    connection: Connection,
    *,
    id: UUID,  # noqa: A002 -- the column's own name
    flow_kind: str,
    state: str,
    step_provider: str | None,
    provider: str,
    kind: str,
    external_id: str,
    link: tuple[str, str],
    amount: Money | None,
    data: Mapping[str, Any],
    hints: Mapping[str, str],
    reason: str,
    mode: str | None = None,
    customer: str | None = None,
) -> bool:
    """Open a flow under the provider's own id of the money; False when another transaction has opened it meanwhile.

    Waits for a transaction that is opening the same one. The customer is found by the link, or is `customer` if there
    is one of that id; else null. A link in another mode than `mode` opens nothing: False too.
    """
    opened = run(
        connection,
        _OPEN,
        {
            "id": id,
            "flow_kind": flow_kind,
            "state": state,
            "step_provider": step_provider,
            "provider": provider,
            "kind": kind,
            "external_id": external_id,
            "link_kind": link[0],
            "link_id": link[1],
            "mode": mode,
            "customer": customer,
            "asset": amount.asset if amount else None,
            "amount": amount.minor if amount else None,
            "data": json.dumps(dict(data)),
            "hints": json.dumps(dict(hints)),
            "reason": reason,
        },
    ).fetchone()
    if opened is None:
        return False
    if not opened.named:
        connection.execute(text("DELETE FROM flows WHERE id = :id"), {"id": id})
    return bool(opened.named)


_BEGIN = text("""
    WITH opened AS (
      INSERT INTO flows (id, kind, state, provider, customer_id, asset, amount, data, due_at)
      VALUES (:id, :flow_kind, :state, :step_provider, :customer, :asset, CAST(:amount AS numeric),
              CAST(:data AS jsonb), rk_now())
      ON CONFLICT (id) DO NOTHING
      RETURNING id
    ), begun AS (
      INSERT INTO transitions (flow_id, from_state, to_state, reason) SELECT id, NULL, :state, :reason FROM opened
    )
    SELECT id FROM opened
""")


def begin_flow(
    connection: Connection,
    *,
    id: UUID,  # noqa: A002 -- the column's own name
    flow_kind: str,
    state: str,
    step_provider: str | None,
    customer: str,
    amount: Money | None,
    data: Mapping[str, Any],
    reason: str,
) -> bool:
    """Begin a flow that a customer asked for; False when it is there already: the same was asked before.

    Waits for a transaction that is beginning the same one, by primary key.
    """
    begun = connection.execute(
        _BEGIN,
        {
            "id": id,
            "flow_kind": flow_kind,
            "state": state,
            "step_provider": step_provider,
            "customer": customer,
            "asset": amount.asset if amount else None,
            "amount": amount.minor if amount else None,
            "data": json.dumps(dict(data)),
            "reason": reason,
        },
    )
    return begun.first() is not None


_INSTRUCT = text("UPDATE flows SET data = data || CAST(:data AS jsonb) WHERE id = :flow AND status <> 'closed'")


def instruct(connection: Connection, flow: UUID, data: Mapping[str, Any]) -> None:
    """Add to a flow's data what a person wants of it; `wake` has its step read it. Lock it first, with `lock`."""
    connection.execute(_INSTRUCT, {"flow": flow, "data": json.dumps(dict(data))})


_NEWS_AFTER_END = text("""
    SELECT coalesce(CAST(:at AS timestamptz), (SELECT received_at FROM inbox_events WHERE id = :event)) > f.closed_at
           AND NOT (f.hints ? :status)
           AND NOT coalesce(f.data -> 'ends_with', '[]') ? :status
           AND (CAST(:at AS timestamptz) IS NOT NULL OR NOT coalesce(f.data -> 'led_there', '[]') ? :status) AS news
      FROM flows f WHERE f.id = :flow
""")


def is_news_after_end(connection: Connection, flow: UUID, status: str, at: datetime | None, *, event: int) -> bool:
    """Whether a closed flow hears something it did not end with, later than its end.

    An event that says no time of its own, as a poll's, counts from when it came; but an old listing may still show what
    led to the end.
    """
    values = {"flow": flow, "status": status, "at": at, "event": event}
    return bool(connection.execute(_NEWS_AFTER_END, values).scalar())
