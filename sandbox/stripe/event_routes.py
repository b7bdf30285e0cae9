"""Stripe's routes about events of the last 30 days."""

from __future__ import annotations

from typing import ClassVar

from flask import Response, request

from sandbox.http import reply
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import Event
from sandbox.stripe.lists import PAGING, paged
from sandbox.stripe.routes import StripeRoutes

_MOST_TYPES = 20


class EventRoutes(StripeRoutes):
    """An event is gone from here after 30 days, as a cursor too."""

    table: ClassVar = (
        ("GET", "/v1/events", "list_all"),
        ("GET", "/v1/events/<event_id>", "get"),
    )

    def list_all(self) -> Response:
        """Newest first; by `type` (with `*`) or `types[]`, `created`, `delivery_success`."""
        params = self._query(*PAGING, "type", "types", "delivery_success")
        kind, kinds, delivered = params.text("type"), params.texts("types"), params.flag("delivery_success")
        if kind is not None and kinds is not None:
            raise invalid("You may pass either type or types, but not both.", "types")
        if kinds is not None and len(kinds) > _MOST_TYPES:
            raise invalid(f"types may name at most {_MOST_TYPES} event types.", "types")

        def wanted(event: Event) -> bool:
            named = kind is None or _matches(kind, event.type)
            return named and (kinds is None or event.type in kinds) and delivered in {None, event.delivered}

        mine = [event for event in self.world.stripe.events.kept() if event.livemode == self.caller.livemode]
        page, more = paged(self.world, mine, params, wanted)
        data = [event.as_json(self.world.config) for event in page]
        return reply({"object": "list", "url": request.path, "has_more": more, "data": data})

    def get(self, event_id: str) -> Response:
        """One event."""
        self._query()
        kept = {event.id: event for event in self.world.stripe.events.kept()}
        return reply(self._found(kept, event_id, Event).as_json(self.world.config))


def _matches(wanted: str, kind: str) -> bool:
    """`charge.*` is everything that begins so; a name without a star is that name."""
    head, star, tail = wanted.partition("*")
    return kind.startswith(head) and kind.endswith(tail) if star else kind == wanted
