"""Flows: opened, woken, claimed, released. Tables `flows`, `attempts`, `flow_references`; see also `db.recording`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.direct import run
from funding.flow import Step
from funding.money import Money
from funding.snapshot import Intention, Link, Reference, Snapshot

Due = tuple[UUID, str, str]  # a flow to announce: its id, kind and state


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's hold on a flow: a record must match both `fence` and `attempt`."""

    flow: Snapshot
    attempt: UUID
    session: UUID
    fence: int
    wakes: int
    has_letter: bool  # a dead letter of this flow is open or being replayed
    has_breaks: bool


# What is looked for by its key must not be looked for in a partial index, short on average and long after a rush: so
# here and below `coalesce` and IS NOT DISTINCT FROM hide from the planner that such an index would hold the row.
_CLAIM = text("""
    WITH was AS (
      SELECT id, snoozed_attempt_id FROM flows f
       WHERE f.id = :flow AND f.kind = :kind AND f.state = ANY(:states) AND f.attempt_id IS NULL
         AND coalesce(f.due_at <= rk_now(), false)
         AND EXISTS (SELECT FROM worker_sessions s WHERE s.id = :session AND s.ended_at IS NULL AND s.dead_at IS NULL)
         FOR UPDATE
    ), claimed AS (
      UPDATE flows f
         SET fence = f.fence + 1, attempt_id = :attempt, session_id = :session, claimed_at = rk_now(),
             claim_until = rk_now() + :hard_limit, announced_at = NULL, snoozed_attempt_id = NULL
        FROM was WHERE f.id = was.id
      RETURNING f.*
    ), reused AS (
      UPDATE attempts a
         SET id = :attempt, step = :step, fence = c.fence, session_id = :session, claims = a.claims + 1,
             started_at = rk_now(), finished_at = NULL, outcome = NULL, error = NULL, message = NULL
        FROM claimed c JOIN was ON was.id = c.id WHERE a.id = was.snoozed_attempt_id
    ), fresh AS (
      INSERT INTO attempts (id, flow_id, step, visit, number, fence, session_id)
      SELECT :attempt, c.id, :step, c.visit, c.tries + 1, c.fence, :session
        FROM claimed c JOIN was ON was.id = c.id WHERE was.snoozed_attempt_id IS NULL
    )
    SELECT c.id, c.kind, c.state, c.status, c.customer_id, c.asset, c.amount, c.asset_out, c.amount_out, c.data,
           c.hints, c.visit, c.tries, c.snoozes, c.misses, c.created_at, c.moved_at, c.watch_until, c.look_first,
           c.fence, c.wakes, c.parked_at IS NOT NULL AS parked, rk_now() AS now,
           CASE WHEN :quick THEN set_config('synchronous_commit', 'off', true) END,
           (SELECT json_agg(json_build_array(r.provider, r.kind, r.external_id) ORDER BY r.number)
              FROM flow_references r WHERE r.flow_id = c.id) AS refs,
           (SELECT json_agg(json_build_array(l.provider, l.kind, l.external_id, l.attributes) ORDER BY l.created_at)
              FROM customer_links l WHERE l.customer_id = c.customer_id) AS links,
           (SELECT json_agg(i.*) FROM (
              SELECT DISTINCT ON (call) key, call, generation, request, born_at, sends, settle_from, outcome, look_ups,
                     looked_at
                FROM intentions WHERE flow_id = c.id AND step = :step AND visit = c.visit
               ORDER BY call, generation DESC) i) AS intentions,
           EXISTS (SELECT FROM dead_letters d
                    WHERE d.flow_id = c.id AND d.status IN ('open', 'replaying')) AS has_letter,
           EXISTS (SELECT FROM breaks b WHERE b.flow_id = c.id AND b.status = 'open') AS has_breaks
      FROM claimed c
""")


def claim(
    connection: Connection,
    flow: UUID,
    step: Step,
    *,
    attempt: UUID,
    session: UUID,
    hard_limit: timedelta,
    quick: bool,
) -> Claim | None:
    """Take hold of a due flow for one attempt; None when it is done, not due, or someone else's.

    One statement by primary key, locking that row; what belongs to it is found by ix_flow_references_flow and
    ix_customer_links_customer, and by uq_dead_letters_flow and ix_breaks_flow. With `quick` the commit does not wait
    for the disk: nothing is created before an intention is written, and that commit waits for this one too.
    """
    row = run(
        connection,
        _CLAIM,
        {
            "flow": flow,
            "kind": step.flow,
            "states": [str(state) for state in step.on],
            "step": step.name,
            "attempt": attempt,
            "session": session,
            "hard_limit": hard_limit,
            "quick": quick,
        },
    ).fetchone()
    if row is None:
        return None
    return Claim(
        flow=_snapshot(row),
        attempt=attempt,
        session=session,
        fence=row.fence,
        wakes=row.wakes,
        has_letter=row.has_letter,
        has_breaks=row.has_breaks,
    )


