"""One history: deposits, faults, crashes and pauses drawn from a seed, then quiet until nothing moves."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from db import due_work, inbox, lost_claims
from db.inbox import Arrival
from funding.errors import ProviderError
from funding.flows.table import FLOWS
from sandbox.alpaca.app import create_alpaca_app
from sandbox.due.app import create_due_app
from sandbox.world import World
from tests.simulation.clock import Clock, Crash, CutOff, moved_unit_of_work
from tests.simulation.wires import SandboxWire
from tests.simulation.worker import Heard, SimulatedWorker

PATHS = (
    (("awaiting_funds", "funds_received", "approved", "payment_submitted", "payment_processed"), 8),
    (("funds_received", "payment_processed"), 4),
    (("funds_received", "manual_review", "approved", "payment_processed"), 2),
    (("funds_received", "manual_review", "refund_submitted", "refund_processed"), 1),
    (("funds_received", "approved", "failed"), 1),
    (("funds_received", "manual_review", "canceled"), 1),
)
DEAD_AFTER_S = 8
DEEPEST = 2  # processes standing still at once
FAULTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("webhook_dropped", "due", {}),
    ("webhook_doubled", "due", {}),
    ("webhook_late", "due", {"seconds": 40.0}),
    ("webhook_reordered", "due", {}),
    ("reply_lost", "*", {}),
    ("slow_reply", "*", {"seconds": 6.0}),
    ("hanging_socket", "*", {"seconds": 30.0}),
    ("reset_before", "*", {}),
    ("throttled", "*", {}),
    ("throttled_bare", "*", {}),
    ("server_error", "*", {}),
    ("server_error_after", "*", {}),
    ("stale_read", "*", {}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How rough a history is. Probabilities; `crash` and the rest are per boundary crossed."""

    deposits: int = 3
    rounds: int = 60
    fault: float = 0.15
    faults: int = 4
    crash: float = 0.02
    cut_off: float = 0.01
    pause: float = 0.02
    hear: float = 0.7
    repeat: float = 0.2


@dataclass(slots=True)
class Story:
    """What happened, for a person to read when the end is wrong."""

    lines: list[str] = field(default_factory=list)

    def tell(self, when: float, what: str) -> None:
        self.lines.append(f"{when:9.1f}s  {what}")

    def __str__(self) -> str:
        return "\n".join(self.lines)


