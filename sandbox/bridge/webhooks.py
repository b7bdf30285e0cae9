"""Bridge's routes about webhooks, past events and API keys."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

from flask import Response, request

from sandbox.bridge.checks import Fields
from sandbox.bridge.endpoints import CATEGORIES, Happened
from sandbox.bridge.errors import invalid, refused
from sandbox.bridge.found import found
from sandbox.bridge.model import Endpoint
from sandbox.bridge.reads import cut, refuse_together
from sandbox.http import Routes, json_body, reply
from sandbox.times import milliseconds

_UPCOMING_SHOWN = 10
_EVENTS_DEFAULT, _EVENTS_MOST = 100, 500
_EPOCHS = frozenset({"webhook_creation", "beginning_of_time"})


class WebhookRoutes(Routes):
    """Endpoints with their queues and logs; every event there has been; keys with fewer rights."""

    table: ClassVar = (
        ("POST", "/v0/webhooks", "create"),
        ("GET", "/v0/webhooks", "list_all"),
        ("PUT", "/v0/webhooks/<endpoint_id>", "update"),
        ("DELETE", "/v0/webhooks/<endpoint_id>", "delete"),
        ("GET", "/v0/webhooks/<endpoint_id>/events", "list_upcoming"),
        ("GET", "/v0/webhooks/<endpoint_id>/logs", "list_logs"),
        ("POST", "/v0/webhooks/<endpoint_id>/send", "send"),
        ("GET", "/v0/webhook_events", "list_events"),
        ("POST", "/v0/api_keys", "create_key"),
    )

    def create(self) -> Response:
        """An endpoint with a key pair of its own, disabled."""
        fields = Fields(json_body())
        url, epoch = self._url(fields), fields.choice("event_epoch", _EPOCHS)
        categories = fields.words("event_categories", CATEGORIES)
        if not categories:
            fields.problem("event_categories", "is required")
        fields.done()
        made = self.world.bridge.endpoints.add(url, categories, epoch=epoch)
        return reply(self.view(made), 201)

    def list_all(self) -> Response:
        """Every endpoint that is not deleted."""
        every = self.world.bridge.endpoints.by_id.values()
        data = [self.view(one) for one in every if one.status != "deleted"][::-1]
        return reply({"count": len(data), "data": data})

    def update(self, endpoint_id: str) -> Response:
        """Enable, disable, hear of other categories; another url only while disabled."""
        endpoint, fields = self._endpoint(endpoint_id), Fields(json_body())
        status = fields.choice("status", {"active", "disabled"}, endpoint.status)
        url = self._url(fields) if fields.get("url") is not None else endpoint.url
        categories = fields.words("event_categories", CATEGORIES)
        fields.done()
        if url != endpoint.url and endpoint.status != "disabled":
            raise refused("bad_request", "the url can be changed only while the webhook is disabled")
        endpoint.url, endpoint.categories = url, categories or endpoint.categories
        self.world.bridge.endpoints.set_status(endpoint, status)
        return reply(self.view(endpoint))

    def delete(self, endpoint_id: str) -> Response:
        """Remove an endpoint."""
        endpoint = self._endpoint(endpoint_id)
        self.world.bridge.endpoints.set_status(endpoint, "deleted")
        return reply(self.view(endpoint))

    def list_upcoming(self, endpoint_id: str) -> Response:
        """The next few events that wait for this endpoint, oldest first."""
        waiting = self.world.bridge.endpoints.upcoming(self._endpoint(endpoint_id))
        category = request.args.get("category")
        data = [one.payload for one in waiting if category in {None, one.category}][:_UPCOMING_SHOWN]
        return reply({"count": len(data), "data": data})

    def list_logs(self, endpoint_id: str) -> Response:
        """How each event that was sent went, newest first."""
        events = self.world.outbox.events.get(self._endpoint(endpoint_id).id, [])
        data = [
            {
                "event_id": event.id,
                "status": event.response_status,
                "response_body": event.response_body,
                "created_at": milliseconds(event.last_attempt_at or event.occurred_at),
            }
            for event in reversed(events)
            if event.listed and event.attempts
        ]
        return reply({"count": len(data), "data": data})

    def send(self, endpoint_id: str) -> Response:
        """Send one event now, also while the endpoint is disabled."""
        endpoint, fields = self._endpoint(endpoint_id), Fields(json_body())
        wanted = fields.text("event_id")
        fields.done()
        for one in self.world.bridge.endpoints.happened:
            if one.id == wanted and one.listed:
                self.world.bridge.endpoints.send(endpoint, one)
                return reply({"message": "event sent"})
        raise invalid(event_id="is not an event")

    def list_events(self) -> Response:
        """Whole envelopes of the past.

        Bridge's text calls `starting_after` "forward" here and nowhere else. So by default rows are oldest first;
        `bridge_events_paging` can make it like other lists, or newest first with the cursors' parts exchanged.
        """
        refuse_together("starting_after", "ending_before")
        how, category = self.world.config.bridge_events_paging, request.args.get("category")
        after, before = request.args.get("starting_after"), request.args.get("ending_before")
        rows = [one for one in self.world.bridge.endpoints.happened if one.listed]
        if how != "forward":
            rows.reverse()
        if how == "swapped":
            after, before = before, after

        def fits(one: Happened) -> bool:
            return category in {None, one.category}

        page = cut(self.world, rows, fits, after, before, default=_EVENTS_DEFAULT, most=_EVENTS_MOST)
        return reply({"data": [one.payload for one in page], "count": len(page)})

    def create_key(self) -> Response:
        """One more key that is accepted; its scopes are not pretended. Takes no idempotency key."""
        fields = Fields(json_body())
        scopes = fields.words("scopes")
        if not scopes:
            fields.problem("scopes", "is required")
        fields.done()
        value = f"sk-test-{self.world.ids.prefixed('scoped')}"
        self.world.bridge.scoped_keys.append(value)
        shown = {"id": self.world.ids.uuid("bridge_key"), "state": "Active", "last_4": value[-4:]}
        return reply({**shown, "scopes": scopes, "value": value}, 201)

    def view(self, endpoint: Endpoint) -> dict[str, Any]:
        """An endpoint with its public key."""
        pem = self.world.bridge.endpoints.key(endpoint.number).pem
        return {
            "id": endpoint.id,
            "url": endpoint.url,
            "status": endpoint.status,
            "public_key": pem.replace("\n", "\\n") if self.world.config.bridge_escaped_pem else pem,
            "event_categories": endpoint.categories,
        }

    def _endpoint(self, endpoint_id: str) -> Endpoint:
        every = {one.id: one for one in self.world.bridge.endpoints.by_id.values() if one.status != "deleted"}
        return found(self.world, every, endpoint_id, "webhook")

    def _url(self, fields: Fields) -> str:
        url = fields.text("url")
        schemes = {"https"} if self.world.config.bridge_https_only else {"http", "https"}
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in schemes or not parts.netloc:
            fields.problem("url", f"must be {' or '.join(sorted(schemes))}")
        return url
