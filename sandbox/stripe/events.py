"""Stripe's events: logged for 30 days, and told to every webhook endpoint that listens."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.outbox import LoggedEvent
from sandbox.stripe import signing
from sandbox.stripe.model import Record, previous

if TYPE_CHECKING:
    from sandbox.stripe.config import StripeConfig
    from sandbox.world import World

API_VERSION = "2026-10-28.endive"
KEPT = timedelta(days=30)
# Stripe says "exponential backoff for up to 3 days"; the steps are ours, and the last comes in the third day.
_RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 300, 600, 720, 720, 720, 720))


@dataclass(frozen=True)
class Endpoint:
    """Where events are sent; "*" hears all."""

    id: str
    url: str
    events: tuple[str, ...]

    def hears(self, kind: str) -> bool:
        """Whether it wants this type."""
        return "*" in self.events or kind in self.events


@dataclass(kw_only=True)
class Event(Record):
    """One event, with what became of it at each endpoint."""

    name: ClassVar[str] = "event"

    type: str
    data: dict[str, Any]
    request_id: str | None
    idempotency_key: str | None
    hidden: bool = False  # never in /v1/events
    told: list[LoggedEvent] = field(default_factory=list)

    @property
    def listed(self) -> bool:
        """Whether the log of events shows it."""
        return not self.hidden and all(one.listed for one in self.told)

    @property
    def delivered(self) -> bool:
        """Whether no endpoint is pending or failed."""
        return all(one.delivered for one in self.told)

    def as_json(self, config: StripeConfig) -> dict[str, Any]:  # noqa: ARG002 - others need it
        """As the API shows it now."""
        return self.body(sum(not one.delivered for one in self.told))

    def body(self, pending: int) -> dict[str, Any]:
        """The envelope while so many endpoints are still to be told."""
        return {
            "id": self.id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.created,
            "livemode": self.livemode,
            "pending_webhooks": pending,
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": self.type,
            "data": self.data,
        }


class Events:
    """Every event, oldest first, and the endpoints."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.by_id: dict[str, Event] = {}
        self.endpoints: dict[str, Endpoint] = {}
        config = world.config
        if config.stripe_webhook_url is not None:
            self.add_endpoint(config.stripe_webhook_url, config.stripe_webhook_events)

    def add_endpoint(self, url: str, events: tuple[str, ...] = ("*",)) -> Endpoint:
        """Another endpoint; all sign with the config's secrets. Raises: ValueError: no address of the web."""
        if not url.startswith(("http://", "https://")):
            raise ValueError("an endpoint has an http address")
        endpoint = Endpoint(self._world.ids.prefixed("we"), url, tuple(events))
        self.endpoints[endpoint.id] = endpoint
        return endpoint

    def kept(self) -> list[Event]:
        """What /v1/events still knows: the last 30 days."""
        since = self._world.now() - KEPT
        return [event for event in self.by_id.values() if event.listed and event.created_at > since]

    def updated(self, record: Record, kind: str) -> None:
        """Tell of a change, with what the members that changed were before it."""
        after = record.as_json(self._world.config)
        self.announce(kind, after, record.livemode, previous(record.before or {}, after))

    def happened(self, record: Record, kind: str) -> None:
        """Tell of something else, with the whole object as it now is."""
        self.announce(kind, record.as_json(self._world.config), record.livemode)

    def announce(
        self,
        kind: str,
        shown: dict[str, Any],
        livemode: bool,  # noqa: FBT001 - Stripe's own word
        before: dict[str, Any] | None = None,
        *,
        hidden: bool = False,
    ) -> Event:
        """Log an event and send it to each endpoint that listens; every try has the same body and a signature anew."""
        caller = self._world.stripe.caller
        event = Event(
            id=self._world.ids.prefixed("evt"),
            number=len(self.by_id) + 1,
            created_at=self._world.now(),
            livemode=livemode,
            type=kind,
            data={"object": shown} if before is None else {"object": shown, "previous_attributes": before},
            request_id=caller.request_id if caller else None,
            idempotency_key=caller.idempotency_key if caller else None,
            hidden=hidden,
        )
        self.by_id[event.id] = event
        hearers = [endpoint for endpoint in self.endpoints.values() if endpoint.hears(kind)]
        payload = event.body(len(hearers))
        body = json.dumps(payload, separators=(",", ":")).encode()
        for endpoint in hearers:
            event.told.append(self._told(event, endpoint, payload, body))
        for one in event.told:
            self._world.outbox.post(one)
        return event

    def _told(self, event: Event, endpoint: Endpoint, payload: dict[str, Any], body: bytes) -> LoggedEvent:
        shown, world = event.data["object"], self._world
        return LoggedEvent(
            provider="stripe",
            id=event.id,
            endpoint_id=endpoint.id,
            url=endpoint.url,
            type=event.type,
            payload=payload,
            body=body,
            headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0"},
            occurred_at=event.created_at,
            sign=lambda at: {
                "Stripe-Signature": signing.header(
                    body, world.config.stripe_webhook_secrets, int(at.timestamp()), decoy=not event.livemode
                )
            },
            retry_after=_RETRY_AFTER,
            subject=shown.get("id"),
            status=shown.get("status"),
        )

    def resend(self, event_id: str) -> None:
        """Send an event once more to each endpoint that was told, as the dashboard's button does. Raises: KeyError."""
        for one in self.by_id[event_id].told:
            self._world.outbox.resend(one)
