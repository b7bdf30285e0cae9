"""A flow's whole way in one process: the sandbox, the real door, ingest, steps, polls and the stream, on one clock.

Time stands still until `pass_time`; then everything happens at its own moment, as it would with processes running.
"""

import base64
import random
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from sqlalchemy import Engine, text

from db import due_work, inbox, lost_claims
from db.customers import NewLink
from db.inbox import Arrival, Stored
from db.numbering import number_arrivals
from db.replay import Filter
from db.sealing import Sealer
from funding.errors import ProviderUnavailable
from funding.flows.table import FLOWS
from funding.ports.listings import StreamFrame
from ops.actions import customers, dead_letters
from ops.actions.desk import Desk
from providers.bridge import door as bridge_door
from providers.ibex import door as ibex_door
from providers.rotation import Secret, Windowed
from providers.routes import ReceivingKeys, routes
from providers.stripe import door as stripe_door
from sandbox.world import World
from settings import load
from tests.simulation.clock import Clock, moved_unit_of_work
from tests.simulation.heard import Heard
from tests.simulation.reach import apps_of, configs_of
from tests.simulation.wires import SandboxWire
from tests.simulation.worker import SimulatedWorker
from tests.support.depositors import HAPPY, Person
from web.inbox_writer import InboxWriter
from web.metrics import DoorMetrics
from web.receiver import Receiver
from workers.listings import polls_of
from workers.walks import Walker

OVERLAP = timedelta(minutes=5)
DOOR = "http://door.test"


class Unheard(Heard):
    """Nobody is told of a flow, as while Redis is away: what is due is read from the database."""

    def flows(self, items: Sequence[tuple[UUID, str, str]]) -> list[UUID]:
        return [flow for flow, _, _ in items]


