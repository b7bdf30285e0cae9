"""What the team and its people are told: one row a message and channel, written with the change it tells of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Connection, text

from db.direct import run

Channel = Literal["webhook", "apprise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotification:
    """One message for one channel. `cause` names what happened, so that a repeat tells nobody twice.

    `data` is what the message says: {flow, customer, amount, asset, text}; our ids only. `happened_at`: None is now.
    """

    id: UUID
    flow_id: UUID | None
    type: str
    cause: str
    channel: Channel
    data: Mapping[str, Any]
    happened_at: datetime | None = None


# Rows go in by cause, so that two transactions that tell the same things cannot wait for each other in a circle.
INSERT: Final = """
      INSERT INTO notifications (id, flow_id, type, cause, channel, data, happened_at)
      SELECT t.id, t.flow_id, t.type, t.cause, t.channel, t.data, coalesce(t.happened_at, rk_now())
        FROM jsonb_to_recordset(CAST(:notifications AS jsonb))
             AS t(id uuid, flow_id uuid, type text, cause text, channel text, data jsonb, happened_at timestamptz)
       ORDER BY t.flow_id, t.type, t.cause, t.channel
      ON CONFLICT (flow_id, type, cause, channel) DO NOTHING
      RETURNING id
"""
_INSERT: Final = text(INSERT)


def insert(connection: Connection, rows: Sequence[NewNotification]) -> list[UUID]:
    """Store them, due now; the ids of those that are new. One already told by its cause is left as it is.

    Served by uq_notifications_cause.
    """
    return [row.id for row in run(connection, _INSERT, {"notifications": as_json(rows)}).fetchall()] if rows else []


def as_json(rows: Sequence[NewNotification]) -> str:
    """The rows as `INSERT` takes them."""
    return json.dumps(
        [
            {
                "id": str(row.id),
                "flow_id": row.flow_id and str(row.flow_id),
                "type": row.type,
                "cause": row.cause,
                "channel": row.channel,
                "data": dict(row.data),
                "happened_at": row.happened_at and row.happened_at.isoformat(),
            }
            for row in rows
        ]
    )


# Delivery ------------------------------------------------------------------------------------------

LEASE: Final = timedelta(seconds=90)  # far above the deadline of a sending; a lost worker's claim runs out with it

# A channel whose receiver said "gone" sends nothing, and what came in since is held with the rest.
_HOLD_ONE: Final = text("""
    UPDATE notifications n SET state = 'held', due_at = NULL, last_error = :why
    WHERE n.id = :id AND n.state = 'due' AND coalesce(n.due_at <= rk_now(), false)
      AND EXISTS (SELECT FROM notifications h WHERE h.state = 'held' AND h.channel = n.channel)
""")

# Its commit does not wait for the disk: a claim that is lost with Postgres is made again, and the message sent again.
_CLAIM: Final = text("""
    UPDATE notifications n
    SET fence = fence + 1, attempts = attempts + 1, due_at = rk_now() + :lease, claim_until = rk_now() + :lease
    WHERE id = :id AND state = 'due' AND coalesce(due_at <= rk_now(), false)  -- by its key, as in db.claims
      AND NOT EXISTS (SELECT FROM notifications h WHERE h.state = 'held' AND h.channel = n.channel)
    RETURNING id, flow_id, type, channel, data, happened_at, attempts, fence, rk_now() AS now,
              set_config('synchronous_commit', 'off', true)
""")

_REACHED: Final = text("""
    SELECT answer FROM notification_attempts WHERE notification_id = :id ORDER BY id DESC LIMIT :attempts
""")

_RECORD: Final = text("""
    WITH noted AS (
      INSERT INTO notification_attempts (notification_id, status, error, took_ms, answer)
      VALUES (:id, :status, :error, :took_ms, :answer)
    )
    UPDATE notifications
    SET state = :state, due_at = CASE WHEN :state = 'due' THEN rk_now() + CAST(:wait AS interval) END,
        announced_at = NULL, claim_until = NULL, last_status = :status, last_error = :error,
        delivered_at = CASE WHEN :state = 'delivered' THEN rk_now() ELSE delivered_at END
    WHERE id = :id AND fence = :fence AND state = 'due'
    RETURNING id
