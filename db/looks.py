"""Looks: one object or list to be read soon, because an event named it without saying enough. Table `looks`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, text

LOOK_LEASE: Final = timedelta(seconds=60)

# One that is under way keeps its lease: the raised `asks` makes it due again when it ends.
_ASK = text("""
    INSERT INTO looks AS l (provider, poll, subject) VALUES (:provider, :poll, :subject)
    ON CONFLICT (provider, poll, subject) DO UPDATE
       SET asks = l.asks + 1, attempts = 0, announced_at = NULL,
           due_at = CASE WHEN l.claim_until > rk_now() THEN l.due_at ELSE least(l.due_at, rk_now()) END
""")

# The fence is the moment in microseconds: a row that was deleted and asked for anew never repeats one.
_CLAIM = text("""
    UPDATE looks SET fence = (extract(epoch FROM rk_now()) * 1000000)::bigint, attempts = attempts + 1,
                     announced_at = NULL, claim_until = rk_now() + :lease, due_at = rk_now() + :lease
     WHERE provider = :provider AND poll = :poll AND subject = :subject AND due_at <= rk_now()
    RETURNING fence, asks, attempts, rk_now() AS at
""")

_FINISH = text("""
    DELETE FROM looks
     WHERE provider = :provider AND poll = :poll AND subject = :subject AND fence = :fence AND asks = :asks
""")

_PUT_OFF = text("""
    UPDATE looks SET claim_until = NULL, attempts = attempts - CASE WHEN :counts THEN 0 ELSE 1 END,
                     due_at = rk_now() + CASE WHEN asks = :asks THEN CAST(:wait AS interval) ELSE interval '0' END
     WHERE provider = :provider AND poll = :poll AND subject = :subject AND fence = :fence
""")


@dataclass(frozen=True, slots=True)
class LookClaim:
    """A worker's hold on a look, until its lease ends. `attempts` counts from 1 since it was last asked for."""

    provider: str
    poll: str
    subject: str
    fence: int
    asks: int
    attempts: int
    at: datetime


def ask(connection: Connection, provider: str, poll: str, subject: str) -> None:
    """Have that be read now; one that is under way is done once more. Locks one row by primary key."""
    connection.execute(_ASK, {"provider": provider, "poll": poll, "subject": subject})


def claim(
    connection: Connection, provider: str, poll: str, subject: str, *, lease: timedelta = LOOK_LEASE
) -> LookClaim | None:
    """Take hold of a due look; None when it is done, not due, or someone else's."""
    named = {"provider": provider, "poll": poll, "subject": subject}
    row = connection.execute(_CLAIM, {**named, "lease": lease}).first()
    return LookClaim(provider, poll, subject, row.fence, row.asks, row.attempts, row.at) if row else None


def finish(connection: Connection, claim: LookClaim) -> None:
    """It is done. Asked for again meanwhile, it is due at once; nothing happens when the hold is no longer ours."""
    if connection.execute(_FINISH, _held(claim)).rowcount == 0:
        put_off(connection, claim, wait=timedelta(0))


def put_off(connection: Connection, claim: LookClaim, *, wait: timedelta, counts: bool = True) -> None:
    """Read it again after `wait`, or at once when it was asked for meanwhile. What got no answer need not count."""
    connection.execute(_PUT_OFF, {**_held(claim), "wait": wait, "counts": counts})


def _held(claim: LookClaim) -> dict[str, object]:
    return {
        "provider": claim.provider,
        "poll": claim.poll,
        "subject": claim.subject,
        "fence": claim.fence,
        "asks": claim.asks,
    }
