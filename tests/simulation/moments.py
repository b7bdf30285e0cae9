"""When there is next something to do in the database: read once after each change, so that dull rounds cost nothing."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from db.engine import UnitOfWork
from tests.simulation.clock import Clock

_NEXT = text("""
    SELECT (SELECT min(due_at) FROM inbox_events) AS events,
           (SELECT min(due_at) FROM inbox_events WHERE state = 'received') AS received,
           (SELECT min(due_at) FROM flows WHERE attempt_id IS NULL) AS flows,
           (SELECT min(due_at) FROM flows WHERE attempt_id IS NULL AND status = 'open' AND parked_at IS NULL) AS going,
           (SELECT min(claimed_at) FROM flows WHERE attempt_id IS NOT NULL) AS claimed,
           (SELECT min(due_at) FROM ticks) AS ticks,
           (SELECT min(due_at) FROM looks) AS looks
""")


@dataclass(frozen=True, slots=True)
class Moments:
    """The earliest of each kind, None where there is none."""

    events: datetime | None  # of the inbox, deferred ones too
    received: datetime | None  # of the inbox, those that nobody has handled
    flows: datetime | None  # that nobody has claimed
    going: datetime | None  # of these, the open ones that are not parked
    claimed: datetime | None
    ticks: datetime | None
    looks: datetime | None

    def idle_queues(self, now: datetime) -> frozenset[str]:
        """The dispatcher's queues that nothing is due for; notifications are nobody's here."""
        due = {
            "ingest": _come(now, self.events),
            "funding": _come(now, self.flows),
            "polls": _come(now, self.ticks, self.looks),
        }
        return frozenset({"notify", *(queue for queue, is_due in due.items() if not is_due)})

    def next(self, now: datetime) -> datetime | None:
        """What comes next of all that cannot rest: the timetable and what merely watches or waits for a day aside."""
        late = self.flows if _come(now, self.flows) else None
        moments = (self.received, self.going, late, self.claimed, self.looks, self.ticks)
        return min((one for one in moments if one), default=None)


def _come(now: datetime, *moments: datetime | None) -> bool:
    return any(moment is not None and moment <= now for moment in moments)


class Calendar:
    """The moments of a history's database."""

    def __init__(self, clock: Clock, begin: UnitOfWork) -> None:
        self._clock = clock
        self._begin = begin
        self._read_at = -1
        self._moments = Moments(None, None, None, None, None, None, None)

    def read(self) -> Moments:
        """As they stand now."""
        if self._read_at != self._clock.commits:
            with self._begin() as connection:
                self._moments = Moments(*connection.execute(_NEXT).one())
            self._read_at = self._clock.commits
        return self._moments
