"""One worker process, put together from its settings."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from dramatiq import Broker
from redis import Redis
from sqlalchemy import Engine

from db import sessions
from db.engine import UnitOfWork, make_engine, single_statements, unit_of_work
from db.gates import GateRows
from db.notifications import Channel
from db.receiver_keys import noting
from db.sealing import Sealer
from dispatch.broker import make_broker, make_client
from dispatch.wake import Wake
from funding.backoff import Backoff
from funding.calls import Ports
from funding.errors import ProviderUnavailable
from funding.flow import Step
from funding.flows.table import FLOWS
from ops.configured import enabled, providers_config
from providers.gate import places
from providers.outgoing import Outgoing
from providers.people import People
from providers.registry import (
    INTERPRETERS,
    POLICIES,
    PROVIDERS,
    Providers,
    Surroundings,
    build,
)
from settings import Settings
from workers.doors import Doors
from workers.ingest import Ingest
from workers.jobs import make_polls
from workers.notify import Notifier
from workers.polls import Polls
from workers.recorder import Recorder
from workers.runner import Runner
from workers.session import Session


class Absent:
    """Stands for a provider without credentials: whatever is asked of it was not sent."""

    def __init__(self, provider: str) -> None:
        self._provider = provider

    def __getattr__(self, name: str) -> Any:
        raise ProviderUnavailable(f"{self._provider} is not configured", provider=self._provider)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDesk:
    """What one worker process can do, and what it holds. Shape: `workers.actors.Desk`."""

    engine: Engine
    begin: UnitOfWork
    session: Session
    broker: Broker
    redis: Redis
    providers: Providers
    runner: Runner
    ingest: Ingest
    notifier: Notifier
    polls: Polls

    def step(self, step: Step, flow: UUID) -> bool:
        """Run a flow from a step until it waits; False when every place at its provider is taken."""
        return self.runner.run(step, flow)

    def events(self, ids: Sequence[int]) -> None:
        """Handle inbox events."""
        self.ingest.handle(ids)

    def tick(self, job: str, slot: datetime) -> bool:
        """Do a slot of the timetable; False when every place at its provider is taken."""
        return self.polls.run_tick(job, slot)

    def look(self, provider: str, poll: str, subject: str) -> bool:
        """Read one object from its provider; False when every place there is taken."""
        return self.polls.run_look(provider, poll, subject)

    def notification(self, notification: UUID) -> None:
        """Deliver a notification."""
        self.notifier.deliver(notification)

    def close(self) -> None:
        """Close every connection."""
        self.providers.close()
        self.engine.dispose()


def make_desk(settings: Settings) -> WorkerDesk:
    """Everything a worker process needs, connected to nothing yet."""
    engine = make_engine(
        settings.database_url.reveal(),
        pool=settings.worker_threads * 2 + 4,  # each thread one, as many again while Redis is away, and the beat's own
        transaction_pooler=settings.database_pooler == "transaction",
    )
    begin, at_once = unit_of_work(engine), single_statements(engine)
    redis_url = settings.redis_url.reveal()
    broker = make_broker(redis_url, places=places(settings.worker_threads))
    client = make_client(redis_url)
    wake = Wake(broker, client)
    session = Session(begin)
    providers = build(
        providers_config(settings, threads=settings.worker_threads),
        Surroundings(gate_store=GateRows(begin), live_sessions=lambda: _live(begin), key_used=noting(begin)),
    )
    sealer = Sealer(settings.encryption_keys or ())
    recorder = Recorder(
        begin=begin,
        flows=FLOWS,
        retry=Backoff(first=settings.retry_first, tries=settings.retry_tries),
        channels=channels(settings),
        draw=random.Random(),
    )
    ports = Ports(
        each={name: Absent(name) for name in PROVIDERS} | dict(providers.ports()),
        policies=POLICIES,
    )
    runner = Runner(
        begin=begin,
        at_once=at_once,
        flows=FLOWS,
        ports=ports,
        session=session,
        recorder=recorder,
        wake=wake,
        doors=Doors(providers.gates),
    )
    notifier = Notifier(
        at_once,
        webhook_url=settings.notify.webhook_url,
        webhook_secrets=settings.notify.webhook_secrets or (),
        outgoing=Outgoing(allow_private=settings.notify.allow_private),
        people=People(settings.notify.apprise_urls or ()),
    )
    return WorkerDesk(
        engine=engine,
        begin=begin,
        session=session,
        broker=broker,
        redis=client,
        providers=providers,
        runner=runner,
        ingest=Ingest(
            begin=begin,
            flows=FLOWS,
            interpreters=INTERPRETERS,
            sealer=sealer,
            wake=wake,
            closed=[name for name, on in enabled(settings).items() if not on],
        ),
        notifier=notifier,
        polls=make_polls(
            begin,
            providers=providers,
            doors=Doors(providers.gates, left=runner.send_for),
            turned_away=runner.turned_away,
            wake=wake,
            sealer=sealer,
            settings=settings,
        ),
    )


def channels(settings: Settings) -> tuple[Channel, ...]:
    """The ways notifications go out here."""
    configured: list[Channel] = []
    if settings.notify.webhook_url is not None:
        configured.append("webhook")
    if settings.notify.apprise_urls:
        configured.append("apprise")
    return tuple(configured)


def _live(begin: UnitOfWork) -> int:
    with begin() as connection:
        return sessions.live(connection)
