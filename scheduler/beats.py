"""Which workers are gone: those whose beat we ourselves have read unchanged for long enough, and nothing less."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from db import lost_claims
from db.clock import Lead
from db.engine import UnitOfWork
from db.lost_claims import Freed

SILENT_FOR: Final = timedelta(seconds=8)  # a worker beats every 2 s
READ_WITHIN_S: Final = 3.0  # a longer time between two readings hides whether anybody could beat


class Beats:
    """The leader's own readings of every session's beat.

    All times are our own monotonic clock's, so no other machine's clock matters. A reading that failed, or came
    late, forgets all that was read before: while Postgres is away nobody can beat.
    """

    def __init__(
        self,
        begin: UnitOfWork,
        *,
        silent_for: timedelta = SILENT_FOR,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._begin = begin
        self._silent_for_s = silent_for.total_seconds()
        self._monotonic = monotonic
        self._seen: dict[UUID, tuple[int, float]] = {}  # beat, and when we first read it
        self._read = float("-inf")

    def run(self, lead: Lead) -> Freed:
        """Read all beats, and free what silent sessions hold. Raises: LostLead, errors of the database."""
        try:
            asked = self._monotonic()
            with self._begin() as connection:
                still = self._compare(asked, lost_claims.beats(connection))
                return lost_claims.free(connection, lead, still)
        except Exception:
            self.forget()
            raise

    def forget(self) -> None:
        """Begin anew."""
        self._seen.clear()

    def _compare(self, asked: float, beats: dict[UUID, int]) -> dict[UUID, int]:
        answered = self._monotonic()
        if answered - self._read > READ_WITHIN_S:
            self.forget()
        self._read = answered
        before, self._seen = self._seen, {}
        for session, beat in beats.items():
            known = before.get(session)
            self._seen[session] = known if known and known[0] == beat else (beat, answered)
        return {s: beat for s, (beat, since) in self._seen.items() if asked - since >= self._silent_for_s}