def _snapshot(row: Any) -> Snapshot:
    return Snapshot(
        id=row.id,
        kind=row.kind,
        state=row.state,
        status=row.status,
        customer=row.customer_id,
        amount=_money(row.amount, row.asset),
        amount_out=_money(row.amount_out, row.asset_out),
        data=row.data,
        hints=row.hints,
        visit=row.visit,
        tries=row.tries,
        snoozes=row.snoozes,
        misses=row.misses,
        created_at=row.created_at,
        moved_at=row.moved_at,
        watch_until=row.watch_until,
        now=row.now,
        parked=row.parked,
        look_first=row.look_first,
        references=tuple(Reference(*reference) for reference in row.refs or ()),
        links=tuple(Link(*link) for link in row.links or ()),
        intentions=tuple(intention_of(kept) for kept in row.intentions or ()),
    )


def intention_of(row: Mapping[str, Any]) -> Intention:
    """An intention out of its row, or out of the row's JSON."""
    return Intention(
        key=UUID(str(row["key"])),
        call=row["call"],
        generation=row["generation"],
        request=row["request"],
        born_at=_time(row["born_at"]),
        sends=row["sends"],
        settle_from=_time(row["settle_from"]),
        outcome=row["outcome"],
        look_ups=row["look_ups"],
        looked_at=_time(row["looked_at"]),
    )


def _time(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _money(minor: Any, asset: str | None) -> Money | None:
    return Money(int(minor), asset) if minor is not None and asset is not None else None


_RELEASE = text("""
    WITH released AS (
      UPDATE flows SET attempt_id = NULL, session_id = NULL, claimed_at = NULL, claim_until = NULL,
                       due_at = rk_now() + :wait
       WHERE id = :flow AND fence = :fence AND attempt_id IS NOT DISTINCT FROM :attempt
      RETURNING id
    )
    UPDATE attempts SET outcome = 'released', finished_at = rk_now(), message = :reason
     WHERE id = :attempt AND EXISTS (SELECT FROM released)
""")


def release(connection: Connection, claim: Claim, *, reason: str, wait: timedelta = timedelta(0)) -> None:
    """Give a claim back unused: a parked flow too has not looked yet. Nothing happens when it is no longer ours."""
    connection.execute(
        _RELEASE,
        {
            "flow": claim.flow.id,
            "fence": claim.fence,
            "attempt": claim.attempt,
            "reason": reason,
            "wait": wait,
        },
    )


_KEEP = text("""
    UPDATE flows SET claim_until = rk_now() + :hard_limit
     WHERE id = :flow AND fence = :fence AND attempt_id IS NOT DISTINCT FROM :attempt
""")


def keep(connection: Connection, claim: Claim, *, hard_limit: timedelta) -> bool:
    """Prolong a claim that still stands; False when it is no longer ours. One row by primary key."""
    done = connection.execute(
        _KEEP,
        {"flow": claim.flow.id, "fence": claim.fence, "attempt": claim.attempt, "hard_limit": hard_limit},
    )
    return done.rowcount == 1


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

    Lock the rows first, in id order, with `lock` or `lock_idle`, when there are several.
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


def lock(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Lock flows in id order; their status by id."""
    if not ids:
        return {}
    rows = run(connection, _LOCK, {"ids": list(ids)}).fetchall()
    return {row.id: row.status for row in rows}


_LOCK_IDLE = text("SELECT id, status FROM flows WHERE id = ANY(:ids) ORDER BY id FOR UPDATE SKIP LOCKED")


def lock_idle(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Lock those flows that nobody else has locked, in id order; their status by id. By primary key."""
    if not ids:
        return {}
    rows = run(connection, _LOCK_IDLE, {"ids": list(ids)}).fetchall()
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
      SELECT :id, :flow_kind, :state, :step_provider, l.customer_id, :asset, CAST(:amount AS numeric),
             CAST(:data AS jsonb), CAST(:hints AS jsonb), rk_now()
        FROM (VALUES (1)) AS one
        LEFT JOIN customer_links l ON l.provider = :provider AND l.kind = :link_kind AND l.external_id = :link_id
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
) -> bool:
    """Open a flow under the provider's own id of the money; False when another transaction has opened it meanwhile.

    Waits for a transaction that is opening the same one. The customer is found by the link, null if none. A link in
    another mode than `mode` opens nothing: False too.
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
