"""The clock: who leads, what the timetable is, and its ticks. Tables `clock_leases`, `clock_jobs`, `ticks`.

Whatever the leader writes, it writes only while its term still holds the lease: the statement itself checks, and
keeps the lease's row locked until its commit, so that no other clock can take over in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

LEASE: Final = "clock"
TICK_LEASE: Final = timedelta(seconds=60)  # a claimed tick is anyone's again after this; long runs renew it


@dataclass(frozen=True, slots=True)
class Lead:
    """Who leads: a holder, and the term that fences what it writes."""

    holder: UUID
    term: int


class LostLead(Exception):
    """The lease is no longer ours: nothing was written, stop acting."""


# The lease ------------------------------------------------------------------------------------------------------------

_TAKE = text("""
    INSERT INTO clock_leases AS l (name, holder, term, renewed_at, expires_at)
    VALUES (:name, :holder, 1, rk_now(), rk_now() + :lasts)
    ON CONFLICT (name) DO UPDATE
       SET holder = excluded.holder, term = l.term + 1,
           renewed_at = excluded.renewed_at, expires_at = excluded.expires_at
     WHERE l.expires_at <= rk_now()
    RETURNING term
""")

_RENEW = text("""
    UPDATE clock_leases SET renewed_at = rk_now(), expires_at = rk_now() + :lasts
     WHERE name = :name AND holder = :holder AND term = :term AND expires_at > rk_now()
""")

_RELEASE = text("""
    UPDATE clock_leases SET expires_at = rk_now() WHERE name = :name AND holder = :holder AND term = :term
""")

_HOLD = text("""
    SELECT FROM clock_leases
     WHERE name = :name AND holder = :holder AND term = :term AND expires_at > rk_now() FOR SHARE
""")


def take_lead(connection: Connection, holder: UUID, *, lasts: timedelta) -> Lead | None:
    """Take the lease if nobody holds it, with a new term; None while somebody does. The database's clock decides."""
    term = connection.execute(_TAKE, {"name": LEASE, "holder": holder, "lasts": lasts}).scalar_one_or_none()
    return None if term is None else Lead(holder, term)


def renew_lead(connection: Connection, lead: Lead, *, lasts: timedelta) -> bool:
    """Hold it longer; False when it has run out or is another's."""
    return connection.execute(_RENEW, {**_named(lead), "lasts": lasts}).rowcount == 1


def release_lead(connection: Connection, lead: Lead) -> None:
    """Let it go, so that another clock takes over at once."""
    connection.execute(_RELEASE, _named(lead))


def hold_lead(connection: Connection, lead: Lead) -> None:
    """Make sure that `lead` leads until this transaction ends: locks the lease's row. Raises: LostLead."""
    if connection.execute(_HOLD, _named(lead)).first() is None:
        raise LostLead(f"term {lead.term} is over")


def _named(lead: Lead) -> dict[str, object]:
    return {"name": LEASE, "holder": lead.holder, "term": lead.term}


# The timetable and its ticks ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slots:
    """When a job runs: at every whole multiple of `every` since the epoch, `offset` later."""

    job: str
    every: timedelta
    offset: timedelta = timedelta(0)


_DECLARE = text("""
    WITH declared AS (
      INSERT INTO clock_jobs AS j (job, every, term)
      SELECT job, every, :term
        FROM unnest(CAST(:jobs AS text[]), CAST(:every AS interval[])) AS u(job, every) ORDER BY job
      ON CONFLICT (job) DO UPDATE SET every = excluded.every, term = excluded.term,
             declared_at = CASE WHEN j.every = excluded.every THEN j.declared_at ELSE rk_now() END
    )
    DELETE FROM clock_jobs WHERE job <> ALL(:jobs)
""")

# A slot missed while nobody led is late, once: older slots of the job are skipped, and its older ticks that nobody
# has begun are passed over.
_TICK = text("""
    WITH slots AS (
      SELECT job, to_timestamp(floor((extract(epoch FROM rk_now()) - lag) / every) * every + lag) AS slot
        FROM unnest(CAST(:jobs AS text[]), CAST(:every AS numeric[]), CAST(:lags AS numeric[])) AS u(job, every, lag)
    ), fresh AS (
      INSERT INTO ticks (job, slot, term)
      SELECT job, slot, :term FROM slots s
       WHERE NOT EXISTS (SELECT FROM ticks t WHERE t.job = s.job AND t.slot >= s.slot)
       ORDER BY job
      ON CONFLICT DO NOTHING
      RETURNING job, slot
    ), passed_over AS (
      UPDATE ticks t SET due_at = NULL, finished_at = rk_now(), outcome = 'passed over', detail = 'a newer tick exists'
        FROM fresh f
       WHERE t.job = f.job AND t.slot < f.slot AND t.due_at IS NOT NULL
         AND (t.claim_until IS NULL OR t.claim_until <= rk_now())
    )
    SELECT job, slot FROM fresh ORDER BY job
""")


