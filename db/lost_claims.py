"""Claims whose worker is gone: found by its session's beat, freed by the clock's leader."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from db.clock import Lead, hold_lead

_BEATS = text("SELECT id, beat FROM worker_sessions WHERE ended_at IS NULL AND dead_at IS NULL")

_DECLARE_DEAD = text("""
    UPDATE worker_sessions s SET dead_at = rk_now()
      FROM unnest(CAST(:ids AS uuid[]), CAST(:beats AS bigint[])) AS seen(id, beat)
     WHERE s.id = seen.id AND s.beat = seen.beat AND s.ended_at IS NULL AND s.dead_at IS NULL
    RETURNING s.id
""")

# A session just declared dead counts as gone here, because this statement sees what its own transaction wrote; and a
# claim that a dying session had under way while it was declared dead is met by the next pass, as is a flow that
# somebody has locked: the leader waits for nobody, for all of its work would wait with it.
_FREE = text("""
    WITH lost AS (
      SELECT f.id, f.attempt_id FROM flows f
       WHERE f.attempt_id IS NOT NULL
         AND (f.claim_until <= rk_now()
              OR NOT EXISTS (SELECT FROM worker_sessions s
                              WHERE s.id = f.session_id AND s.ended_at IS NULL AND s.dead_at IS NULL))
       ORDER BY f.id FOR UPDATE OF f SKIP LOCKED
    ), freed AS (
      UPDATE flows f
         SET attempt_id = NULL, session_id = NULL, claimed_at = NULL, claim_until = NULL, announced_at = NULL,
             due_at = CASE WHEN f.status <> 'closed' THEN least(coalesce(f.due_at, rk_now()), rk_now()) END
        FROM lost WHERE f.id = lost.id AND f.attempt_id = lost.attempt_id
      RETURNING f.id
    )
    UPDATE attempts a SET outcome = 'lost', finished_at = rk_now()
      FROM lost WHERE a.id = lost.attempt_id AND a.finished_at IS NULL
    RETURNING a.flow_id
""")


@dataclass(frozen=True, slots=True)
class Freed:
    """What one pass did: sessions declared dead, and flows that are anyone's again."""

    sessions: tuple[UUID, ...]
    flows: tuple[UUID, ...]


def beats(connection: Connection) -> dict[UUID, int]:
    """The beat of every live session. Served by ix_worker_sessions_live."""
    return {row.id: row.beat for row in connection.execute(_BEATS)}


def free(connection: Connection, lead: Lead, still: Mapping[UUID, int]) -> Freed:
    """Declare dead the sessions whose beat is still that of `still`, and free what the dead hold. Raises: LostLead.

    Freed is every claim without a live session, and every one past its own limit; the fence stays, so that the lost
    worker's record is refused. All in the caller's transaction; flows that are locked are left to the next pass.
    Served by ix_flows_claimed.
    """
    hold_lead(connection, lead)
    dead = []
    if still:
        dead = list(connection.execute(_DECLARE_DEAD, {"ids": list(still), "beats": list(still.values())}).scalars())
    freed = connection.execute(_FREE).scalars()
    return Freed(tuple(dead), tuple(freed))
