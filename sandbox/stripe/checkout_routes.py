"""Stripe's routes about Checkout sessions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from flask import Response

from sandbox.http import reply
from sandbox.stripe.checkout import CheckoutSession, Order
from sandbox.stripe.errors import invalid, required
from sandbox.stripe.form import Params
from sandbox.stripe.reads import shown
from sandbox.stripe.routes import StripeRoutes

_PATH = "/v1/checkout/sessions"
_FIELDS = (
    *("mode", "line_items", "success_url", "cancel_url", "client_reference_id", "customer_email", "metadata"),
    *("payment_intent_data", "payment_method_types", "expires_at"),
)
_SHORTEST, _LONGEST = timedelta(minutes=30), timedelta(hours=24)
_LARGEST_AMOUNT = 99_999_999
_MOST_OF_ONE = 10_000
_FILTERS: dict[str, Any] = {
    "status": lambda one: one.status,
    "payment_intent": lambda one: one.intent_id,
}


class CheckoutRoutes(StripeRoutes):
    """Prices are given inline (`price_data`): there is no catalogue here. `mode` is `payment`."""

    table: ClassVar = (
        ("POST", _PATH, "create"),
        ("GET", _PATH, "list_all"),
        ("GET", f"{_PATH}/<session_id>", "get"),
        ("POST", f"{_PATH}/<session_id>/expire", "expire"),
    )

    def create(self) -> Response:
        """An open session."""
        return self._once(_FIELDS, self._create)

    def _create(self, params: Params) -> dict[str, Any]:
        if params.choice("mode", ("payment", "setup", "subscription")) != "payment":
            raise required("mode") if params.text("mode") is None else invalid("Only payments are sold here", "mode")
        amount, currency = _priced(params.items("line_items"))
        params.text("cancel_url")
        params.texts("payment_method_types")
        intent = params.mapping("payment_intent_data") or {}
        order = Order(
            amount=amount,
            currency=currency,
            client_reference_id=params.text("client_reference_id"),
            customer_email=params.text("customer_email"),
            success_url=params.needed("success_url"),
            metadata=params.metadata(),
            intent_metadata=Params(intent, ("metadata", "description")).metadata(),
            lives=self._lives(params.whole("expires_at")),
        )
        return self.world.stripe.checkout.create(order, livemode=self.caller.livemode).as_json(self.world.config)

    def _lives(self, until: int | None) -> timedelta:
        if until is None:
            return _LONGEST
        now = int(self.world.now().timestamp())
        if not _SHORTEST.total_seconds() <= until - now <= _LONGEST.total_seconds():
            raise invalid("expires_at must be between 30 minutes and 24 hours from now.", "expires_at")
        return datetime.fromtimestamp(until, UTC) - self.world.now()

    def list_all(self) -> Response:
        """Newest first."""
        return self._list(self.world.stripe.checkout.by_id, _FILTERS)

    def get(self, session_id: str) -> Response:
        """One session."""
        self._query()
        return reply(shown(self.world, self._found(self.world.stripe.checkout.by_id, session_id, CheckoutSession)))

    def expire(self, session_id: str) -> Response:
        """Close an open session."""

        def act(_: Params) -> dict[str, Any]:
            session = self._found(self.world.stripe.checkout.by_id, session_id, CheckoutSession)
            self.world.stripe.checkout.expire(session)
            return session.as_json(self.world.config)

        return self._once((), act)


def _priced(items: list[Any] | None) -> tuple[int, str]:
    """The total in minor units and its currency, the same for every line."""
    if not items:
        raise required("line_items")
    total, currencies = 0, set[str]()
    for number, item in enumerate(items):
        where = f"line_items[{number}]"
        if not isinstance(item, dict):
            raise invalid("Invalid object", where)
        line = Params(item, ("price_data", "quantity"))
        given = line.mapping("price_data")
        if given is None:
            raise required(f"{where}[price_data]")
        price = Params(given, ("currency", "unit_amount", "product_data"))
        unit = price.whole("unit_amount", 0, _LARGEST_AMOUNT)
        if unit is None:
            raise required(f"{where}[price_data][unit_amount]")
        currency = price.needed("currency").lower()
        if len(currency) != 3 or not currency.isalpha():  # noqa: PLR2004 - ISO 4217
            raise invalid(f"Invalid currency: {currency[:10]}", f"{where}[price_data][currency]")
        currencies.add(currency)
        total += unit * (line.whole("quantity", 1, _MOST_OF_ONE) or 1)
    if len(currencies) > 1 or total > _LARGEST_AMOUNT:
        raise invalid("Line items share one currency, and their total has at most eight digits.", "line_items")
    return total, currencies.pop()