class History:
    """Plays one seed against one database, which must be empty."""

    def __init__(self, engine: Engine, seed: int, plan: Plan) -> None:
        self.seed = seed
        self.plan = plan
        self.draw = random.Random(seed)
        self.clock = Clock()
        self.story = Story()
        self.rough = True
        self.world = World(
            seed=seed,
            clock=self.clock,
            config={"due_webhook_url": "http://door.test/webhooks/due", "firm_cash": "1000000"},
        )
        self.engine = engine
        self.quiet = moved_unit_of_work(engine, self.clock, lambda _: None)
        self.wires = {
            "due": SandboxWire(create_due_app(self.world), self.clock, self.boundary),
            "alpaca": SandboxWire(create_alpaca_app(self.world), self.clock, self.boundary),
        }
        self.heard = Heard()
        self.workers: list[SimulatedWorker] = []
        self.depth = 0
        self.acting: list[SimulatedWorker] = []
        self.accounts: dict[str, str] = {}

    def play(self) -> None:
        """Everything rough, then everything quiet."""
        self._people()
        self._workers()
        for name, provider, more in self.draw.sample(FAULTS, self.plan.faults):
            self.world.faults.set(name, provider=provider, probability=self.plan.fault, **more)
            self.story.tell(0, f"fault {name} at {provider} with {self.plan.fault}")
        for _ in range(self.plan.deposits):
            self._deposit()
        for _ in range(self.plan.rounds):
            self.round()
        self.rough = False
        self.world.faults.clear()
        self.story.tell(self.clock.monotonic(), "quiet from here")
        self._until_still()
        for worker in self.workers:
            worker.close()

    def round(self) -> None:
        """Some time passes and one or two things happen."""
        self.pass_time(timedelta(seconds=self.draw.choice((0.2, 1.0, 3.0, 8.0, 20.0, 75.0))))
        self.draw.choice((self._dispatch, self._hear, self._hear, self._webhooks, self._poll))()

    def pass_time(self, by: timedelta) -> None:
        """Virtual time moves: workers that are well beat, the leader frees what the others held."""
        self.clock.advance(by)
        self.world.tick()
        for worker in self.workers:
            if worker.alive and not worker.frozen:
                worker.session.beat()
        if by >= timedelta(seconds=8):
            self._sweep()

    def boundary(self, name: str) -> None:
        """Called at every boundary of claim, call and record; here the process may die, lose its commit or stall."""
        if not self.rough:
            return
        luck = self.draw.random()
        if luck < self.plan.crash:
            self.story.tell(self.clock.monotonic(), f"  crash at {name}")
            raise Crash(name)
        if luck < self.plan.crash + self.plan.cut_off and name.startswith("commit"):
            self.story.tell(self.clock.monotonic(), f"  connection cut at {name}")
            raise CutOff(name)
        if luck > 1 - self.plan.pause and self.depth < DEEPEST and name != "commit":  # there it would hold row locks
            self._stall(name)

    def _stall(self, name: str) -> None:
        """The process that is at this boundary stands still while the others go on."""
        if not self.acting:
            return
        stalled = self.acting[-1]
        self.story.tell(self.clock.monotonic(), f"  stall at {name}")
        self.depth += 1
        stalled.frozen = True
        try:
            for _ in range(self.draw.randint(1, 4)):
                self.round()
        finally:
            stalled.frozen = False
            self.depth -= 1
        self.story.tell(self.clock.monotonic(), f"  goes on at {name}")

    def _people(self) -> None:
        firm = self.world.due.add_account(name="Firm")
        recipient = self.world.due.add_recipient(firm.id, firm=True)
        with self.quiet() as connection:
            for number in range(2):
                customer = f"cus_{number}"
                account = self.world.due.add_account(name=customer)
                virtual = self.world.due.add_virtual_account(account.id, recipient.id)
                brokerage = self.world.alpaca.add_account()
                self.accounts[virtual.id] = brokerage
                connection.execute(text("INSERT INTO customers (id, level) VALUES (:id, 2)"), {"id": customer})
                for provider, kind, external in (
                    ("due", "virtual_account", virtual.id),
                    ("alpaca", "brokerage_account", brokerage),
                ):
                    connection.execute(
                        text("""
                            INSERT INTO customer_links (provider, kind, external_id, customer_id)
                            VALUES (:p, :k, :e, :c)
                        """),
                        {"p": provider, "k": kind, "e": external, "c": customer},
                    )

    def _workers(self) -> None:
        while sum(worker.alive for worker in self.workers) < 2:
            self.workers.append(
                SimulatedWorker(
                    self.engine,
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

    def _deposit(self) -> None:
        virtual = self.draw.choice(sorted(self.accounts))
        paths, weights = zip(*PATHS, strict=True)
        path = self.draw.choices(paths, weights)[0]
        amount = f"{self.draw.randint(2, 5000)}.{self.draw.randint(0, 99):02d}"
        transfer = self.world.due.deposit(
            virtual, amount, path, self.draw.choice((0.5, 5.0, 30.0)), expects_account=self.accounts[virtual]
        )
        self.story.tell(0, f"deposit {transfer} of {amount} by {path[-1]}")

    def _as_worker(self, what: str, act: Callable[[SimulatedWorker], None]) -> None:
        """Let one worker that is free do something; a crash ends it and another takes its place later."""
        free = [worker for worker in self.workers if worker.alive and not worker.frozen]
        if not free:
            return
        worker = self.draw.choice(free)
        self.acting.append(worker)
        try:
            act(worker)
        except SQLAlchemyError:
            self.story.tell(self.clock.monotonic(), f"{what} lost its connection")  # an actor contains it: still due
        except Crash:
            worker.alive = False
            self.story.tell(self.clock.monotonic(), f"worker died in {what}")
            self._workers()
        finally:
            self.acting.pop()

    def _hear(self) -> None:
        hints, self.heard.flow_hints = self.heard.flow_hints, []
        events, self.heard.event_hints = self.heard.event_hints, []
        self.draw.shuffle(hints)
        if events and self.draw.random() < self.plan.hear:
            self._as_worker("ingest", lambda worker: worker.ingest.handle(events))
        for flow, kind, state in hints:
            step = FLOWS[kind].step_of(state)
            if step is None or self.draw.random() > self.plan.hear:
                continue
            times = 2 if self.draw.random() < self.plan.repeat else 1
            for _ in range(times):
                self._as_worker(step.name, lambda worker, step=step, flow=flow: worker.runner.run(step, flow))  # type: ignore[misc]

    def _dispatch(self) -> None:
        with self.quiet() as connection:
            self.heard.event_hints += due_work.events(connection, limit=100)
            self.heard.flow_hints += due_work.flows(connection, limit=100)
        self._hear()

    def _webhooks(self) -> None:
        arrivals = []
        for delivery in self.world.due_deliveries():
            number = delivery.body.split(b'"id":"', 1)[1].split(b'"', 1)[0].decode()
            arrivals.append(
                Arrival(provider="due", event_id=number, route="due", type=None, source="webhook", body=delivery.body)
            )
            self.world.delivery_answered(delivery.id, 200)
        if arrivals:
            with self.quiet() as connection:
                stored = inbox.insert_events(connection, arrivals)
            self.heard.event_hints += [one.id for one in stored]

    def _poll(self) -> None:
        """What the clock's polls do: read every deposit of every account, and enter what is new by the one door."""
        worker = next((w for w in self.workers if w.alive and not w.frozen), None)
        if worker is None or worker.providers.due is None:
            return
        for account in sorted({t.owner_id for t in self.world.due.transfers.values()}):
            listing = worker.providers.due.transfers_of(account)
            rough, self.rough = self.rough, False
            try:
                findings = listing.page(since=self.clock.now - timedelta(days=30), cursor=None).findings
            except ProviderError:
                continue
            finally:
                self.rough = rough
            arrivals = [
                Arrival(
                    provider="due",
                    event_id=f"poll:{f.kind}:{f.id}:{f.digest_of}",
                    route="poll",
                    type=None,
                    source="poll",
                    body=f.body,
                )
                for f in findings
            ]
            with self.quiet() as connection:
                stored = inbox.insert_events(connection, arrivals)
            self.heard.event_hints += [one.id for one in stored if not one.duplicate]

    def _sweep(self) -> None:
        """The leader: sessions that did not beat for eight seconds are dead, their claims anyone's."""
        silent = [w.session.id for w in self.workers if not w.alive or self._quiet_for(w) >= DEAD_AFTER_S]
        with self.quiet() as connection:
            connection.execute(
                text("UPDATE worker_sessions SET dead_at = rk_now() WHERE id = ANY(:ids) AND dead_at IS NULL"),
                {"ids": silent},
            )
            connection.execute(lost_claims._FREE)

    def _quiet_for(self, worker: SimulatedWorker) -> float:
        return self.clock.monotonic() - worker.session._beat_at

    def _until_still(self) -> None:
        """Hours pass without a fault, until every flow is over, resting or parked."""
        for number in range(400):
            self.pass_time(timedelta(seconds=20 if number < 100 else 300))
            if number % 10 == 0:
                self._poll()
            self._webhooks()
            self._dispatch()
            self._hear()
            if number % 10 == 9 and self._still():
                return

    def _still(self) -> bool:
        with self.quiet() as connection:
            moving = connection.execute(
                text("SELECT count(*) FROM flows WHERE status = 'open' AND parked_at IS NULL")
            ).scalar_one()
            waiting = inbox.count_by_state(connection).get("received", 0)
        return not moving and not waiting and not self.world.due_deliveries()
