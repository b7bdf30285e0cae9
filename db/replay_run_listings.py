"""What lists and shows read of replays that are watched. Nothing here locks."""

# ruff: noqa: S608 (queries are put together from constants of this package; values are always parameters)

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from db.listings import id_range
from db.replay_runs import COUNTS

# A run whose holder was killed says nothing more: who reads it sees that it is interrupted.
_RUN: Final = f"""
    SELECT r.id::text AS id, r.asked_by AS "by", r.wanted AS filter, r.rate, r.stop_after,
           CASE WHEN r.status = 'running' AND r.held_until <= rk_now() THEN 'interrupted' ELSE r.status END AS status,
           c.*, r.started_at, r.finished_at
      FROM replay_runs r
     CROSS JOIN LATERAL (SELECT {COUNTS} FROM replay_run_letters l WHERE l.run_id = r.id) c
"""


def list_runs(connection: Connection, *, limit: int) -> list[dict[str, Any]]:
    """Runs with their counts, the newest first. Served by ix_replay_runs_started_at, walked backwards."""
    rows = connection.execute(text(f"{_RUN} ORDER BY r.started_at DESC, r.id LIMIT :limit"), {"limit": limit})
    return [dict(row) for row in rows.mappings()]


def show_run(connection: Connection, run: UUID) -> dict[str, Any] | None:
    """One run with `results`, in their order; None: there is none of that id.

    `result` of a letter: resolved, came back, held back, abandoned, still trying, waiting; not tried, where the run is
    over. What a letter being tried has come to since the run last looked is read from the letter itself.
    """
    row = connection.execute(text(f"{_RUN} WHERE r.id = :run"), {"run": run}).mappings().first()
    if row is None:
        return None
    letters = connection.execute(
        text("""
            SELECT l.number, l.letter_id::text AS letter, d.flow_id::text AS flow, d.event_id::text AS event,
                   l.customer_id AS customer, d.kind, l.answer, l.answered_at, l.ended_at, d.error,
                   CASE WHEN l.outcome IS NOT NULL THEN replace(l.outcome, '_', ' ')
                        WHEN l.answer IS NULL THEN CASE WHEN r.finished_at IS NULL THEN 'waiting' ELSE 'not tried' END
                        WHEN d.status = 'replaying' THEN 'still trying'
                        WHEN d.status = 'open' THEN 'came back'
                        ELSE d.status END AS result
              FROM replay_run_letters l
              JOIN replay_runs r ON r.id = l.run_id
              JOIN dead_letters d ON d.id = l.letter_id
             WHERE l.run_id = :run ORDER BY l.number
        """),
        {"run": run},
    )
    return {**row, "results": [dict(letter) for letter in letters.mappings()]}


def runs_by_start(connection: Connection, start: str) -> list[UUID]:
    """The ids that begin with `start`, at most two, to tell one from several. Served by the primary key."""
    between = id_range(start)
    if between is None:
        return []
    found = text("SELECT id FROM replay_runs WHERE id BETWEEN :first AND :last LIMIT 2")
    return list(connection.execute(found, {"first": between[0], "last": between[1]}).scalars())
