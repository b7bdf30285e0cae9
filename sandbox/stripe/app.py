"""Stripe's API as a WSGI app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from sandbox.gate import Gate, RateLimit
from sandbox.http import reply
from sandbox.stripe.auth import check, given_key, is_live
from sandbox.stripe.checkout_routes import CheckoutRoutes
from sandbox.stripe.edge import Edge
from sandbox.stripe.errors import StripeError
from sandbox.stripe.event_routes import EventRoutes
from sandbox.stripe.form import parsed
from sandbox.stripe.idempotency import Asked
from sandbox.stripe.limits import PerSecond
from sandbox.stripe.onramp_routes import OnrampRoutes
from sandbox.stripe.payment_routes import PaymentRoutes
from sandbox.stripe.state import Caller
from sandbox.world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_NOT_FOUND = 404
_OURS = 500


def create_stripe_app(world: World) -> Flask:
    """Stripe over this world. Every route wants one of the accepted keys; every answer carries a Request-Id."""
    app = Flask("sandbox.stripe")
    for routes in (OnrampRoutes, CheckoutRoutes, PaymentRoutes, EventRoutes):
        routes(world).register(app)
    limit = PerSecond(world)

    @app.before_request
    def admit() -> None:
        g.request_id = world.ids.prefixed("req")
        key = given_key(request.headers.get("Authorization", ""))
        check(world, key, writes=request.method not in {"GET", "HEAD"})
        limit.spend()
        world.stripe.caller = Caller(is_live(key), g.request_id, request.headers.get("Idempotency-Key"))

    @app.after_request
    def identify(answer: Response) -> Response:
        answer.headers["Request-Id"] = g.request_id
        return answer

    @app.teardown_request
    def leave(_: BaseException | None) -> None:
        world.stripe.caller = None

    app.register_error_handler(StripeError, _answer)
    app.register_error_handler(HTTPException, _unknown)

    def keep_for_key(environ: WSGIEnvironment, status: int, body: dict[str, Any]) -> None:
        key = given_key(environ.get("HTTP_AUTHORIZATION", ""))
        try:
            check(world, key, writes=True)
            asked = Asked(environ["PATH_INFO"], parsed(environ["wsgi.input"].getvalue().decode("latin-1")))
        except StripeError:
            return  # what would never have begun to run is not kept
        if environ["REQUEST_METHOD"] == "POST":
            world.stripe.keys.remember(is_live(key), environ["HTTP_IDEMPOTENCY_KEY"], asked, status, body)

    gate = Gate(app.wsgi_app, world, "stripe", RateLimit(None), _error_body, keep_for_key)
    app.wsgi_app = Edge(gate, world)  # type: ignore[method-assign] # Flask's own way to add middleware
    return app


def _answer(error: StripeError) -> Response:
    return reply(error.logged_as(g.request_id), error.status, error.headers)


def _unknown(error: HTTPException) -> Response:
    status = error.code or 500
    if status == _NOT_FOUND:
        return _answer(StripeError(status, f"Unrecognized request URL ({request.method}: {request.path})."))
    kind = "invalid_request_error" if status < _OURS else "api_error"
    return _answer(StripeError(status, error.name, type=kind))


def _error_body(status: int, message: str) -> dict[str, Any]:
    if status == 429:  # noqa: PLR2004 - HTTP
        return StripeError(status, "Request rate limit exceeded.", code="rate_limit").body
    return StripeError(status, f"Sorry, something went wrong: {message}.", type="api_error").body
