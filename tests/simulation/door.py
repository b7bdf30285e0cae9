"""The door of the simulation: the product's own inbox writer, a batch at a time."""

from collections.abc import Sequence

from db import inbox
from db.engine import UnitOfWork
from db.inbox import Arrival, Stored
from sandbox.world import World
from tests.simulation.heard import Heard
from web.inbox_writer import InboxWriter, _Waiting
from web.metrics import DoorMetrics

METRICS = DoorMetrics()


class SimulatedDoor:
    """Takes what Due sends, a batch at a time, and answers 200 for what is committed, 503 for the rest."""

    def __init__(self, world: World, begin: UnitOfWork, wake: Heard) -> None:
        self._world = world
        self._begin = begin
        self._writer = InboxWriter(self._store, wake.events, metrics=METRICS)

    def open(self) -> list[str]:
        """Take all that is on its way by now; the ids of events answered with 200."""
        batch = [(delivery.id, _Waiting(_arrival(delivery.body))) for delivery in self._world.due_deliveries()]
        self._writer._commit([waiting for _, waiting in batch])
        for delivery, waiting in batch:
            self._world.delivery_answered(delivery, 200 if waiting.stored else 503)
        return [waiting.arrival.event_id for _, waiting in batch if waiting.stored]

    def _store(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        with self._begin() as connection:
            return inbox.insert_events(connection, arrivals)


def _arrival(body: bytes) -> Arrival:
    number = body.split(b'"id":"', 1)[1].split(b'"', 1)[0].decode()
    return Arrival(provider="due", event_id=number, route="due", type=None, source="webhook", body=body)
