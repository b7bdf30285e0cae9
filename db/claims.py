"""Claims: a flow held for one attempt, prolonged, given back. Tables `flows`, `attempts`; see also `db.recording`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.direct import run
from funding.flow import Step
from funding.money import Money
from funding.snapshot import Intention, Link, Reference, Snapshot


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
