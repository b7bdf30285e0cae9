"""The processes of a history: workers, leaders and their beats; where they crash, stand still and are followed."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextvars import Context
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tests.simulation.clock import Crash, CutOff, moved_unit_of_work
from tests.simulation.heard import Heard
from tests.simulation.leader import SimulatedLeader
from tests.simulation.moments import Calendar
from tests.simulation.plan import Plan
from tests.simulation.reach import configs_of
from tests.simulation.stage import Stage
from tests.simulation.truth import held_back, held_by, overheard
from tests.simulation.wires import SandboxWire
from tests.simulation.worker import SimulatedWorker

READINGS: Final = 4  # of the beats, within
SILENT: Final = timedelta(seconds=8.4)  # which is longer than a worker may be silent
CLAIM_LASTS: Final = timedelta(seconds=30)  # after that the leader frees also what a living worker holds
BEAT_S: Final = 4.0  # a worker sends nothing when its last beat is older than 5 s
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


class Processes(ABC):
    """All that run on a stage, one acting at a time; what happens in a `round` meanwhile is the history's to say."""

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
            if name in plan.providers
        }
        self.heard = Heard()
        self.wrong: list[str] = []  # what was seen on the way
        self.workers: list[SimulatedWorker] = []
        self.leaders: list[SimulatedLeader] = []
        self.buried: set[UUID] = set()  # sessions known to be dead
        self.depth = 0
        self.stalled = False  # whether somebody has stood still in what is being done
        self.acting: list[Actor] = []
        self.polls = self.draw.random() < plan.polls

    @abstractmethod
    def round(self) -> None:
        """Some time passes and one or two things happen."""

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

    # Who acts ---------------------------------------------------------------------------------------------------------

    def _well(self) -> list[SimulatedWorker]:
        return [worker for worker in self.workers if worker.alive and not worker.frozen]

    def _beat(self, workers: Iterable[SimulatedWorker]) -> None:
        """Let workers beat that would have; others beat when it next matters: to the leader, or to what they send."""
        for worker in workers:
            if self.clock.monotonic() - worker.session._beat_at >= BEAT_S:
                worker.session.beat()

    def _workers(self) -> None:
        while sum(worker.alive for worker in self.workers) < 2:
            self.workers.append(
                SimulatedWorker(
                    self.connections,
                    self.clock,
                    self.boundary,
                    self.wires,
                    configs=configs_of(self.world, self.wires),
                    wake=self.heard,
                    draw=self.draw,
                    keys_live=self.plan.keys_live,
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

    # At the sockets ---------------------------------------------------------------------------------------------------

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

    def _spoil(self, path: str, body: bytes) -> bytes:
        """Frames of the stream come doubled, in another order, or not at all."""
        if not self.rough or not path.startswith(STREAM):
            return body
        frames = [frame for frame in body.split(b"\n\n") if frame for _ in range(self.draw.choice((1, 1, 1, 2, 0)))]
        if self.draw.random() < self.plan.repeat:
            self.draw.shuffle(frames)
        return b"".join(frame + b"\n\n" for frame in frames)
