"""Due's routes about webhooks: endpoints, names of events, the delivery log, resends."""

from __future__ import annotations

import base64
import json
from typing import Any, ClassVar
from urllib.parse import urlsplit

from flask import Response, request

from sandbox.due import errors, views
from sandbox.due.caller import fields, small_list
from sandbox.due.endpoints import EVENT_NAMES
from sandbox.due.model import Endpoint
from sandbox.due.reads import paged
from sandbox.http import Routes, json_body, reply
from sandbox.outbox import LoggedEvent
from sandbox.times import rfc3339


class WebhookRoutes(Routes):
    """Webhook endpoints are the firm's, so no account scopes them."""

    table: ClassVar = (
        ("POST", "/v1/webhook_endpoints", "create"),
        ("GET", "/v1/webhook_endpoints", "list_all"),
        ("GET", "/v1/webhook_endpoints/events", "list_names"),
        ("POST", "/v1/webhook_endpoints/<endpoint_id>", "update"),
        ("DELETE", "/v1/webhook_endpoints/<endpoint_id>", "delete"),
        ("GET", "/v1/webhook_endpoints/<endpoint_id>/events", "list_events"),
        ("POST", "/v1/webhook_endpoints/<endpoint_id>/events/<event_id>/retry", "retry"),
    )

    def create(self) -> Response:
        """An endpoint with a key pair of its own."""
        body = json_body()
        url = _checked_url(fields(body, "url")["url"])
        if any(one.url == url for one in self.world.due.endpoints.by_id.values()):
            raise errors.plain(409, "err_webhook_endpoint_already_exists", "an endpoint with this url exists")
        owner = request.headers.get("Due-Account-Id", "")
        made = self.world.due.endpoints.add(url, _checked_events(body), str(body.get("description", "")), owner)
        return reply(views.endpoint(made), 201)

    def list_all(self) -> Response:
        """Every endpoint."""
        return reply(small_list(self.world, [views.endpoint(one) for one in self.world.due.endpoints.by_id.values()]))

    def list_names(self) -> Response:
        """The events one may subscribe to."""
        return reply(list(EVENT_NAMES))

    def _endpoint(self, endpoint_id: str) -> Endpoint:
        found = self.world.due.endpoints.by_id.get(endpoint_id)
        if found is None:
            raise errors.not_found("webhook endpoint")
        return found

    def update(self, endpoint_id: str) -> Response:
        """Change url, events, description or enabled."""
        endpoint, body = self._endpoint(endpoint_id), json_body()
        if "url" in body:
            endpoint.url = _checked_url(fields(body, "url")["url"])
        endpoint.events = _checked_events(body) if "events" in body else endpoint.events
        endpoint.description = str(body.get("description", endpoint.description))
        endpoint.enabled = bool(body.get("enabled", endpoint.enabled))
        return reply(views.endpoint(endpoint))

    def delete(self, endpoint_id: str) -> Response:
        """Remove an endpoint; its log goes with it."""
        self._endpoint(endpoint_id)
        del self.world.due.endpoints.by_id[endpoint_id]
        return Response(status=204)

    def list_events(self, endpoint_id: str) -> Response:
        """The delivery log `{items, next}`."""
        self._endpoint(endpoint_id)
        events = [event for event in self.world.outbox.events.get(endpoint_id, []) if event.listed]
        if request.args.get("onlyFailed", "").lower() in {"true", "1"}:
            events = [event for event in events if event.last_error is not None]
        page, following = paged(self.world, events)
        return reply({"items": [self._logged(event) for event in page], "next": following})

    def retry(self, endpoint_id: str, event_id: str) -> Response:
        """Send an event once more, with the body and signature it had."""
        self._endpoint(endpoint_id)
        for event in self.world.outbox.events.get(endpoint_id, []):
            if event.id == event_id and event.listed:
                self.world.outbox.resend(event)
                return reply(self._logged(event))
        raise errors.not_found("event")

    def _logged(self, event: LoggedEvent) -> dict[str, Any]:
        digits, last = self.world.config.time_digits, event.last_attempt_at
        return {
            "id": event.id,
            "eventType": event.type,
            "eventData": encoded(event, self.world.config.event_data),
            "attempts": event.attempts,
            "lastAttemptAt": rfc3339(last, digits) if last else None,
            "lastError": event.last_error,
            "occurredAt": rfc3339(event.occurred_at, digits),
            "responseStatusCode": event.response_status,
            "responseBody": event.response_body,
            "webhookEndpointId": event.endpoint_id,
        }


def encoded(event: LoggedEvent, how: str) -> Any:
    """The event's payload as an object, as JSON text, as base64 of it, or as its bytes in a list of integers."""
    if how == "text":
        return event.body.decode()
    if how == "base64":
        return base64.b64encode(event.body).decode()
    if how == "integers":
        return list(event.body)
    return json.loads(event.body)


def _checked_url(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc:
        raise errors.invalid(url="http or https")
    return url


def _checked_events(body: dict[str, Any]) -> list[str]:
    events = body.get("events") or list(EVENT_NAMES)
    if not isinstance(events, list) or not all(event in EVENT_NAMES for event in events):
        raise errors.invalid(events="unknown event name")
    return events