def declare(connection: Connection, lead: Lead, timetable: Sequence[Slots]) -> None:
    """Write down the whole timetable; jobs no longer in it are forgotten. Raises: LostLead."""
    hold_lead(connection, lead)
    connection.execute(
        _DECLARE,
        {"term": lead.term, "jobs": [s.job for s in timetable], "every": [s.every for s in timetable]},
    )


def insert_ticks(connection: Connection, lead: Lead, timetable: Sequence[Slots]) -> Sequence[tuple[str, datetime]]:
    """The newest slot of each job, where it has no tick yet: job and slot of the new ticks. Raises: LostLead.

    Unique by job and slot; a slot older than a job's newest tick is never inserted. Served by the primary key.
    """
    hold_lead(connection, lead)
    rows = connection.execute(
        _TICK,
        {
            "term": lead.term,
            "jobs": [s.job for s in timetable],
            "every": [s.every.total_seconds() for s in timetable],
            "lags": [s.offset.total_seconds() for s in timetable],
        },
    )
    return [(row.job, row.slot) for row in rows]


@dataclass(frozen=True, slots=True)
class TickClaim:
    """A worker's hold on a tick, until its lease ends."""

    job: str
    slot: datetime
    fence: int


# One run of a job at a time: while another tick of it is under way, this one stays due.
_CLAIM_TICK = text("""
    UPDATE ticks t
       SET fence = t.fence + 1, attempts = t.attempts + 1, session_id = :session, announced_at = NULL,
           claim_until = rk_now() + :lease, due_at = rk_now() + :lease
     WHERE t.job = :job AND t.slot = :slot AND t.due_at <= rk_now()
       AND NOT EXISTS (SELECT FROM ticks o WHERE o.job = t.job AND o.slot <> t.slot AND o.due_at IS NOT NULL
                                             AND o.claim_until > rk_now())
    RETURNING t.fence
""")

_KEEP_TICK = text("""
    UPDATE ticks SET claim_until = rk_now() + :lease, due_at = rk_now() + :lease
     WHERE job = :job AND slot = :slot AND fence = :fence AND finished_at IS NULL
""")

_FINISH_TICK = text("""
    UPDATE ticks SET due_at = NULL, claim_until = NULL, finished_at = rk_now(), outcome = :outcome, detail = :detail
     WHERE job = :job AND slot = :slot AND fence = :fence AND finished_at IS NULL
""")


def claim_tick(
    connection: Connection, job: str, slot: datetime, *, session: UUID | None = None, lease: timedelta = TICK_LEASE
) -> TickClaim | None:
    """Take hold of a due tick; None when it is done, held, or another tick of its job is under way."""
    fence = connection.execute(
        _CLAIM_TICK, {"job": job, "slot": slot, "session": session, "lease": lease}
    ).scalar_one_or_none()
    return None if fence is None else TickClaim(job, slot, fence)


def keep_tick(connection: Connection, claim: TickClaim, *, lease: timedelta = TICK_LEASE) -> bool:
    """Hold it longer; False when it is no longer ours."""
    return connection.execute(_KEEP_TICK, {**_tick(claim), "lease": lease}).rowcount == 1


def finish_tick(connection: Connection, claim: TickClaim, *, outcome: str, detail: str | None = None) -> bool:
    """Write how the run ended ("done", "failed", ...); False, and nothing written, when it is no longer ours."""
    return connection.execute(_FINISH_TICK, {**_tick(claim), "outcome": outcome, "detail": detail}).rowcount == 1


def _tick(claim: TickClaim) -> dict[str, object]:
    return {"job": claim.job, "slot": claim.slot, "fence": claim.fence}


@dataclass(frozen=True, slots=True)
class SilentJob:
    """A job of the timetable whose last tick is older than two of its intervals. `last_slot` None: it never ticked."""

    job: str
    every: timedelta
    last_slot: datetime | None
    silent_for: timedelta


_SILENT = text("""
    SELECT j.job, j.every, t.slot AS last_slot, rk_now() - coalesce(t.slot, j.declared_at) AS silent_for
      FROM clock_jobs j
      LEFT JOIN LATERAL (SELECT max(slot) AS slot FROM ticks WHERE ticks.job = j.job) t ON true
     WHERE coalesce(t.slot, j.declared_at) < rk_now() - 2 * j.every
     ORDER BY j.job
""")


def silent_jobs(connection: Connection) -> Sequence[SilentJob]:
    """Jobs nobody has ticked for more than two intervals, whichever clock should have. Served by the primary key."""
    return [SilentJob(row.job, row.every, row.last_slot, row.silent_for) for row in connection.execute(_SILENT)]
