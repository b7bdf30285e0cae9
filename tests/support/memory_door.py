"""The real door on a store in memory."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from flask import Flask
from flask.testing import FlaskClient
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from werkzeug.test import TestResponse

from db.inbox import Arrival, Stored
from providers.routes import ReceivingKeys, routes
from providers.sources import Source
from tests.support.door import NOW
from web.body import MOST_BYTES
from web.inbox_writer import InboxWriter
from web.metrics import DoorMetrics
from web.receiver import Receiver


class MemoryDoor:
    """A door that takes what these keys prove, at one moment; its limit is one event an hour when `limited`."""

    def __init__(
        self, keys: ReceivingKeys, *, limited: bool = False, now: datetime = NOW, proxies: Sequence[Source] = ()
    ) -> None:
        self.arrivals: list[Arrival] = []
        self.broken = False
        self.metrics = DoorMetrics()
        self.writer = InboxWriter(self._store, lambda ids: None, metrics=self.metrics)
        receiver = Receiver(
            routes(keys),
            self.writer,
            self.metrics,
            limiter=SlidingWindowCounterRateLimiter(MemoryStorage()),
            limit=parse("1/hour") if limited else None,
            proxies=proxies,
            now=lambda: now,
        )
        app = Flask("door")
        receiver.mount(app)
        self.client: FlaskClient = app.test_client()

    def send(self, body: bytes, path: str, headers: Mapping[str, str], *, peer: str = "192.0.2.1") -> TestResponse:
        """A request whose connection `peer` opened."""
        json_type = {"Content-Type": "application/json"}
        return self.client.post(
            path, data=body, headers=json_type | {**headers}, environ_overrides={"REMOTE_ADDR": peer}
        )

    def refusals(self) -> dict[tuple[str, str], float]:
        """How often each reason was counted, by provider and reason."""
        return {
            (sample.labels["provider"], sample.labels["reason"]): sample.value
            for metric in self.metrics.refusals.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        }

    def _store(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        if self.broken:
            raise RuntimeError("the store is broken")
        known = {arrival.event_id for arrival in self.arrivals}
        self.arrivals += arrivals
        return [Stored(1, duplicate=arrival.event_id in known) for arrival in arrivals]


def problem(response: TestResponse) -> tuple[int, str]:
    """Status and type, having checked the form."""
    assert response.mimetype == "application/problem+json"
    document = json.loads(response.data)
    assert document["status"] == response.status_code
    assert document["title"]
    return response.status_code, document["type"].removeprefix("urn:rampkeeper:problem:")


def knock(
    door: MemoryDoor, body: bytes, path: str, headers: Mapping[str, str], *wrongs: str, peer: str = "192.0.2.1"
) -> TestResponse:
    """Send a body that may be wrong in what every route shares: path, method, size, kind, store.

    What is too large is `body` with spaces before its last byte, signed as it was.
    """
    door.broken = "store" in wrongs
    kind = {"Content-Type": "text/plain" if "kind" in wrongs else "application/json"}
    return door.client.open(
        "/webhooks/nobody" if "path" in wrongs else path,
        method="PUT" if "method" in wrongs else "POST",
        data=body[:-1] + b" " * MOST_BYTES + body[-1:] if "size" in wrongs else body,
        headers=kind | {**headers},
        environ_overrides={"REMOTE_ADDR": peer},
    )


SHARED = {
    "path": (404, "no-such-provider"),
    "method": (405, "method-not-allowed"),
    "size": (413, "too-large"),
    "kind": (415, "unsupported-media-type"),
}
LAST = {"rate": (429, "too-many-requests"), "store": (503, "cannot-store")}
