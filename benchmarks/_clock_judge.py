"""What a pair's ticks say of its clocks: how late the latest was, which slots have none, and who ticked out of turn."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import psycopg

WITHIN: Final = timedelta(seconds=10)  # of its slot, a tick is there

# All jobs are ticked by one statement: a slot a second older than any tick has its own by then, or never will.
_LATE_AND_MISSED: Final = """
    WITH told AS (
      SELECT min(created_at) AS began, greatest(max(created_at) - interval '1 s', rk_now() - %(within)s) AS until
        FROM ticks
    ), jobs AS (
      SELECT j.job, j.every, (SELECT min(slot) FROM ticks t WHERE t.job = j.job) AS first FROM clock_jobs j
    )
    SELECT coalesce((SELECT max(extract(epoch FROM t.created_at - t.slot)) FROM ticks t WHERE t.slot > told.began), 0),
           (SELECT count(*) FROM jobs CROSS JOIN LATERAL generate_series(first + every, told.until, every) AS s(slot)
             WHERE NOT EXISTS (SELECT FROM ticks t WHERE t.job = jobs.job AND t.slot = s.slot))
           + (SELECT count(*) FROM jobs WHERE first IS NULL),
           (SELECT count(*) FROM ticks t WHERE t.slot > told.began)
      FROM told
"""
_OUT_OF_TURN: Final = """
    SELECT count(*) FROM ticks a
     WHERE EXISTS (SELECT FROM ticks b WHERE b.term > a.term AND b.created_at < a.created_at)
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """Of one database. `late_s`: the latest tick behind its slot. `ticks`: those judged, of slots since it began."""

    late_s: float
    missed: int
    doubled: int
    ticks: int


def judge(database_url: str, announced: Sequence[tuple[str, str]]) -> Judged:
    """Judge all ticks there; `announced`: job and slot of each that a clock says it has made.

    A slot is missed when it has no tick although `WITHIN` has passed or a later tick of any job was made. Older
    slots coalesce by design, but no job here may come round within `WITHIN`: what was passed over was also too late.
    Slots from before the first leader count for nothing. A tick is doubled when two say that they made it, or when a
    leader made one after another had followed it; that a slot has two rows, the table's key forbids.
    """
    with psycopg.connect(database_url) as connection:
        soonest = connection.execute("SELECT min(every) FROM clock_jobs").fetchone()
        if soonest is None or soonest[0] is None or soonest[0] <= WITHIN:
            raise ValueError("there must be jobs, none as often as a takeover may last")
        judged = connection.execute(_LATE_AND_MISSED, {"within": WITHIN}).fetchone()
        out_of_turn = connection.execute(_OUT_OF_TURN).fetchone()
    if judged is None or out_of_turn is None:
        raise AssertionError("an aggregate has one row")
    twice = sum(times - 1 for times in Counter(announced).values())
    return Judged(late_s=float(judged[0]), missed=judged[1], doubled=out_of_turn[0] + twice, ticks=judged[2])
