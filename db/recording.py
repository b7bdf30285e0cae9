"""Recording: what a step's outcome writes, in one transaction that its claim must still stand for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from db import findings
from db.claims import Claim
from db.direct import run
from db.findings import Findings
from funding.money import Money
from funding.snapshot import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended. `provider` is whom its step speaks to."""

    outcome: str
    provider: str | None
    error: str | None = None
    message: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a flow stands after a step. `wait` None: nothing is due until something wakes it.

    `path`: the states passed (from, to, when the provider says), for `reason`.
    """

    state: str
    status: str
    provider: str | None
    wait: timedelta | None
    path: Sequence[tuple[str, str, datetime | None]] = ()
    reason: str | None = None
    tries: int = 0
    snoozes: int = 0
    misses: int = 0
    reuse_attempt: bool = False
    snooze_reason: str | None = None
    parked_reason: str | None = None
    stays_parked: bool = False
    watch: timedelta | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    amount: Money | None = None
    amount_out: Money | None = None


class ReferenceTaken(Exception):
    """An object this step met belongs to another flow: nothing else of its answer may be believed."""

    def __init__(self, reference: Reference, owner: UUID) -> None:
        super().__init__(f"{reference.provider} {reference.kind} {reference.id} belongs to flow {owner}")
        self.reference = reference
        self.owner = owner


@dataclass(frozen=True, slots=True)
class Standing:
    """A flow after the record: whether it is due at once, and under which state.

    `events` waited for a reference that was written, `notifications` are new: to be announced after the commit.
    """

    kind: str
    state: str
    due_now: bool
    events: Sequence[int] = ()
    notifications: Sequence[UUID] = ()


# One statement, for what a record writes: a statement costs more than the rows it writes.
_CHANGED = """
    WITH changed AS (
      UPDATE flows
         SET state = :state, status = :status, provider = :provider, data = data || CAST(:data AS jsonb),
             amount = coalesce(:amount, amount), asset = coalesce(:asset, asset),
             amount_out = coalesce(:amount_out, amount_out), asset_out = coalesce(:asset_out, asset_out),
             visit = visit + :visits, tries = :tries, misses = :misses,
             snoozes = CASE WHEN wakes <> :wakes THEN 0 ELSE :snoozes END,
             snooze_reason = :snooze_reason, snoozed_attempt_id = :snoozed,
             attempt_id = NULL, session_id = NULL, claimed_at = NULL, claim_until = NULL,
             announced_at = NULL, moved_at = CASE WHEN :visits > 0 THEN rk_now() ELSE moved_at END,
             closed_at = CASE WHEN :status <> 'open' THEN coalesce(closed_at, rk_now()) END,
             watch_until = coalesce(watch_until, rk_now() + :watch),
             parked_reason = CASE WHEN :stays_parked THEN parked_reason ELSE :parked_reason END,
             parked_at = CASE WHEN :stays_parked OR :parked THEN coalesce(parked_at, rk_now()) END,
             due_at = CASE WHEN :status = 'closed' THEN NULL WHEN wakes <> :wakes THEN rk_now()
                           ELSE rk_now() + CAST(:wait AS interval) END
       WHERE id = :flow AND fence = :fence AND attempt_id IS NOT DISTINCT FROM :attempt  -- by its key, as in db.claims
      RETURNING kind, state, coalesce(due_at <= rk_now(), false) AS due_now
    ), ended AS (
      UPDATE attempts
         SET finished_at = rk_now(), outcome = :outcome, error = :error, message = :message, provider = :asked,
             request_id = :request_id
       WHERE id = :attempt_row AND EXISTS (SELECT FROM changed)
    ), passed AS (
      INSERT INTO transitions (flow_id, from_state, to_state, reason, attempt_id, effective_at)
      SELECT :flow, p.before, p.after, :reason, :attempt_row, p.at
        FROM changed, jsonb_to_recordset(CAST(:path AS jsonb)) AS p(n int, before text, after text, at timestamptz)
       ORDER BY p.n
    )
