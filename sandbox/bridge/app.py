"""Bridge's API as a WSGI app."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from sandbox.bridge.accounts import AccountRoutes
from sandbox.bridge.customers import CustomerRoutes
from sandbox.bridge.errors import BridgeError
from sandbox.bridge.externals import ExternalRoutes
from sandbox.bridge.liquidations import LiquidationRoutes
from sandbox.bridge.transfers import TransferRoutes
from sandbox.bridge.webhooks import WebhookRoutes
from sandbox.gate import Gate, RateLimit
from sandbox.http import reply
from sandbox.world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_CODES = {401: "unauthorized", 404: "not_found", 429: "rate_limited", 500: "internal_error", 503: "unavailable"}
_REFUSED = range(400, 500)


def create_bridge_app(world: World) -> Flask:
    """Bridge over this world. Every route wants `Api-Key` with one of the accepted keys."""
    app = Flask("sandbox.bridge")
    for routes in (CustomerRoutes, AccountRoutes, ExternalRoutes, LiquidationRoutes, TransferRoutes, WebhookRoutes):
        routes(world).register(app)

    @app.before_request
    def admit() -> Response | None:
        given = request.headers.get("Api-Key", "")
        accepted = (*world.config.bridge_api_keys, *world.bridge.scoped_keys)
        if not any(hmac.compare_digest(given.encode(), one.encode()) for one in accepted):
            return _answer(BridgeError(401, "unauthorized", "Api-Key is missing or invalid"))
        if request.url_rule is None:
            return None  # an unknown path: no key remembers it
        key = request.headers.get("Idempotency-Key")
        world.bridge.keys.check(request.method, request.path, key)
        if key is None:
            return None
        known = world.bridge.keys.recall(request.path, key, request.get_data())
        if known is not None:
            return Response(known[1], status=known[0], mimetype="application/json")
        g.key = key
        return None

    @app.after_request
    def remember(answer: Response) -> Response:
        key = g.get("key")
        if key is not None and (answer.status_code not in _REFUSED or world.config.bridge_keeps_refusals):
            raw = request.get_data()
            world.bridge.keys.remember(request.path, key, raw, answer.status_code, answer.get_data())
        return answer

    app.register_error_handler(BridgeError, _answer)
    app.register_error_handler(
        HTTPException, lambda error: reply(_error_body(error.code or 500, error.name), error.code or 500)
    )
    app.register_error_handler(ValueError, lambda error: _answer(BridgeError(400, "invalid_json", str(error))))

    def keep_for_key(environ: WSGIEnvironment, status: int, body: dict[str, Any]) -> None:
        raw, path = environ["wsgi.input"].getvalue(), environ["PATH_INFO"]
        world.bridge.keys.remember(path, environ["HTTP_IDEMPOTENCY_KEY"], raw, status, reply(body).get_data())

    limit = RateLimit(world.config.bridge_rate_limit)
    app.wsgi_app = Gate(app.wsgi_app, world, "bridge", limit, _error_body, keep_for_key)  # type: ignore[method-assign] # Flask's own way to add middleware
    return app


def _answer(error: BridgeError) -> Response:
    return reply(error.body, error.status)


def _error_body(status: int, message: str) -> dict[str, Any]:
    return BridgeError(status, _CODES.get(status, "bad_request"), message).body
