"""One history: deposits, faults, crashes and pauses drawn from a seed, then quiet until nothing moves."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from funding.flows.table import FLOWS
from tests.simulation.clock import CutOff, moved_unit_of_work
from tests.simulation.door import SimulatedDoor
from tests.simulation.leader import SimulatedLeader
from tests.simulation.people import People
from tests.simulation.plan import DEPOSITS_ALONE, Plan
from tests.simulation.processes import Processes
from tests.simulation.stage import Stage
from tests.simulation.truth import broken_promises
from tests.simulation.worker import POLLED_EVERY

LAGS: Final = 3  # rounds that a standby may be behind
JUMPS_S: Final = (-600, -30, -3, 3, 30, 600)
PERIODS_BEHIND: Final = 10  # of polling: clocks that were set back have the next slot come that much later
QUIET_ROUNDS: Final = 150
SETTLED_EVERY: Final = 8  # quiet rounds: what waits for somebody at a provider is decided
LEAPS_AT_MOST: Final = timedelta(minutes=30)  # less than a first poll reaches back: no clock is away for longer
LATER: Final = timedelta(minutes=40)  # what only a poll finds has been found, and what rests has been looked at
_LEASE_ENDS: Final = text("UPDATE clock_leases SET expires_at = least(expires_at, rk_now() + interval '7 seconds')")


class History(Processes):
    """Plays one seed on a stage, which must be clear."""

    def __init__(self, stage: Stage, seed: int, plan: Plan) -> None:
        super().__init__(stage, seed, plan)
        self.standby = stage.standby
        self.door = SimulatedDoor(self.world, moved_unit_of_work(self.connections, self.clock, self._cuts), self.heard)
        self.played = 0  # rounds, those within a stall too
        self.kept_in: int | None = None  # the round after which the standby lags
        self.kept_at = self.clock.now
        self.frames_heard = 0
        self.people = People(
            self.world, self.quiet, wake=self.heard, draw=self.draw, tell=self._tell, among=plan.providers
        )

    def play(self) -> None:
        """Everything rough, then everything quiet and mended."""
        deposits = self.draw.choice(self.plan.deposits)
        self.people.arrive(deposits, strangers=self.plan.strangers)
        if self.plan.kinds != DEPOSITS_ALONE:
            self.people.ramps.arrive(deposits)
        self._workers()
        rounds = self.draw.choice(self.plan.rounds)
        if self.draw.random() < self.plan.failovers:
            self.kept_in = self.draw.randint(1, rounds)
            self.polls = self.plan.polls > 0  # what only lost commits knew is found by reading again
        self.leaders = [self._new_leader()]
        for name, provider, more in self.draw.sample(self.plan.menu, self.plan.faults):
            self.world.faults.set(name, provider=provider, probability=self.plan.fault, **more)
            self._tell(f"fault {name} at {provider} with {self.plan.fault}")
        for _ in range(deposits):
            self._begin()
        for _ in range(rounds):
            self.round()
        self._come_to_rest()

    def _come_to_rest(self) -> None:
        """No more faults; everybody mends what they can, and time passes until nothing moves."""
        self.rough = False
        self.world.faults.clear()
        self._tell("quiet from here")
        self.people.relent(self.plan.mended)
        if self.plan.kinds != DEPOSITS_ALONE:
            self._poll_from_now_on()  # customers and banks take hours, and no clock is away for so long
        self._until_still()
        if self.people.replay(self.plan.mended):
            self._until_still()
        self._poll_from_now_on()
        for _ in range(PERIODS_BEHIND):
            if not self._walks_under_way():
                break
            self.pass_time(POLLED_EVERY)  # they end at the place they left; what is newer is the next walk's
            self._until_still()
        self.pass_time(LATER)
        self._until_still()
        for worker in self.workers:
            worker.close()

    def _poll_from_now_on(self) -> None:
        if not self.polls:
            self.polls = True
            for leader in self.leaders:
                leader.falls_silent(self.quiet)
            self.leaders = [self._new_leader()]

    def round(self) -> None:
        """Some time passes and one or two things happen."""
        self.pass_time(self._some_time())
        if self.draw.random() < self.plan.jumps:
            self.clock.ahead += timedelta(seconds=self.draw.choice(JUMPS_S))
            self._tell(f"the database's clock is {self.clock.ahead.total_seconds():.0f} s ahead")
        if self.draw.random() < self.plan.people:
            self.people.act(self.draw.choice(self.plan.acts))
        self.draw.choice((self._dispatch, self._dispatch, self._hear, self._hear, self._webhooks, self._listen))()
        self.played += 1
        if self.played == self.kept_in:
            self.standby.keep()
            self.kept_at = self.clock.database
        elif self.kept_in and self.played == self.kept_in + LAGS:
            self._fail_over()

    def _some_time(self) -> timedelta:
        upcoming = self._next_moment() if self.draw.random() < self.plan.leaps else None
        if upcoming is not None and self.clock.now < upcoming:
            leap = upcoming - self.clock.now
            return leap if self.plan.kinds == DEPOSITS_ALONE else min(leap, LEAPS_AT_MOST)
        return timedelta(seconds=self.draw.choice(self.plan.times))

    # What happens ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self.plan.kinds == DEPOSITS_ALONE:
            self._deposit()
            return
        kind = self.draw.choice(self.plan.kinds)
        if kind in DEPOSITS_ALONE:
            self._deposit()
        else:
            self.people.ramps.begin(kind)

    def _deposit(self) -> None:
        person = self.draw.choice((*self.people.known, *self.people.strangers))
        paths, weights = zip(*self.plan.paths, strict=True)
        path = self.draw.choices(paths, weights)[0]
        amount = f"{self.draw.randint(2, 5000)}.{self.draw.randint(0, 99):02d}"
        transfer = self.world.due.deposit(
            person.virtual_account,
            amount,
            path,
            self.draw.choice(self.plan.steps),
            expects_account=person.brokerage,
        )
        self._tell(f"deposit {transfer} of {amount} for {person.name} by {path[-1]}")

    def _hear(self) -> None:
        hints = self.heard.take()
        self.draw.shuffle(hints.flows)
        if hints.events and self._is_heard():
            self._as_worker("ingest", lambda worker: worker.ingest.handle(hints.events), sends=False)
        for job, slot in hints.ticks:
            if self._is_heard():
                self._as_worker(job, lambda worker, job=job, slot=slot: worker.polls.run_tick(job, slot))  # type: ignore[misc]
        for look in hints.looks:
            if self._is_heard():
                self._as_worker("look", lambda worker, look=look: worker.polls.run_look(*look))  # type: ignore[misc]
        for flow, kind, state in hints.flows:
            step = FLOWS[kind].step_of(state)
            if step is None or not self._is_heard():
                continue
            times = 2 if self.draw.random() < self.plan.repeat else 1
            for _ in range(times):
                self._as_worker(step.name, lambda worker, step=step, flow=flow: worker.runner.run(step, flow))  # type: ignore[misc]

    def _is_heard(self) -> bool:
        return not self.rough or self.draw.random() < self.plan.hear

    def _dispatch(self) -> None:
        self.heard.idle_queues = self.calendar.read().idle_queues(self.clock.database)
        self._as_leader("dispatch", SimulatedLeader.announce)
        self._hear()

    def _listen(self) -> None:
        """The stream, when there is something new on it: what came meanwhile is read then as well."""
        if (frames := len(self.world.alpaca.journal_events.frames)) != self.frames_heard:
            self.frames_heard = frames
            self._as_leader("stream", SimulatedLeader.listen)

    def _webhooks(self) -> None:
        if promised := self.door.open():
            self.wrong += broken_promises(self.quiet, promised)

    def _cuts(self, name: str) -> None:
        """The door's transactions may be lost, or the news of them."""
        if self.rough and name.startswith("commit") and self.draw.random() < self.plan.cut_off:
            self._tell(f"  connection cut at {name} of the door")
            raise CutOff(name)

    def _fail_over(self) -> None:
        """The standby takes over: what was committed since it was last told is gone. Then the runbook's command."""
        self._tell("failover: the last commits are lost")
        self.standby.take_over()
        self.clock.commits += 1
        self.heard.take()
        self.buried.clear()
        self.frames_heard = 0
        with self.quiet() as connection:
            connection.execute(_LEASE_ENDS)
        for leader in self.leaders:
            leader.falls_silent(self.quiet)
        self.people.look_again()
        # A clock that was set back meanwhile shows less than the moment that was kept: from now is from before it then.
        self.people.recover_since(max(self.clock.database - self.kept_at, timedelta(0)))

    # Quiet -----------------------------------------------------------------------------------------------------------

    def _until_still(self) -> None:
        """Time jumps from one moment to the next that matters, until nothing is left to do."""
        for number in range(1, QUIET_ROUNDS + 1):
            if number % SETTLED_EVERY == 0:
                self.people.ramps.settle()
            self._webhooks()
            self._listen()
            if self.heard.hints:
                self._hear()
            else:
                self._dispatch()
            if self.heard.hints:
                continue
            upcoming = self._next_moment()
            if upcoming is None:
                if self.people.ramps.settle():
                    continue
                if any(leader.has_ticked() for leader in self.leaders):
                    return
                upcoming = self.clock.now
            # What is due and yet not done is claimed by somebody gone, or its provider is left alone for a while.
            wait = upcoming - self.clock.now
            self.pass_time(wait if wait > timedelta(0) else timedelta(seconds=20))
        self._tell("it never comes to rest")

    def _walks_under_way(self) -> bool:
        with self.quiet() as connection:
            query = text("SELECT EXISTS (SELECT FROM poll_marks WHERE walk_started_at IS NOT NULL)")
            return bool(connection.execute(query).scalar())

    def _next_moment(self) -> datetime | None:
        """When there is next something to do, apart from the timetable and from watching what rests."""
        ours = self.calendar.read().next(self.clock.database)
        moments = (ours and ours - self.clock.ahead, self.world.next_happening())
        return min((moment for moment in moments if moment is not None), default=None)
