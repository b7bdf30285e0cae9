"""One history: deposits, faults, crashes and pauses drawn from a seed, then quiet until nothing moves."""

import random
from collections.abc import Callable, Iterable
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from funding.flows.table import FLOWS
from tests.simulation.clock import Crash, CutOff, moved_unit_of_work
from tests.simulation.door import SimulatedDoor
from tests.simulation.heard import Heard
from tests.simulation.leader import SimulatedLeader
from tests.simulation.moments import Calendar
from tests.simulation.people import People
from tests.simulation.plan import Plan
from tests.simulation.stage import Stage
from tests.simulation.truth import broken_promises, held_back, held_by, overheard
from tests.simulation.wires import SandboxWire
from tests.simulation.worker import POLLED_EVERY, SimulatedWorker

LAGS: Final = 3  # rounds that a standby may be behind
JUMPS_S: Final = (-600, -30, -3, 3, 30, 600)
READINGS: Final = 4  # of the beats, within
SILENT: Final = timedelta(seconds=8.4)  # which is longer than a worker may be silent
QUIET_ROUNDS: Final = 150
CLAIM_LASTS: Final = timedelta(seconds=30)  # after that the leader frees also what a living worker holds
BEAT_S: Final = 4.0  # a worker sends nothing when its last beat is older than 5 s
LATER: Final = timedelta(minutes=40)  # what only a poll finds has been found, and what rests has been looked at
_LEASE_ENDS: Final = text("UPDATE clock_leases SET expires_at = least(expires_at, rk_now() + interval '7 seconds')")
STREAM: Final = "/v2/events/journals/status"


def _done(_answer: object) -> None:
    """Nobody waits for it."""


Actor = SimulatedWorker | SimulatedLeader


@dataclass(slots=True)
class Story:
    """What happened, for a person to read when the end is wrong."""

    lines: list[str] = field(default_factory=list)

    def tell(self, when: float, what: str) -> None:
        self.lines.append(f"{when:9.1f}s  {what}")

    def __str__(self) -> str:
        return "\n".join(self.lines)


