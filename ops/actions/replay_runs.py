"""Replays that are watched: letters released one after another, what came of each kept, and gone on with after a break.

A run is held by one process at a time. Each of its turns is one transaction that proves the hold, notes what came of
the letters being tried, and releases those whose turn has come; so an interruption loses nothing and doubles nothing.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from math import ceil
from typing import Final
from uuid import UUID, uuid4

from db import replay, replay_runs
from db.replay import Filter, Letter
from db.replay_runs import Counts, Held
from ops.actions.dead_letters import CHUNK, Answer, Pace, Replayed, replay_locked
from ops.actions.desk import Desk, Refused, Sheet

LOOK_EVERY: Final = timedelta(seconds=0.5)
AHEAD: Final = timedelta(seconds=1)  # letters are released so long before they are due, to keep the rate between looks

Rest = Callable[[timedelta], None]  # waits so long


class Watch:
    """This process's hold on a run."""

    def __init__(self, desk: Desk, run: UUID, holder: UUID) -> None:
        self.run = run
        self._desk = desk
        self.holder = holder

    def to_the_end(self, *, rest: Rest, progress: Callable[[Counts], None] = lambda _counts: None) -> Counts:
        """Take turns until every letter has ended, or the run has stopped; interrupted by whatever is raised.

        Raises: Refused: another process has taken the run.
        """
        try:
            while True:
                counts, over, released = self.turn()
                progress(counts)
                if over:
                    return counts
                if released < CHUNK:
                    rest(LOOK_EVERY)
        finally:
            self._let_go()

    def turn(self) -> tuple[Counts, bool, int]:
        """One look at the run: how its letters stand, whether it is over, and how many letters had their turn.

        Raises: Refused: another process has taken the run.
        """
        with self._desk.sheet() as sheet:
            held = replay_runs.keep(sheet.connection, self.run, holder=self.holder)
            if held is None:
                raise Refused(f"replay run {self.run} is no longer held here: another process has gone on with it")
            replay_runs.settle(sheet.connection, self.run)
            counts = replay_runs.counts(sheet.connection, self.run)
            if ending := _ending(held, counts):
                replay_runs.let_go(sheet.connection, self.run, holder=self.holder, status=ending)
                sheet.note(f"replay_run.{ending}", str(self.run), came_back=counts.came_back)
                return counts, True, 0
            return counts, False, self._release(sheet, held, counts)

    def _release(self, sheet: Sheet, held: Held, counts: Counts) -> int:
        # However those being tried end, no more than that come back.
        room = CHUNK if held.stop_after is None else held.stop_after - counts.came_back - counts.trying
        first = max(held.next_at - replay_runs.now(sheet.connection), timedelta(0))
        limit = min(CHUNK, room, ceil((AHEAD - first) * held.rate / timedelta(seconds=1)))
        chosen = replay_runs.next_letters(sheet.connection, self.run, limit=limit) if limit > 0 else []
        if not chosen:
            return 0
        found = replay.find_letters(sheet.connection, Filter(ids=chosen), limit=len(chosen))
        standing = replay.lock_letters(sheet.connection, found)
        now = replay_runs.now(sheet.connection)  # the locks may have been waited for
        pace = Pace(held.rate, first=max(held.next_at - now, timedelta(0)))
        done = replay_locked(sheet, [standing[letter] for letter in chosen], pace)
        answers = [(result.letter.id, str(result.answer), _outcome(result)) for result in done]
        replay_runs.answer(sheet.connection, self.run, answers, next_at=now + pace.following)
        return len(done)

    def _let_go(self) -> None:
        with self._desk.begin() as connection:
            replay_runs.let_go(connection, self.run, holder=self.holder, status="interrupted")


def start(desk: Desk, letters: Sequence[Letter], *, wanted: str, rate: int, stop_after: int | None) -> Watch:
    """Write down a run of these letters, in the order given, and hold it; `wanted` says which they are.

    `rate` of them become due in a second at most. No more than `stop_after` of them can come back dead: never are more
    being tried than may still do so. A customer's next letter waits until the one before it has ended.
    """
    watch = Watch(desk, uuid4(), uuid4())
    with desk.sheet() as sheet:
        replay_runs.begin(
            sheet.connection,
            watch.run,
            letters,
            holder=watch.holder,
            by=desk.by,
            wanted=wanted,
            rate=rate,
            stop_after=stop_after,
        )
        sheet.note("replay_run.start", str(watch.run), letters=len(letters), wanted=wanted, rate=rate)
    return watch


def resume(desk: Desk, run: UUID) -> Watch:
    """Hold a run that was interrupted, to go on with it. Raises: Refused: it is over, or somebody holds it."""
    watch = Watch(desk, run, uuid4())
    with desk.sheet() as sheet:
        standing = replay_runs.standing(sheet.connection, run)
        if standing is None:
            raise Refused(f"there is no replay run {run}")
        if standing.status in {"done", "stopped"}:
            raise Refused(f"replay run {run} is over ({standing.status}): replay what is still open as a new one")
        if standing.held_for is not None:
            seconds = ceil(standing.held_for.total_seconds())
            raise Refused(
                f"replay run {run} of {standing.asked_by} is under way; if its process is gone, "
                f"it can be resumed in {seconds} s"
            )
        replay_runs.take(sheet.connection, run, holder=watch.holder)
        sheet.note("replay_run.resume", str(run))
    return watch


def _ending(held: Held, counts: Counts) -> str | None:
    """How the run ends now; None: it goes on."""
    if not counts.waiting and not counts.trying:
        return "done"
    if held.stop_after is not None and counts.came_back >= held.stop_after:  # no other is being tried: see `_release`
        return "stopped"
    return None


def _outcome(result: Replayed) -> str | None:
    """What has come of a letter that needs no replay; None: that will show."""
    match result.answer:
        case Answer.REPLAYING | Answer.UNDER_WAY:
            return None
        case Answer.MOVED:
            return "resolved"
        case Answer.NOT_OPEN:
            return result.letter.status
