"""Recording: what a step's outcome writes, in one transaction that its claim must still stand for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.flows import Claim
from funding.money import Money
from funding.outcomes import BalanceReading
from funding.snapshot import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a flow stands after a step. `wait` None: nothing is due until something wakes it."""

    state: str
    status: str
    provider: str | None
    wait: timedelta | None
    visits: int = 0
    tries: int = 0
    snoozes: int = 0
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


_CHANGE = text("""
    UPDATE flows
       SET state = :state, status = :status, provider = :provider, data = data || CAST(:data AS jsonb),
           amount = coalesce(:amount, amount), asset = coalesce(:asset, asset),
           amount_out = coalesce(:amount_out, amount_out), asset_out = coalesce(:asset_out, asset_out),
           visit = visit + :visits, tries = :tries, snoozes = CASE WHEN wakes <> :wakes THEN 0 ELSE :snoozes END,
           snooze_reason = :snooze_reason,
           snoozed_attempt_id = :snoozed, attempt_id = NULL, session_id = NULL, claimed_at = NULL, claim_until = NULL,
           announced_at = NULL, moved_at = CASE WHEN :visits > 0 THEN rk_now() ELSE moved_at END,
           closed_at = CASE WHEN :status <> 'open' THEN coalesce(closed_at, rk_now()) END,
           watch_until = coalesce(watch_until, rk_now() + :watch),
           parked_reason = CASE WHEN :stays_parked THEN parked_reason ELSE :parked_reason END,
           parked_at = CASE WHEN :stays_parked OR :parked THEN coalesce(parked_at, rk_now()) END,
           due_at = CASE WHEN :status = 'closed' THEN NULL WHEN wakes <> :wakes THEN rk_now()
                         ELSE rk_now() + CAST(:wait AS interval) END
     WHERE id = :flow AND fence = :fence AND attempt_id = :attempt
    RETURNING kind, state, coalesce(due_at <= rk_now(), false) AS due_now
""")


def change_flow(connection: Connection, claim: Claim, change: Change) -> Standing | None:
    """Write the flow's new standing; None when the claim is no longer ours and nothing was written.

    A wake that came during the step makes the flow due now, whatever the step answered. One row by primary key.
    """
    row = connection.execute(
        _CHANGE,
        {
            "flow": claim.flow.id,
            "fence": claim.fence,
            "attempt": claim.attempt,
            "wakes": claim.wakes,
            "state": change.state,
            "status": change.status,
            "provider": change.provider,
            "data": json.dumps(dict(change.data)),
            "amount": change.amount.minor if change.amount else None,
            "asset": change.amount.asset if change.amount else None,
            "amount_out": change.amount_out.minor if change.amount_out else None,
            "asset_out": change.amount_out.asset if change.amount_out else None,
            "visits": change.visits,
            "tries": change.tries,
            "snoozes": change.snoozes,
            "snooze_reason": change.snooze_reason,
            "snoozed": claim.attempt if change.reuse_attempt else None,
            "watch": change.watch,
            "parked": change.parked_reason is not None,
            "parked_reason": change.parked_reason,
            "stays_parked": change.stays_parked,
            "wait": change.wait,
        },
    ).first()
    return Standing(row.kind, row.state, row.due_now) if row else None


_FINISH = text("""
    UPDATE attempts
       SET finished_at = rk_now(), outcome = :outcome, error = :error, message = :message, provider = :provider,
           request_id = :request_id
     WHERE id = :attempt
""")


def finish_attempt(
    connection: Connection,
    attempt: UUID,
    *,
    outcome: str,
    provider: str | None,
    error: str | None = None,
    message: str | None = None,
    request_id: str | None = None,
) -> None:
    """Write how an attempt ended."""
    connection.execute(
        _FINISH,
        {
            "attempt": attempt,
            "outcome": outcome,
            "provider": provider,
            "error": error,
            "message": message,
            "request_id": request_id,
        },
    )


def outcome_of(connection: Connection, attempt: UUID) -> str | None:
    """How an attempt ended, as recorded: asked when a commit was cut off and nobody knows whether it stood."""
    outcome: str | None = connection.execute(
        text("SELECT outcome FROM attempts WHERE id = :attempt"), {"attempt": attempt}
    ).scalar()
    return outcome


def write_late(connection: Connection, attempt: UUID, learned: Mapping[str, Any]) -> None:
    """A refused record still writes what it learned to its own attempt."""
    connection.execute(
        text("UPDATE attempts SET late = CAST(:late AS jsonb) WHERE id = :attempt"),
        {"attempt": attempt, "late": json.dumps(dict(learned))},
    )


_TRANSITIONS = text("""
    INSERT INTO transitions (flow_id, from_state, to_state, reason, attempt_id, effective_at)
    VALUES (:flow, :from_state, :to_state, :reason, :attempt, :at)
""")


def add_transitions(
    connection: Connection,
    claim: Claim,
    path: Sequence[tuple[str, str, datetime | None]],
    *,
    reason: str | None,
) -> None:
    """Append the states passed: (from, to, when the provider says)."""
    connection.execute(
        _TRANSITIONS,
        [
            {
                "flow": claim.flow.id,
                "from_state": before,
                "to_state": after,
                "reason": reason,
                "attempt": claim.attempt,
                "at": at,
            }
            for before, after, at in path
        ],
    )


def add_reference(connection: Connection, flow: UUID, reference: Reference) -> UUID:
    """Write that an object belongs to this flow; the flow it belongs to now: another's, if that was first."""
    owner: UUID = connection.execute(
        text("""
            INSERT INTO flow_references (provider, kind, external_id, flow_id) VALUES (:provider, :kind, :id, :flow)
            ON CONFLICT (provider, kind, external_id) DO UPDATE SET flow_id = flow_references.flow_id
            RETURNING flow_id
        """),
        {"provider": reference.provider, "kind": reference.kind, "id": reference.id, "flow": flow},
    ).scalar_one()
    return owner


def unknown_references(connection: Connection, flow: UUID, references: Sequence[Reference]) -> list[Reference]:
    """Those of the references that do not belong to this flow."""
    known = connection.execute(
        text("SELECT provider, kind, external_id FROM flow_references WHERE flow_id = :flow"), {"flow": flow}
    )
    owned = {Reference(row.provider, row.kind, row.external_id) for row in known}
    return [reference for reference in references if reference not in owned]


def add_readings(connection: Connection, readings: Sequence[BalanceReading], *, customer: str | None) -> None:
    """Keep the newest balance a provider showed."""
    if not readings:
        return
    connection.execute(
        text("""
            INSERT INTO balance_readings (provider, account, name, asset, amount, customer_id)
            VALUES (:provider, :account, :name, :asset, :amount, :customer)
            ON CONFLICT (provider, account, name, asset) DO UPDATE
               SET amount = excluded.amount, read_at = rk_now(), customer_id = excluded.customer_id
        """),
        [
            {
                "provider": reading.provider,
                "account": reading.account,
                "name": reading.name,
                "asset": reading.amount.asset,
                "amount": reading.amount.minor,
                "customer": customer,
            }
            for reading in readings
        ],
    )