""")

# Those being sent right now are left to their own records: two records that hold each other's rows would lock.
_HOLD_CHANNEL: Final = text("""
    UPDATE notifications SET state = 'held', due_at = NULL, last_error = :why
    WHERE id IN (
      SELECT id FROM notifications
      WHERE due_at IS NOT NULL AND channel = :channel AND (claim_until IS NULL OR claim_until <= rk_now())
      ORDER BY id FOR UPDATE SKIP LOCKED)
    RETURNING id
""")

_RESUME: Final = text("""
    UPDATE notifications
    SET state = 'due', due_at = rk_now(), announced_at = NULL, attempts = 0, claim_until = NULL, fence = fence + 1
    WHERE id IN (SELECT id FROM notifications WHERE state = 'held' AND channel = :channel ORDER BY id FOR UPDATE)
    RETURNING id
""")

_RESEND: Final = text("""
    UPDATE notifications
    SET state = 'due', due_at = rk_now(), announced_at = NULL, attempts = 0, claim_until = NULL, fence = fence + 1
    WHERE id = :id RETURNING id
""")

HELD: Final = "its receiver answered 410: held until someone resumes the channel"

State = Literal["due", "delivered", "exhausted", "held"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedNotification:
    """One message to send now. `attempt` counts from 1; `earlier_answers` are what those before it noted."""

    id: UUID
    flow_id: UUID | None
    type: str
    channel: Channel
    data: Mapping[str, Any]
    happened_at: datetime
    attempt: int
    fence: int
    now: datetime
    earlier_answers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an attempt ended: the state that follows, and `wait` until the next one when that is due."""

    state: State
    wait: timedelta = timedelta(0)
    status: int | None = None
    error: str | None = None
    answer: str | None = None
    took_ms: int = 0


def claim(connection: Connection, notification_id: UUID) -> ClaimedNotification | None:
    """Take a due message for the length of a lease; None: not due, taken, over, or its channel is held.

    Locks that row. The primary key finds it; ix_notifications_undelivered tells whether the channel is held, and
    ix_notification_attempts_notification what was answered before.
    """
    row = run(connection, _CLAIM, {"id": notification_id, "lease": LEASE}).fetchone()
    if row is None:
        connection.execute(_HOLD_ONE, {"id": notification_id, "why": HELD})
        return None
    earlier = row.attempts - 1
    found = run(connection, _REACHED, {"id": row.id, "attempts": earlier}).fetchall() if earlier else ()
    return ClaimedNotification(
        id=row.id,
        flow_id=row.flow_id,
        type=row.type,
        channel=row.channel,
        data=row.data,
        happened_at=row.happened_at,
        attempt=row.attempts,
        fence=row.fence,
        now=row.now,
        earlier_answers=tuple(one.answer for one in found if one.answer),
    )


def record(connection: Connection, claimed: ClaimedNotification, ended: Ended) -> bool:
    """Write how it ended; False: someone else holds the message since, so only the attempt is noted.

    Ended as held, every due message of the channel is held with it. Locks the row, then those rows in id order,
    skipping what others hold. Served by the primary key and ix_notifications_due.
    """
    ours = run(
        connection,
        _RECORD,
        {
            "id": claimed.id,
            "fence": claimed.fence,
            "state": ended.state,
            "wait": ended.wait,
            "status": ended.status,
            "error": ended.error,
            "took_ms": ended.took_ms,
            "answer": ended.answer,
        },
    ).fetchone()
    if ours is None:
        return False
    if ended.state == "held":
        connection.execute(_HOLD_CHANNEL, {"channel": claimed.channel, "why": HELD})
    return True


def resume(connection: Connection, channel: Channel) -> list[UUID]:
    """Let a held channel go on: everything held is due now, with the whole schedule before it. Gives their ids.

    Locks those rows in id order. Served by ix_notifications_undelivered.
    """
    return list(connection.execute(_RESUME, {"channel": channel}).scalars())


def resend(connection: Connection, notification_id: UUID) -> bool:
    """Send a message again, whatever became of it, under its own id. False: there is none.

    An attempt under way is noted but decides nothing any more. Locks the row, found by the primary key.
    """
    return connection.execute(_RESEND, {"id": notification_id}).first() is not None