"""


@lru_cache
def _statement(kinds: tuple[str, ...]) -> TextClause:
    """The record with findings of these kinds."""
    parts = [_CHANGED, *(findings.PARTS[kind] for kind in kinds)]
    answers = ["kind, state, due_now", *(findings.ANSWERS[kind] for kind in kinds if kind in findings.ANSWERS)]
    return text(f"{', '.join(parts)} SELECT {', '.join(answers)} FROM changed")  # noqa: S608 -- constants


def record(connection: Connection, claim: Claim, change: Change, ending: Ending, found: Findings) -> Standing | None:
    """Write the flow's new standing, the states it passed, how the attempt ended and what was found.

    None when the claim is no longer ours: the caller rolls back. A wake that came during the step makes the flow due
    now, whatever the step answered. Locks the flow's row, then the others, by primary key; deferred events are found by
    ix_inbox_events_waits_for, what was told before by uq_notifications_cause. Raises: ReferenceTaken.
    """
    row = run(
        connection,
        _statement(found.kinds),
        {
            **findings.values(found, customer=claim.flow.customer),
            "flow": claim.flow.id,
            "fence": claim.fence,
            "attempt": claim.attempt,
            "attempt_row": claim.attempt,
            "wakes": claim.wakes,
            "state": change.state,
            "status": change.status,
            "provider": change.provider,
            "data": json.dumps(dict(change.data)),
            "amount": change.amount.minor if change.amount else None,
            "asset": change.amount.asset if change.amount else None,
            "amount_out": change.amount_out.minor if change.amount_out else None,
            "asset_out": change.amount_out.asset if change.amount_out else None,
            "visits": len(change.path),
            "tries": change.tries,
            "snoozes": change.snoozes,
            "misses": change.misses,
            "snooze_reason": change.snooze_reason,
            "snoozed": claim.attempt if change.reuse_attempt else None,
            "watch": change.watch,
            "parked": change.parked_reason is not None,
            "parked_reason": change.parked_reason,
            "stays_parked": change.stays_parked,
            "wait": change.wait,
            "outcome": ending.outcome,
            "asked": ending.provider,
            "error": ending.error,
            "message": ending.message,
            "request_id": ending.request_id,
            "reason": change.reason,
            "path": _path(change.path),
        },
    ).fetchone()
    if row is None:
        return None
    for provider, kind, external_id, owner in getattr(row, "taken", None) or ():
        raise ReferenceTaken(Reference(provider, kind, external_id), UUID(owner))
    return Standing(row.kind, row.state, row.due_now, getattr(row, "events", ()), getattr(row, "notifications", ()))


def _path(path: Sequence[tuple[str, str, datetime | None]]) -> str:
    return json.dumps(
        [
            {"n": n, "before": before, "after": after, "at": at and at.isoformat()}
            for n, (before, after, at) in enumerate(path)
        ]
    )


_STANDS = text("""
    SELECT EXISTS (SELECT FROM attempts
                    WHERE id = :attempt AND outcome <> 'lost' OR id = CAST(:following AS uuid)) AS stands
""")


def stands(connection: Connection, attempt: UUID, *, following: UUID | None) -> bool:
    """Whether a record stands whose commit was cut off: its attempt has ended, and not by being freed.

    `following`: the attempt of the next step, made in the same transaction; it may have taken over the first one's row.
    Two rows by primary key.
    """
    [row] = run(connection, _STANDS, {"attempt": attempt, "following": following}).fetchall()
    found: bool = row.stands
    return found


def write_late(connection: Connection, attempt: UUID, learned: Mapping[str, Any]) -> None:
    """A refused record still writes what it learned to its own attempt."""
    connection.execute(
        text("UPDATE attempts SET late = CAST(:late AS jsonb) WHERE id = :attempt"),
        {"attempt": attempt, "late": json.dumps(dict(learned))},
    )


def unknown_references(connection: Connection, flow: UUID, references: Sequence[Reference]) -> list[Reference]:
    """Those of the references that do not belong to this flow."""
    known = connection.execute(
        text("SELECT provider, kind, external_id FROM flow_references WHERE flow_id = :flow"), {"flow": flow}
    )
    owned = {Reference(row.provider, row.kind, row.external_id) for row in known}
    return [reference for reference in references if reference not in owned]
