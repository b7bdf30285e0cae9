"""Replays that are watched: a run releases its letters one after another. Tables `replay_runs`, `replay_run_letters`.

All that changes a run's letters locks its row first, as its holder, so that no letter is released twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from db.replay import Letter

HELD_FOR: Final = timedelta(seconds=15)  # a run whose holder has not said a word for so long can be resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A run that is ours for now. `rate`: a second; `stop_after`: letters that may come back, None: any number."""

    rate: int
    stop_after: int | None
    next_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a run stands. `held_for`: how long from now its holder keeps it; None: nobody does."""

    asked_by: str
    status: str
    held_for: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A run's letters: whose turn has not come, that are being tried, and that ended in each way."""

    letters: int
    waiting: int
    trying: int
    resolved: int
    came_back: int
    held_back: int
    abandoned: int


COUNTS: Final = """
    count(*) AS letters, count(*) FILTER (WHERE l.answer IS NULL AND l.outcome IS NULL) AS waiting,
    count(*) FILTER (WHERE l.answer IS NOT NULL AND l.outcome IS NULL) AS trying,
    count(*) FILTER (WHERE l.outcome = 'resolved') AS resolved,
    count(*) FILTER (WHERE l.outcome = 'came_back') AS came_back,
    count(*) FILTER (WHERE l.outcome = 'held_back') AS held_back,
    count(*) FILTER (WHERE l.outcome = 'abandoned') AS abandoned
"""


def begin(
    connection: Connection,
    run: UUID,
    letters: Sequence[Letter],
    *,
    holder: UUID,
    by: str,
    wanted: str,
    rate: int,
    stop_after: int | None,
) -> None:
    """Write a run down with its letters, in the order given, held by `holder`."""
    connection.execute(
        text("""
            INSERT INTO replay_runs (id, asked_by, wanted, rate, stop_after, holder, held_until)
            VALUES (:id, :by, :wanted, :rate, :stop_after, :holder, rk_now() + CAST(:held AS interval))
        """),
        {
            "id": run,
            "by": by,
            "wanted": wanted,
            "rate": rate,
            "stop_after": stop_after,
            "holder": holder,
            "held": HELD_FOR,
        },
    )
    connection.execute(
        text("""
            INSERT INTO replay_run_letters (run_id, number, letter_id, customer_id)
            SELECT :run, w.number, w.letter, w.customer
              FROM unnest(CAST(:letters AS uuid[]), CAST(:customers AS text[])) WITH ORDINALITY
                   AS w(letter, customer, number)
        """),
        {
            "run": run,
            "letters": [letter.id for letter in letters],
            "customers": [letter.customer for letter in letters],
        },
    )


def standing(connection: Connection, run: UUID) -> Standing | None:
    """How a run stands, its row locked; None: there is no such run. By primary key."""
    row = connection.execute(
        text("""
            SELECT asked_by, status, CASE WHEN held_until > rk_now() THEN held_until - rk_now() END AS held_for
              FROM replay_runs WHERE id = :id FOR UPDATE
        """),
        {"id": run},
    ).first()
    return Standing(asked_by=row.asked_by, status=row.status, held_for=row.held_for) if row else None


def take(connection: Connection, run: UUID, *, holder: UUID) -> None:
    """Hold a run, already locked, that is not over and that nobody holds."""
    connection.execute(
        text("""
            UPDATE replay_runs SET status = 'running', holder = :holder, held_until = rk_now() + CAST(:held AS interval)
             WHERE id = :id
        """),
        {"id": run, "holder": holder, "held": HELD_FOR},
    )


def keep(connection: Connection, run: UUID, *, holder: UUID) -> Held | None:
    """Hold on to a run and lock its row; None: it is somebody else's by now, or over. By primary key."""
    row = connection.execute(
        text("""
            UPDATE replay_runs SET held_until = rk_now() + CAST(:held AS interval)
             WHERE id = :id AND holder = :holder RETURNING rate, stop_after, next_at
        """),
        {"id": run, "holder": holder, "held": HELD_FOR},
    ).first()
    return Held(rate=row.rate, stop_after=row.stop_after, next_at=row.next_at) if row else None