class DepositHouse:
    """`config` is the sandbox's. `books_differ`: why our books may not agree with the providers' at the end."""

    def __init__(self, engine: Engine, **config: Any) -> None:
        self.books_differ: str | None = None
        self.clock = Clock()
        urls = {f"{name}_webhook_url": f"{DOOR}/webhooks/{name}" for name in ("due", "bridge", "ibex", "stripe")}
        urls["due_legacy_webhook_url"] = f"{DOOR}/webhooks/due/deposit"
        chosen = {**urls, "firm_cash": "1000000", **config}
        self.world = World(seed=5, clock=self.clock, config=chosen)
        self.begin = moved_unit_of_work(engine, self.clock, lambda _: None)
        self.worker = SimulatedWorker(
            engine,
            self.clock,
            lambda _: None,
            {name: SandboxWire(app, self.clock, lambda _: None) for name, app in apps_of(self.world).items()},
            configs=configs_of(self.world),
            wake=Unheard(),
            draw=random.Random(5),
        )
        self.desk = Desk(begin=self.begin, by="ana")
        self._walker = Walker(begin=self.begin, wake=self.worker.ingest.wake, sealer=Sealer(), sleep=self.clock.rest)
        self._polls = polls_of(self.worker.providers, timedelta(minutes=1))
        self._metrics = DoorMetrics()
        self._writer = InboxWriter(self._store, lambda _: None, metrics=self._metrics)
        self._door = self._make_door().test_client()

    def close(self) -> None:
        self._writer.stop()
        self.worker.close()

    # What a test arranges --------------------------------------------------------------------------------------------

    def person(self, name: str = "ana", *, due: bool = True, alpaca: bool = True, mode: str = "va_auto") -> Person:
        """A person at both providers; a customer here with the links asked for, the virtual account in that mode."""
        account = self.world.due.add_account(name=name)
        recipient = self.world.due.add_recipient(account.id, firm=True)
        virtual = self.world.due.add_virtual_account(account.id, recipient.id)
        person = Person(name, account.id, virtual.id, self.world.alpaca.add_account())
        links = [person.due_link(mode)] * due + [person.alpaca_link()] * alpaca
        if links:
            self.link(*links)
        return person

    def link(self, *links: NewLink) -> Sequence[UUID]:
        """Add links as an operator would; the flows that go on because of it."""
        return customers.add_customer(self.desk, links[0].customer, level=2, links=list(links)).flows_resumed

    def deposit(self, person: Person, path: Sequence[str] = HAPPY, **more: Any) -> str:
        """Money arrives at Due; the transfer's id. By default a step of it takes five seconds."""
        return self.world.due.deposit(
            person.virtual_account, path=path, **{"step_seconds": 5.0, "expects_account": person.brokerage, **more}
        )

    def announce(self, person: Person, amount: str = "250.00") -> None:
        """Money arrives that Due converts only when told, and only the seed's event tells of it."""
        self.world.due.deposits.announce_in_seed_way(person.virtual_account, amount, person.brokerage)

    def announce_again(self) -> None:
        """Due sends the last of the seed's events once more, byte for byte."""
        told = [one for log in self.world.outbox.events.values() for one in log if one.type == "deposit"]
        self.world.outbox.resend(told[-1])

    def move(self, transfer: str, *path: str, step_seconds: float = 5.0) -> None:
        """Due moves it on: the first status now, each other one later."""
        one = self.world.due.transfers[transfer]
        self.world.due.life.begin(one, path, [step_seconds] * (len(path) - 1))

    def replay(self, **wanted: Any) -> list[str]:
        """`dead-letters replay`: what was answered for each letter."""
        letters = dead_letters.find(self.desk, Filter(**wanted))
        return [str(result.answer) for result in dead_letters.replay_letters(self.desk, letters)]

    # Time ------------------------------------------------------------------------------------------------------------

    def pass_time(self, seconds: float, *, listening: bool = False) -> None:
        """Everything that is due happens, at its moment. `listening`: Alpaca's stream is read too, as it goes."""
        until = self.clock.now + timedelta(seconds=seconds)
        while True:
            self._now(listening=listening)
            upcoming = self._next_moment()
            if upcoming is None or upcoming > until:
                break
            self.clock.now = max(self.clock.now, upcoming)
        self.clock.now = max(self.clock.now, until)
        self._now(listening=listening)

    def poll(self) -> None:
        """One round of every poll of the timetable, and what follows from it at once."""
        self.worker.session.beat()
        for poll in self._polls.values():
            self._walker.poll(poll, lambda _: True)
        self._work()

    def look(self) -> None:
        """Every look that is due now, and what follows from it at once."""
        with self.begin() as connection:
            due = list(connection.execute(text("SELECT provider, poll, subject FROM looks WHERE due_at <= rk_now()")))
        for one in due:
            self.worker.polls.run_look(*one)
        self._work()

    def listen(self) -> None:
        """Read Alpaca's journal stream from a while back, as the clock's reader does after a break."""
        connect = self.worker.providers.connected["alpaca"].streams["journals"]
        frames: list[StreamFrame | None] = []
        # In process a stream ends where a real one would wait for the next frame.
        with closing(connect()) as stream, suppress(ProviderUnavailable):
            for frame in stream.frames(since=self.clock.now - OVERLAP):
                frames.append(frame)  # noqa: PERF402 -- what came before the end must not be lost with it
        heard = [
            Arrival(provider="alpaca", event_id=one.id, route="alpaca", type=None, source="stream", body=one.body)
            for one in frames
            if one is not None
        ]
        with self.begin() as connection:
            inbox.insert_events(connection, heard)

    def deliver(self) -> None:
        """Due's webhooks that are on their way arrive at the door."""
        for delivery in self.world.due_deliveries():
            answer = self._door.post(delivery.url.removeprefix(DOOR), data=delivery.body, headers=delivery.headers)
            self.world.delivery_answered(delivery.id, answer.status_code)

    def ingest(self) -> bool:
        """Handle the events that are due; whether there were any."""
        with self.begin() as connection:
            events = due_work.events(connection, limit=100)
        if events:
            self.worker.ingest.handle(events)
        return bool(events)

    def _now(self, *, listening: bool) -> None:
        self.worker.session.beat()
        self.world.tick()
        self.deliver()
        if listening:
            self.listen()
        self._work()

    def _work(self) -> None:
        """What the dispatcher would announce and the workers do, until nothing is due at this moment."""
        for _ in range(100):
            with self.begin() as connection:
                connection.execute(lost_claims._FREE)
            events = self.ingest()
            with self.begin() as connection:
                due = due_work.flows(connection, limit=100)
            for flow, kind, state in due:
                step = FLOWS[kind].step_of(state)
                if step is not None:
                    self.worker.runner.run(step, flow)
            if not events and not due:
                return
        raise AssertionError("a flow or event is due again at once, for ever")

    def _next_moment(self) -> datetime | None:
        """The next happening at a provider, or the next row that becomes due here."""
        ours = self.one("""
            SELECT min(due_at) FROM (SELECT due_at FROM flows WHERE attempt_id IS NULL
                                     UNION ALL SELECT due_at FROM inbox_events) w WHERE due_at > rk_now()
        """)
        moments = [moment for moment in (ours, self.world.next_happening()) if moment is not None]
        return min(moments, default=None)

    # The door --------------------------------------------------------------------------------------------------------

    def _make_door(self) -> Flask:
        settings = load(
            {
                "DATABASE_URL": "postgresql://x",
                "REDIS_URL": "redis://x",
                "DUE_WEBHOOK_PUBLIC_KEYS": self.world.due.endpoints.key(0).der_base64,
                "DUE_LEGACY_WEBHOOK_SECRET": self.world.config.due_legacy_secret,
            },
        )
        keys = ReceivingKeys(
            due_public_keys=settings.due.webhook_public_keys or (),
            due_legacy_secrets=settings.due.legacy_webhook_secret or (),
        )
        config, now = self.world.config, self.world.bridge.ready()
        opened = {
            **routes(keys),
            **bridge_door.routes([Windowed(base64.b64decode(now["bridge_public_key"]))]),
            **ibex_door.routes([Windowed(Secret(config.ibex_webhook_secret))]),
            **stripe_door.routes([Windowed(Secret(one)) for one in config.stripe_webhook_secrets]),
        }
        receiver = Receiver(
            opened,
            self._writer,
            self._metrics,
            limiter=SlidingWindowCounterRateLimiter(MemoryStorage()),
            now=self.clock,
        )
        app = Flask("door")
        receiver.mount(app)
        return app

    def _store(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        with self.begin() as connection:
            return inbox.insert_events(connection, number_arrivals(connection, arrivals))

    # What a test looks at --------------------------------------------------------------------------------------------

    def one(self, query: str, **values: Any) -> Any:
        """The first value of the first row, None without one."""
        with self.begin() as connection:
            return connection.execute(text(query), values).scalar()

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.begin() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def flow_of(self, transfer: str) -> Mapping[str, Any]:
        """The row of the transfer's flow, read now."""
        query = """
            SELECT f.* FROM flows f JOIN flow_references r ON r.flow_id = f.id
             WHERE r.provider = 'due' AND r.kind = 'transfer' AND r.external_id = :transfer
        """
        with self.begin() as connection:
            return dict(connection.execute(text(query), {"transfer": transfer}).mappings().one())

    def state_of(self, transfer: str) -> str:
        return str(self.flow_of(transfer)["state"])

    def history_of(self, transfer: str) -> list[str]:
        """The states it passed, in order, the first included."""
        flow = self.flow_of(transfer)["id"]
        found = self.rows("SELECT to_state FROM transitions WHERE flow_id = :flow ORDER BY id", flow=flow)
        return [state for (state,) in found]

    def balance(self, account: str, asset: str) -> tuple[int, int]:
        """Posted and pending, in minor units, of one ledger account by its name; zero when it has no postings.

        In the favour of its customer positive for what we owe, as a provider would show it for what is ours.
        """
        found = self.rows(
            """
            SELECT a.kind, p.layer, sum(p.amount) FROM postings p JOIN ledger_accounts a ON a.id = p.account_id
             WHERE a.name = :name AND a.asset = :asset GROUP BY a.kind, p.layer
            """,
            name=account,
            asset=asset,
        )
        sums = {layer: int(total) * (1 if kind == "asset" else -1) for kind, layer, total in found}
        return sums.get("posted", 0), sums.get("pending", 0)

    def told(self) -> list[str]:
        """The types of the notifications written, in order."""
        return [kind for (kind,) in self.rows("SELECT type FROM notifications ORDER BY happened_at, type")]

    def open_breaks(self) -> list[tuple[str, str]]:
        """(provider, type) of what stands open."""
        return self.rows("SELECT provider, type FROM breaks WHERE status = 'open' ORDER BY 1, 2")

    def letters(self) -> list[tuple[str, str, str | None]]:
        """(error, status, resolved_by) of every dead letter, the oldest first."""
        return self.rows("SELECT error, status, resolved_by FROM dead_letters ORDER BY opened_at")
