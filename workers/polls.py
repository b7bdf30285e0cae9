"""What the timetable's ticks and the looks come to: claim, do, say how it ended."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from db import clock, gates, looks
from db.clock import TickClaim
from db.engine import UnitOfWork
from db.looks import LookClaim
from dispatch import jobs
from dispatch.wake import Wake
from funding.errors import Misconfigured, ProviderError, ProviderUnavailable
from workers.doors import Places
from workers.listings import LookAt
from workers.turned_away import TurnedAway
from workers.verdicts import refused_us
from workers.walks import Poll, Superseded, Walker

LOOKS_AGAIN: Final = tuple(timedelta(seconds=seconds) for seconds in (2, 4, 8, 16, 32, 60))
LOOK_LATER: Final = timedelta(minutes=1)  # the provider cannot be asked now

log = structlog.get_logger(__name__)

Keep = Callable[[Connection], bool]  # renews the hold on the tick, in the caller's transaction
Chore = Callable[[Keep], str]  # does a job's work; what it came to, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Polls:
    """Does ticks and looks for this process.

    `chores` are the jobs that are no polls, by name; `asks` names the provider of those that ask one.
    """

    begin: UnitOfWork
    walker: Walker
    wake: Wake
    doors: Places
    polls: Mapping[tuple[str, str], Poll]
    looks: Mapping[tuple[str, str], LookAt]
    chores: Mapping[str, Chore]
    asks: Mapping[str, str] = field(default_factory=dict)
    turned_away: TurnedAway = field(default_factory=TurnedAway)

    def run_tick(self, job: str, slot: datetime) -> bool:
        """Do a slot of the timetable; nothing when it is done or someone else's.

        False: every place at its provider is taken; its row stays due, and is announced when a place is free.
        """
        poll = next((p for p in self.polls.values() if jobs.poll_job(p.provider, p.name) == job), None)
        if poll is None:
            provider, chore = self.asks.get(job), self.chores.get(job, _unknown)
        else:
            provider, chore = poll.provider, self._walk(poll)
        if provider is None:
            self._run(job, slot, chore)
            return True
        if not self._enter(provider, (job, slot), lambda: self.wake.ticks([(job, slot)])):
            return False
        try:
            self._run(job, slot, chore)
        finally:
            self.doors.leave(provider)
        return True

    def _walk(self, poll: Poll) -> Chore:
        return lambda keep: str(self.walker.poll(poll, keep))

    def _run(self, job: str, slot: datetime, chore: Chore) -> None:
        with self.begin() as connection:
            claim = clock.claim_tick(connection, job, slot)
        if claim is None:
            return
        try:
            outcome, detail = "done", chore(lambda connection: clock.keep_tick(connection, claim))
        except Superseded:
            outcome, detail = "superseded", "another run went on with it"
        except ProviderUnavailable as error:
            outcome, detail = "unavailable", str(error)
        except Misconfigured as error:
            self._pause(error)
            outcome, detail = "refused", f"{error}; {error.provider} is paused until somebody resumes it"
        except ProviderError as error:
            outcome, detail = "failed", f"{type(error).__name__}: {error}"
        except Exception as error:
            # The next slot tries again; this one says what happened, and the worker's log has the traceback.
            self._finish(claim, "failed", type(error).__name__)
            raise
        self._finish(claim, outcome, detail)

    def _finish(self, claim: TickClaim, outcome: str, detail: str) -> None:
        with self.begin() as connection:
            clock.finish_tick(connection, claim, outcome=outcome, detail=detail)
        log.info("tick.ended", job=claim.job, slot=claim.slot.isoformat(), outcome=outcome, detail=detail)

    def run_look(self, provider: str, poll: str, subject: str) -> bool:
        """Do a look that is due; nothing when it is done or someone else's. False: as `run_tick`."""
        if not self._enter(provider, (poll, subject), lambda: self.wake.looks([(provider, poll, subject)])):
            return False
        try:
            with self.begin() as connection:
                claim = looks.claim(connection, provider, poll, subject)
            if claim is not None:
                self._look(claim)
        finally:
            self.doors.leave(provider)
        return True

    def _enter(self, provider: str, what: Hashable, announce: Callable[[], object]) -> bool:
        return self.turned_away.enter(provider, what, take=lambda: self.doors.try_enter(provider), announce=announce)

    def _look(self, claim: LookClaim) -> None:
        """Look; what shows nothing new yet is looked at a few times more, for a listing may be behind its events."""
        find = self.looks.get((claim.provider, claim.poll))
        listing = find(claim.subject) if find else None
        if listing is None:
            log.warning("look.leads_nowhere", provider=claim.provider, poll=claim.poll)
            self._settle(claim, None)
            return
        try:
            news = self.walker.look(claim.provider, claim.poll, claim.subject, listing, at=claim.at)
        except ProviderUnavailable:
            self._settle(claim, LOOK_LATER, counts=False)
        except Misconfigured as error:
            self._pause(error)
            self._settle(claim, LOOK_LATER, counts=False)
        except ProviderError as error:
            log.warning("look.failed", provider=claim.provider, poll=claim.poll, error=type(error).__name__)
            self._settle(claim, self._wait(claim))
        except Exception:
            self._settle(claim, self._wait(claim))  # a bug of ours must not be met every minute for ever
            raise
        else:
            self._settle(claim, None if news else self._wait(claim))

    def _settle(self, claim: LookClaim, again: timedelta | None, *, counts: bool = True) -> None:
        with self.begin() as connection:
            if again is None:
                looks.finish(connection, claim)
            else:
                looks.put_off(connection, claim, wait=again, counts=counts)

    def _pause(self, error: Misconfigured) -> None:
        """It refuses our credentials: nobody asks any more, and the alert of paused providers tells people at once."""
        with self.begin() as connection:
            paused = gates.pause(connection, error.provider, reason=refused_us(error), by="rampkeeper")
        if paused:
            log.warning("provider.paused", provider=error.provider, status=error.status)

    @staticmethod
    def _wait(claim: LookClaim) -> timedelta | None:
        return LOOKS_AGAIN[claim.attempts - 1] if claim.attempts <= len(LOOKS_AGAIN) else None


def _unknown(_keep: Keep) -> str:
    """A job of another release, or of a provider this process has no credentials for."""
    return "nothing here knows this job"