def let_go(connection: Connection, run: UUID, *, holder: UUID, status: str) -> None:
    """Give a run up as "interrupted", or end it as "done" or "stopped". Nothing happens when it is not ours."""
    connection.execute(
        text("""
            UPDATE replay_runs SET status = :status, holder = NULL, held_until = NULL,
                                   finished_at = CASE WHEN :status IN ('done', 'stopped') THEN rk_now() END
             WHERE id = :id AND holder = :holder
        """),
        {"id": run, "holder": holder, "status": status},
    )


def settle(connection: Connection, run: UUID) -> None:
    """Note what came of letters being tried. A customer's letters that wait behind one that came back are held back.

    Locks no letter. Served by ix_replay_run_letters_trying, then by ix_replay_run_letters_customer.
    """
    rows = connection.execute(
        text("""
            UPDATE replay_run_letters l
               SET outcome = CASE d.status WHEN 'open' THEN 'came_back' ELSE d.status END, ended_at = rk_now()
              FROM dead_letters d
             WHERE l.run_id = :run AND l.answer IS NOT NULL AND l.outcome IS NULL
               AND d.id = l.letter_id AND d.status <> 'replaying'
            RETURNING l.customer_id, l.outcome
        """),
        {"run": run},
    )
    behind = [row.customer_id for row in rows if row.outcome == "came_back" and row.customer_id is not None]
    if behind:
        connection.execute(
            text("""
                UPDATE replay_run_letters SET outcome = 'held_back', ended_at = rk_now()
                 WHERE run_id = :run AND customer_id = ANY(:customers) AND answer IS NULL AND outcome IS NULL
            """),
            {"run": run, "customers": behind},
        )


def counts(connection: Connection, run: UUID) -> Counts:
    """A run's letters counted. Reads them all, by the primary key."""
    counted = text(f"SELECT {COUNTS} FROM replay_run_letters l WHERE l.run_id = :run")  # noqa: S608 -- a constant
    return Counts(**connection.execute(counted, {"run": run}).mappings().one())


def next_letters(connection: Connection, run: UUID, *, limit: int) -> list[UUID]:
    """Letters whose turn has come, in their order: those whose customer has none before them that has not ended.

    Locks nothing: the run's row is locked. Served by ix_replay_run_letters_waiting and ix_replay_run_letters_customer.
    """
    rows = connection.execute(
        text("""
            SELECT l.letter_id FROM replay_run_letters l
             WHERE l.run_id = :run AND l.answer IS NULL AND l.outcome IS NULL
               AND NOT EXISTS (SELECT FROM replay_run_letters b
                                WHERE b.run_id = l.run_id AND b.customer_id = l.customer_id AND b.number < l.number
                                  AND b.outcome IS NULL)
             ORDER BY l.number LIMIT :limit
        """),
        {"run": run, "limit": limit},
    )
    return list(rows.scalars())


def now(connection: Connection) -> datetime:
    """The database's clock."""
    found: datetime = connection.execute(text("SELECT rk_now()")).scalar_one()
    return found


def answer(
    connection: Connection, run: UUID, answers: Sequence[tuple[UUID, str, str | None]], *, next_at: datetime
) -> None:
    """Note of each letter what was answered, and its outcome where there is one already; none is due before `next_at`.

    By uq of run and letter.
    """
    connection.execute(
        text("""
            UPDATE replay_run_letters l
               SET answer = w.answer, answered_at = rk_now(), outcome = w.outcome,
                   ended_at = CASE WHEN w.outcome IS NOT NULL THEN rk_now() END
              FROM unnest(CAST(:letters AS uuid[]), CAST(:answers AS text[]), CAST(:outcomes AS text[]))
                   AS w(letter, answer, outcome)
             WHERE l.run_id = :run AND l.letter_id = w.letter
        """),
        {
            "run": run,
            "letters": [letter for letter, _, _ in answers],
            "answers": [said for _, said, _ in answers],
            "outcomes": [outcome for _, _, outcome in answers],
        },
    )
    connection.execute(text("UPDATE replay_runs SET next_at = :at WHERE id = :id"), {"id": run, "at": next_at})
