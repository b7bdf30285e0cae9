"""Webhook endpoints: whom Bridge tells, about what, under which key, and what waits for them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.bridge.model import Endpoint
from sandbox.bridge.signing import KEYS, SigningKey, read, throwaway
from sandbox.outbox import LoggedEvent
from sandbox.times import milliseconds

if TYPE_CHECKING:
    from sandbox.world import World

CATEGORIES = (
    "customer",
    "kyc_link",
    "external_account",
    "transfer",
    "virtual_account",
    "virtual_account.activity",
    "liquidation_address",
    "liquidation_address.drain",
)
# Two days in all are documented, the waits are not; these are ours.
_RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720, 1440))
_SEED_CATEGORIES = {
    "kyc": {"customer", "kyc_link"},
    "deposit": {"virtual_account.activity"},
    "transfer": {"transfer"},
}


@dataclass
class Happened:
    """One event, the same for every endpoint."""

    sequence: int
    id: str
    category: str
    kind: str  # always prefixed, whatever the payload says
    payload: dict[str, Any]
    at: datetime
    told: list[LoggedEvent] = field(default_factory=list)

    @property
    def listed(self) -> bool:
        """Whether Bridge's own list still has it."""
        return all(event.listed for event in self.told)


class Endpoints:
    """Every endpoint, and every event there has been, oldest first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._developer_id = world.ids.uuid("bridge_developer")
        self._first_key = world.ids.stream("bridge_key").randrange(KEYS)
        self._stalled: set[str] = set()  # endpoints that were given up: what is new waits
        self.by_id: dict[str, Endpoint] = {}
        self.happened: list[Happened] = []
        for number, _ in enumerate(world.config.bridge_signing_keys):
            self.key(number)  # a key that cannot be read is refused at the start, not at the first webhook
        if world.config.bridge_webhook_url is not None:
            self.add(world.config.bridge_webhook_url, status="active")

    def key(self, number: int) -> SigningKey:
        """The key of the endpoint that was, or will be, made as the `number`th, from 0. Raises: ValueError."""
        given = self._world.config.bridge_signing_keys
        return read(given[number]) if number < len(given) else throwaway((self._first_key + number) % KEYS)

    def add(
        self,
        url: str,
        categories: list[str] | None = None,
        *,
        status: str = "disabled",
        epoch: str = "webhook_creation",
    ) -> Endpoint:
        """An endpoint; without `categories` it hears everything, with `epoch` "beginning_of_time" also of the past.

        Raises: ValueError: no url, or a category that does not exist.
        """
        if not isinstance(url, str) or not set(categories or ()) <= set(CATEGORIES):
            raise ValueError(f"an endpoint needs a url, and categories of {', '.join(CATEGORIES)}")
        now = self._world.now()
        endpoint = Endpoint(
            id=self._world.ids.prefixed("wep"),
            number=len(self.by_id),
            customer_id="",
            created_at=now,
            updated_at=now,
            url=url,
            categories=list(CATEGORIES) if categories is None else categories,
            seen=0 if epoch == "beginning_of_time" else len(self.happened),
        )
        self.by_id[endpoint.id] = endpoint
        self.set_status(endpoint, status)
        return endpoint

    def set_status(self, endpoint: Endpoint, status: str) -> None:
        """Enable, disable or delete; an endpoint that becomes active is sent all that waited for it."""
        endpoint.status = status
        endpoint.updated_at = self._world.now()
        self._release(endpoint)

    def upcoming(self, endpoint: Endpoint) -> list[Happened]:
        """What waits for this endpoint, oldest first."""
        return [one for one in self.happened[endpoint.seen :] if one.category in endpoint.categories]

    def announce(
        self,
        category: str,
        mutation: str,
        view: dict[str, Any],
        *,
        status: str | None = None,
        changes: dict[str, list[Any]] | None = None,
    ) -> None:
        """Tell everyone who listens that an object was made or changed, with the whole object as it now is."""
        now, sequence, kind = self._world.now(), len(self.happened) + 1, f"{category}.{mutation}"
        event_id = self._world.ids.prefixed("wh")
        payload = {
            "api_version": "v0",
            "event_id": event_id,
            "event_developer_id": self._developer_id,
            "event_sequence": sequence,
            "event_category": category,
            "event_type": self._told_type(kind, mutation),
            "event_object_id": view["id"],
            "event_object_status": status,
            "event_object": view,
            "event_object_changes": changes or {},
            "event_created_at": milliseconds(now),
        }
        self.happened.append(Happened(sequence, event_id, category, kind, payload, now))
        for endpoint in self.by_id.values():
            self._release(endpoint)

    def announce_in_seed_way(self, route: str, kind: str, data: dict[str, Any]) -> None:
        """Send the first seed's own shape, if the world speaks so, to active endpoints for `route`'s categories."""
        if self._world.config.bridge_envelope == "real":
            return
        for endpoint in self.by_id.values():
            if endpoint.status == "active" and _SEED_CATEGORIES[route] & set(endpoint.categories):
                event_id = self._world.ids.prefixed("evt")
                self._post(endpoint, event_id, kind, {"id": event_id, "type": kind, "data": data}, None)

    def send(self, endpoint: Endpoint, happened: Happened) -> None:
        """Send one event now, also while disabled and also once more."""
        for event in happened.told:
            if event.endpoint_id == endpoint.id:
                event.url = endpoint.url
                self._world.outbox.resend(event)
                return
        self._tell(endpoint, happened)

    def _release(self, endpoint: Endpoint) -> None:
        if endpoint.status != "active" or endpoint.id in self._stalled:
            return
        waiting, endpoint.seen = self.upcoming(endpoint), len(self.happened)
        if self._world.config.bridge_envelope != "seed":
            for one in waiting:
                self._tell(endpoint, one)

    def _tell(self, endpoint: Endpoint, happened: Happened) -> None:
        happened.told.append(self._post(endpoint, happened.id, happened.kind, happened.payload, happened))

    def _post(
        self, endpoint: Endpoint, event_id: str, kind: str, payload: dict[str, Any], happened: Happened | None
    ) -> LoggedEvent:
        body = json.dumps(payload, separators=(",", ":")).encode()
        about = payload.get("event_object", payload.get("data", {}))

        def sign(moment: datetime) -> dict[str, str]:
            return {"X-Webhook-Signature": self.key(endpoint.number).sign(body, moment)}

        event = LoggedEvent(
            *("bridge", event_id, endpoint.id, endpoint.url, kind, payload, body),
            headers={"Content-Type": "application/json"},
            occurred_at=self._world.now() if happened is None else happened.at,
            sign=sign,
            retry_after=_RETRY_AFTER,
            subject=about.get("id") or about.get("customer_id"),
            status=payload.get("event_object_status") or about.get("type") or about.get("status"),
            told=self._answered,
        )
        self._world.outbox.post(event)
        return event

    def _answered(self, event: LoggedEvent) -> None:
        """Give an endpoint up after the last try, until anything reaches it again."""
        if event.delivered:
            if event.endpoint_id in self._stalled:
                self._stalled.discard(event.endpoint_id)
                self._release(self.by_id[event.endpoint_id])
        elif event.attempts > len(event.retry_after):
            self._stalled.add(event.endpoint_id)

    def _told_type(self, kind: str, mutation: str) -> str:
        how = self._world.config.bridge_event_types
        if how == "mixed":
            return self._world.ids.stream("bridge_event_type").choice((kind, mutation))
        return mutation if how == "bare" else kind
