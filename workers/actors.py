"""Actors: one a step, made from the flow tables, and one each for events, ticks, looks and notifications."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import structlog
from dramatiq import Actor, Broker
from sqlalchemy.exc import SQLAlchemyError

from dispatch.broker import FUNDING_OF, INGEST, NOTIFY, POLLS
from funding.flow import Step
from funding.flows.table import FLOWS

log = structlog.get_logger(__name__)


class Desk(Protocol):
    """What a worker process can do; each is safe to do twice."""

    def step(self, step: Step, flow: UUID) -> bool:
        """Run a flow from a step until it waits; False when every place at its provider is taken."""
        ...

    def events(self, ids: Sequence[int]) -> None:
        """Handle inbox events."""
        ...

    def tick(self, job: str, slot: datetime) -> bool:
        """Do a slot of the timetable; False when every place at its provider is taken."""
        ...

    def look(self, provider: str, poll: str, subject: str) -> bool:
        """Read one object from its provider; False when every place there is taken."""
        ...

    def notification(self, notification: UUID) -> None:
        """Deliver a notification."""
        ...


def declare(broker: Broker, desk: Desk) -> dict[str, Actor[Any, Any]]:
    """Make every actor on that broker, by name."""

    def of_step(step: Step) -> Callable[[str], bool]:
        return lambda flow: desk.step(step, UUID(flow))

    table: list[tuple[str, str, Callable[..., object]]] = [
        (step.actor_name, FUNDING_OF[step.provider], of_step(step)) for flow in FLOWS.values() for step in flow.steps()
    ]
    table += [
        ("ingest", INGEST, desk.events),
        ("tick", POLLS, lambda job, slot: desk.tick(job, datetime.fromisoformat(slot))),
        ("look", POLLS, desk.look),
        ("notify", NOTIFY, lambda notification: desk.notification(UUID(notification))),
    ]
    return {
        name: Actor(_contained(name, act), broker=broker, actor_name=name, queue_name=queue, priority=0, options={})
        for name, queue, act in table
    }


def _contained(name: str, act: Callable[..., object]) -> Callable[..., None]:
    """Whatever goes wrong stays in this message: its row is still due."""

    def run(*args: Any) -> None:
        try:
            act(*args)
        except SQLAlchemyError as error:
            log.warning("actor.database_failed", actor=name, error=type(error).__name__)
        except Exception as error:
            log.exception("actor.failed", actor=name, error=type(error).__name__)

    return run
