"""Recording: what a step's outcome writes, in one transaction that its claim must still stand for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.direct import run
from db.flows import Claim
from funding.money import Money
from funding.outcomes import BalanceReading
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


@dataclass(frozen=True, slots=True)
class Standing:
    """A flow after the record: whether it is due at once, and under which state."""

    kind: str
    state: str
    due_now: bool


# One statement, for what every record writes: a statement costs more than the rows it writes.
_CHANGE = text("""
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
       WHERE id = :flow AND fence = :fence AND attempt_id IS NOT DISTINCT FROM :attempt  -- by its key, as in db.flows
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
    SELECT kind, state, due_now FROM changed
""")


def record(connection: Connection, claim: Claim, change: Change, ending: Ending) -> Standing | None:
    """Write the flow's new standing, the states it passed and how the attempt ended.

    None when the claim is no longer ours: nothing was written. A wake that came during the step makes the flow due
    now, whatever the step answered. Locks the flow's row, then the attempt's, by primary key.
    """
    row = run(
        connection,
        _CHANGE,
        {
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
    return Standing(row.kind, row.state, row.due_now) if row else None


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


_REFERENCE = text("""
    INSERT INTO flow_references (provider, kind, external_id, flow_id) VALUES (:provider, :kind, :id, :flow)
    ON CONFLICT (provider, kind, external_id) DO UPDATE SET flow_id = flow_references.flow_id
    RETURNING flow_id
""")


def add_reference(connection: Connection, flow: UUID, reference: Reference) -> UUID:
    """Write that an object belongs to this flow; the flow it belongs to now: another's, if that was first."""
    values = {"provider": reference.provider, "kind": reference.kind, "id": reference.id, "flow": flow}
    [row] = run(connection, _REFERENCE, values).fetchall()
    owner: UUID = row.flow_id
    return owner


def unknown_references(connection: Connection, flow: UUID, references: Sequence[Reference]) -> list[Reference]:
    """Those of the references that do not belong to this flow."""
    known = connection.execute(
        text("SELECT provider, kind, external_id FROM flow_references WHERE flow_id = :flow"), {"flow": flow}
    )
    owned = {Reference(row.provider, row.kind, row.external_id) for row in known}
    return [reference for reference in references if reference not in owned]


_READING = text("""
    INSERT INTO balance_readings (provider, account, name, asset, amount, customer_id)
    SELECT provider, account, name, asset, amount, :customer
      FROM jsonb_to_recordset(CAST(:readings AS jsonb))
           AS r(provider text, account text, name text, asset text, amount numeric)
     ORDER BY provider, account, name, asset
    ON CONFLICT (provider, account, name, asset) DO UPDATE
       SET amount = excluded.amount, read_at = rk_now(), customer_id = excluded.customer_id
""")


def add_readings(connection: Connection, readings: Sequence[BalanceReading], *, customer: str | None) -> None:
    """Keep the newest balance a provider showed, one a name and asset. Locks the rows in key order."""
    if not readings:
        return
    shown = [
        {
            "provider": reading.provider,
            "account": reading.account,
            "name": reading.name,
            "asset": reading.amount.asset,
            "amount": reading.amount.minor,
        }
        for reading in readings
    ]
    run(connection, _READING, {"readings": json.dumps(shown), "customer": customer})
