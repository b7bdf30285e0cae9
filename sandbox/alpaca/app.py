"""Alpaca's Broker API as a WSGI app."""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from sandbox.alpaca.accounts import AccountRoutes
from sandbox.alpaca.errors import AlpacaError, invalid
from sandbox.alpaca.routes import JournalRoutes
from sandbox.alpaca.sse import StreamRoutes
from sandbox.gate import Gate, RateLimit
from sandbox.http import reply
from sandbox.world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def create_alpaca_app(world: World) -> Flask:
    """Alpaca over this world. Every route wants HTTP Basic with one of the accepted key pairs."""
    app = Flask("sandbox.alpaca")
    for routes in (AccountRoutes, JournalRoutes, StreamRoutes):
        routes(world).register(app)

    @app.before_request
    def authenticate() -> Response | None:
        given = request.authorization
        pair = (given.username or "", given.password or "") if given is not None and given.type == "basic" else ("", "")
        if any(_same(pair[0], key) and _same(pair[1], secret) for key, secret in world.config.alpaca_keys):
            return None
        return _answer(AlpacaError(401, "request is not authorized", 10_000))

    app.register_error_handler(AlpacaError, _answer)
    app.register_error_handler(HTTPException, _unknown)
    app.register_error_handler(ValueError, _malformed)

    def keep_for_key(environ: WSGIEnvironment, status: int, body: dict[str, Any]) -> None:
        try:
            asked = json.loads(environ["wsgi.input"].getvalue() or b"{}")
        except ValueError:
            return  # no key keeps the answer to a body that cannot be read
        world.alpaca.keys.remember(environ["PATH_INFO"], environ["HTTP_IDEMPOTENCY_KEY"], asked, status, body)

    limit = RateLimit(world.config.alpaca_rate_limit)
    app.wsgi_app = Gate(app.wsgi_app, world, "alpaca", limit, _error_body, keep_for_key)  # type: ignore[method-assign] # Flask's own way to add middleware
    return app


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _answer(error: AlpacaError) -> Response:
    return reply(error.body, error.status)


def _unknown(error: HTTPException) -> Response:
    return _answer(AlpacaError(error.code or 500, error.name))


def _malformed(error: ValueError) -> Response:
    return _answer(AlpacaError(400, str(error), 10_000) if "JSON" in str(error) else invalid(str(error)))


def _error_body(status: int, message: str) -> dict[str, Any]:
    return AlpacaError(status, message).body
