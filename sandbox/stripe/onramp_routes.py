"""Stripe's routes about onramp sessions, at the real path and at the seed's."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response

from sandbox.http import reply, route
from sandbox.stripe.form import Params
from sandbox.stripe.onramp_checks import FIELDS, SEED_FIELDS, read_wish
from sandbox.stripe.onramp_model import OnrampSession, in_seed_shape
from sandbox.stripe.reads import shown
from sandbox.stripe.routes import StripeRoutes

_PATH = "/v1/crypto/onramp_sessions"
_SEED_PATH = "/v1/crypto/onramp/sessions"
_FILTERS: dict[str, Any] = {
    "status": lambda one: one.status,
    "destination_currency": lambda one: one.destination_currency,
    "destination_network": lambda one: one.destination_network,
}


class OnrampRoutes(StripeRoutes):
    """The same sessions at both paths; only the seed's has its own fields and its own shape."""

    table: ClassVar = (
        ("POST", _PATH, "create"),
        ("GET", _PATH, "list_all"),
        ("GET", f"{_PATH}/<session_id>", "get"),
        ("POST", _SEED_PATH, "create_in_seed_way"),
        ("GET", _SEED_PATH, "list_in_seed_way"),
        ("GET", f"{_SEED_PATH}/<session_id>", "get_in_seed_way"),
    )

    def create(self) -> Response:
        """A session."""
        return self._once(FIELDS, lambda params: self._make(params).as_json(self.world.config))

    def create_in_seed_way(self) -> Response:
        """A session from `destination_address` and `suggested_destination_amount` (minor units)."""
        return self._once(
            SEED_FIELDS, lambda params: in_seed_shape(self._make(params, seed=True).as_json(self.world.config))
        )

    def _make(self, params: Params, *, seed: bool = False) -> OnrampSession:
        onramp = self.world.stripe.onramp
        onramp.check_open()
        wish = read_wish(params, seed=seed)
        onramp.check_customer(params.text("customer_ip_address"))
        return onramp.create(wish, livemode=self.caller.livemode)

    def list_all(self) -> Response:
        """Newest first; filters by creation, status, destination."""
        return self._list(self.world.stripe.onramp.by_id, _FILTERS, listed=self._listed)

    def list_in_seed_way(self) -> Response:
        """The same, each in the seed's shape."""
        return self._list(self.world.stripe.onramp.by_id, _FILTERS, view=in_seed_shape, listed=self._listed)

    def _listed(self, session: OnrampSession) -> None:
        """Records may change right after a list of them is made."""
        if session.script and self.world.faults.take("changed_after_listed", "stripe", route()) is not None:
            self.world.stripe.onramp.advance(session)

    def _shown(self, session_id: str) -> dict[str, Any]:
        self._query()
        return shown(self.world, self._found(self.world.stripe.onramp.by_id, session_id, OnrampSession))

    def get(self, session_id: str) -> Response:
        """One session."""
        return reply(self._shown(session_id))

    def get_in_seed_way(self, session_id: str) -> Response:
        """One session in the seed's shape."""
        return reply(in_seed_shape(self._shown(session_id)))