class History:
    """Plays one seed on a stage, which must be clear."""

    def __init__(self, stage: Stage, seed: int, plan: Plan) -> None:
        self.plan = plan
        self.draw = random.Random(seed)
        self.clock = stage.clock
        self.world = stage.world
        self.story = Story()
        self.rough = True
        self.connections = stage.connections
        self.quiet = moved_unit_of_work(self.connections, self.clock, lambda _: None)
        self.calendar = Calendar(self.clock, self.quiet)
        self.wires = {
            name: SandboxWire(
                app,
                self.clock,
                partial(self._at, name),
                self._spoil,
                sends=self._check_sender,
                delays=self._delays,
            )
            for name, app in stage.apps.items()
        }
        self.heard = Heard()
        self.standby = stage.standby
        self.door = SimulatedDoor(self.world, moved_unit_of_work(self.connections, self.clock, self._cuts), self.heard)
        self.wrong: list[str] = []  # what was seen on the way
        self.played = 0  # rounds, those within a stall too
        self.kept_in: int | None = None  # the round after which the standby lags
        self.kept_at = self.clock.now
        self.workers: list[SimulatedWorker] = []
        self.buried: set[UUID] = set()  # sessions known to be dead
        self.depth = 0
        self.stalled = False  # whether somebody has stood still in what is being done
        self.acting: list[Actor] = []
        self.frames_heard = 0
        self.polls = self.draw.random() < plan.polls
        self.people = People(self.world, self.quiet, wake=self.heard, draw=self.draw, tell=self._tell)

    def play(self) -> None:
        """Everything rough, then everything quiet and mended."""
        deposits = self.draw.choice(self.plan.deposits)
        self.people.arrive(deposits, strangers=self.plan.strangers)
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
            self._deposit()
        for _ in range(rounds):
            self.round()
        self._come_to_rest()

    def _come_to_rest(self) -> None:
        """No more faults; everybody mends what they can, and time passes until nothing moves."""
        self.rough = False
        self.world.faults.clear()
        self._tell("quiet from here")
        self.people.relent(self.plan.mended)
        self._until_still()
        if self.people.replay(self.plan.mended):
            self._until_still()
        if not self.polls:
            self.polls = True
            for leader in self.leaders:
                leader.falls_silent(self.quiet)
            self.leaders = [self._new_leader()]
        if self._walks_under_way():
            self.pass_time(POLLED_EVERY)  # they end at the place they left; what is newer is the next walk's
            self._until_still()
        self.pass_time(LATER)
        self._until_still()
        for worker in self.workers:
            worker.close()

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
            return upcoming - self.clock.now
        return timedelta(seconds=self.draw.choice(self.plan.times))

    def pass_time(self, by: timedelta) -> None:
        """Virtual time moves: workers that are well beat, the leader frees what the others held."""
        until = self.clock.now + by
        silent = self._silent() if by >= timedelta(seconds=8) and self.calendar.read().claimed else set()
        if silent:
            step = SILENT / (READINGS - 1)
            self.clock.now = max(self.clock.now, until - SILENT)
            for number in range(READINGS - 1):
                if number == 1:
                    self._beat(self._well())
                self._as_leader("sweep", SimulatedLeader.sweep)
                self.clock.advance(step)
        self.clock.now = max(self.clock.now, until)
        self.world.tick()
        claimed = self.calendar.read().claimed
        if silent or (claimed is not None and claimed + CLAIM_LASTS <= self.clock.database):
            self._as_leader("sweep", SimulatedLeader.sweep)
            self._bury(silent)

    def _silent(self) -> set[UUID]:
        """Sessions that do not beat and are not known to be dead."""
        return {worker.session.id for worker in self.workers if not worker.alive or worker.frozen} - self.buried

    def _bury(self, silent: set[UUID]) -> None:
        if not silent:
            return
        with self.quiet() as connection:
            query = text("SELECT id FROM worker_sessions WHERE id = ANY(:ids) AND dead_at IS NOT NULL")
            self.buried.update(connection.execute(query, {"ids": sorted(silent)}).scalars())

    def boundary(self, name: str) -> None:
        """Called at every boundary of claim, call and record; here the process may die, lose its commit or stall."""
        if not self.rough or (self.plan.only and name not in self.plan.only):
            return
        luck = self.draw.random()
        if luck < self.plan.crash:
            self._tell(f"  crash at {name}")
            raise Crash(name)
        if luck < self.plan.crash + self.plan.cut_off and name.startswith("commit"):
            self._tell(f"  connection cut at {name}")
            raise CutOff(name)
        if (
            luck > 1 - self.plan.pause and self.depth < self.plan.deepest and name != "commit"
        ):  # there it would hold row locks
            self._stall(name)

    def _stall(self, name: str) -> None:
        """The process that is at this boundary stands still while the others go on."""
        if not self.acting:
            return
        stalled = self.acting[-1]
        self._tell(f"  stall at {name}")
        self.depth += 1
        stalled.frozen = True
        if isinstance(stalled, SimulatedLeader):
            stalled.falls_silent(self.quiet)
        else:
            stalled.held |= held_by(self.quiet, stalled.session.id)
        try:
            for _ in range(self.draw.randint(1, self.plan.stall)):
                self.round()
        finally:
            self.stalled = True
            stalled.frozen = False
            self.depth -= 1
        self._tell(f"  goes on at {name}")

    def _tell(self, what: str) -> None:
        self.story.tell(self.clock.monotonic(), what)

    def _well(self) -> list[SimulatedWorker]:
        return [worker for worker in self.workers if worker.alive and not worker.frozen]

    def _beat(self, workers: Iterable[SimulatedWorker]) -> None:
        """Let workers beat that would have; others beat when it next matters: to the leader, or to what they send."""
        for worker in workers:
            if self.clock.monotonic() - worker.session._beat_at >= BEAT_S:
                worker.session.beat()

    # The processes ---------------------------------------------------------------------------------------------------

    def _workers(self) -> None:
        while sum(worker.alive for worker in self.workers) < 2:
            self.workers.append(
                SimulatedWorker(
                    self.connections,
                    self.clock,
                    self.boundary,
                    self.wires,
                    due_key=self.world.config.due_api_keys[0],
                    alpaca_key=self.world.config.alpaca_keys[0],
                    firm=self.world.alpaca.firm_account_id,
                    wake=self.heard,
                    draw=self.draw,
                )
            )

    def _new_leader(self) -> SimulatedLeader:
        connected = self.workers[0].providers.connected
        return SimulatedLeader(
            moved_unit_of_work(self.connections, self.clock, self.boundary),
            self.clock,
            connect=connected["alpaca"].streams["journals"],
            listings={name: [each.name for each in one.listings] for name, one in connected.items() if self.polls},
            wake=self.heard,
            draw=self.draw,
        )

    def _as_worker(self, what: str, act: Callable[[SimulatedWorker], None], *, sends: bool = True) -> None:
        """Let one worker that is free do something; a crash ends it and another takes its place.

        `sends`: whether it may ask a provider, which it does only while its beat is fresh.
        """
        free = self._well()
        if not free:
            return
        worker = self.draw.choice(free) if self.rough else free[0]
        if sends:
            self._beat([worker])
        self.stalled = False
        if not self._survives(worker, what, lambda: act(worker)):
            self._workers()
        if self.stalled:
            self.wrong += held_back(self.quiet)
            self.wrong += overheard(self.quiet, worker.held)
        worker.held.clear()

    def _as_leader(self, what: str, act: Callable[[SimulatedLeader], None]) -> None:
        """The same for the clock processes. While one stands still another waits for its lease to run out."""
        well = [leader for leader in self.leaders if not leader.frozen]
        if not well:
            well = [self._new_leader()]
            self.leaders += well
        leader = next((one for one in well if one.leads), well[0])
        if not self._survives(leader, what, lambda: act(leader)):
            leader.falls_silent(self.quiet)
            self.leaders.remove(leader)

    def _survives(self, actor: Actor, what: str, act: Callable[[], None]) -> bool:
        self.acting.append(actor)
        try:
            Context().run(act)  # another process, which knows nothing of what the one standing still was about
        except SQLAlchemyError:
            self._tell(f"{what} lost its connection")  # the process contains it: what it was at is still due
            if isinstance(actor, SimulatedLeader):
                actor.falls_silent(self.quiet)  # it may not know that it leads
        except Crash:
            actor.alive = False
            self._tell(f"a process died in {what}")
        finally:
            self.acting.pop()
        return actor.alive

    # What happens ----------------------------------------------------------------------------------------------------

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

    def _spoil(self, path: str, body: bytes) -> bytes:
        """Frames of the stream come doubled, in another order, or not at all."""
        if not self.rough or not path.startswith(STREAM):
            return body
        frames = [frame for frame in body.split(b"\n\n") if frame for _ in range(self.draw.choice((1, 1, 1, 2, 0)))]
        if self.draw.random() < self.plan.repeat:
            self.draw.shuffle(frames)
        return b"".join(frame + b"\n\n" for frame in frames)

    def _webhooks(self) -> None:
        if promised := self.door.open():
            self.wrong += broken_promises(self.quiet, promised)

    def _cuts(self, name: str) -> None:
        """The door's transactions may be lost, or the news of them."""
        if self.rough and name.startswith("commit") and self.draw.random() < self.plan.cut_off:
            self._tell(f"  connection cut at {name} of the door")
            raise CutOff(name)

    def _at(self, provider: str, name: str) -> None:
        self.boundary(f"{provider} {name}")

    def _check_sender(self, method: str) -> None:
        """Whoever creates something has beaten lately, or its claim may be another's by now."""
        worker = self.acting[-1] if self.acting else None
        if method == "POST" and isinstance(worker, SimulatedWorker):
            silent = self.clock.monotonic() - worker.session._beat_at
            if silent > SILENT.total_seconds():
                self.wrong.append(f"a worker that had been silent for {silent:.1f} s created something")

    def _delays(self, method: str, ask: Callable[[], object]) -> bool:
        """A creating call that nobody waits for any more takes effect all the same."""
        if not self.rough or method != "POST" or self.draw.random() >= self.plan.late:
            return False
        after = self.draw.choice((5.0, 21.0, 40.0, 90.0))
        self._tell(f"  a call takes effect after {after} s")
        self.world.after(after, lambda: _done(ask()))
        return True

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
        self.people.recover_since(self.clock.database - self.kept_at)

    # Quiet -----------------------------------------------------------------------------------------------------------

    def _until_still(self) -> None:
        """Time jumps from one moment to the next that matters, until nothing is left to do."""
        for _ in range(QUIET_ROUNDS):
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
