"""The door of the simulation: the product's own checks and its own inbox writer, a batch at a time."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from requests.structures import CaseInsensitiveDict

from db import inbox
from db.engine import UnitOfWork
from db.inbox import Arrival, Stored
from providers.receiving import ProofWithin, Proved, Route
from providers.rotation import Secret, Windowed
from providers.routes import ReceivingKeys, routes
from sandbox.outbox import Delivery
from sandbox.world import World
from tests.simulation.heard import Heard
from web.inbox_writer import InboxWriter, _Waiting
from web.json_object import parse_object
from web.metrics import DoorMetrics

METRICS: Final = DoorMetrics()
DOOR: Final = "http://door.test"
WEBHOOKS: Final = {f"{name}_webhook_url": f"{DOOR}/webhooks/{name}" for name in ("due", "bridge", "ibex", "stripe")}


class SimulatedDoor:
    """Takes what providers send, a batch at a time, and answers 200 for what is committed, 503 for the rest."""

    def __init__(self, world: World, begin: UnitOfWork, wake: Heard) -> None:
        self._world = world
        self._begin = begin
        self._writer = InboxWriter(self._store, wake.events, metrics=METRICS)
        self._routes: Mapping[str, Route] = {}

    def open(self) -> list[tuple[str, str]]:
        """Take all that is on its way by now; provider and id of each event answered with 200."""
        batch = [(delivery.id, _Waiting(self._arrival(delivery))) for delivery in self._world.due_deliveries()]
        self._writer._commit([waiting for _, waiting in batch])
        for delivery, waiting in batch:
            self._world.delivery_answered(delivery, 200 if waiting.stored else 503)
        return [(waiting.arrival.provider, waiting.arrival.event_id) for _, waiting in batch if waiting.stored]

    def _store(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        with self._begin() as connection:
            return inbox.insert_events(connection, arrivals)

    def _arrival(self, delivery: Delivery) -> Arrival:
        path = urlsplit(delivery.url).path
        if path == "/webhooks/due":
            return _from_due(delivery.body)
        self._routes = self._routes or routes(_keys(self._world))
        return _proved(self._routes[path], path, delivery, self._world.now())


def _from_due(body: bytes) -> Arrival:
    """Without proving it: most of a history's events come from there."""
    number = body.split(b'"id":"', 1)[1].split(b'"', 1)[0].decode()
    return Arrival(provider="due", event_id=number, route="due", type=None, source="webhook", body=body)


def _proved(route: Route, path: str, delivery: Delivery, now: datetime) -> Arrival:
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict(delivery.headers)
    if isinstance(route, ProofWithin):
        proved = route.prove(delivery.body, headers, None, now)
    else:
        proved = Proved(route.verify(delivery.body, headers, now), delivery.body)
    name = route.name(proved.body, parse_object(proved.body))
    return Arrival(
        provider=route.provider, event_id=name.id, route=path, type=name.type, source="webhook", body=proved.body
    )


def _keys(world: World) -> ReceivingKeys:
    return ReceivingKeys(
        bridge_public_keys=[Windowed(base64.b64decode(world.bridge.ready()["bridge_public_key"]))],
        ibex_secrets=[Windowed(Secret(world.config.ibex_webhook_secret))],
        stripe_secrets=[Windowed(Secret(one)) for one in world.config.stripe_webhook_secrets],
    )
