"""Due's API as a WSGI app."""

from __future__ import annotations

import hmac
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from sandbox.due.customers import CustomerRoutes
from sandbox.due.errors import DueError, detailed, plain
from sandbox.due.money import MoneyRoutes
from sandbox.due.webhooks import WebhookRoutes
from sandbox.gate import Gate, RateLimit
from sandbox.http import reply
from sandbox.world import World


def create_due_app(world: World) -> Flask:
    """Due over this world. Every route wants `Authorization: Bearer` with one of the accepted keys."""
    app = Flask("sandbox.due")
    for routes in (CustomerRoutes, MoneyRoutes, WebhookRoutes):
        routes(world).register(app)

    @app.before_request
    def authenticate() -> Response | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        accepted = world.config.due_api_keys
        if scheme.lower() == "bearer" and any(hmac.compare_digest(key.encode(), one.encode()) for one in accepted):
            return None
        return _answer(plain(401, "err_unauthorized", "bad token"))

    app.register_error_handler(DueError, _answer)
    app.register_error_handler(HTTPException, _unknown)
    app.register_error_handler(ValueError, _malformed)
    app.wsgi_app = Gate(app.wsgi_app, world, "due", RateLimit(world.config.due_rate_limit), _error_body)  # type: ignore[method-assign] # Flask's own way to add middleware
    return app


def _answer(error: DueError) -> Response:
    return reply(error.body, error.status)


def _unknown(error: HTTPException) -> Response:
    status = error.code or 500
    return reply(plain(status, "err_not_found" if status == 404 else "err_request", error.name).body, status)  # noqa: PLR2004 - HTTP


def _malformed(error: ValueError) -> Response:
    return _answer(detailed(422, "err_validation", "Validation failed", body=str(error)))


def _error_body(status: int, message: str) -> dict[str, Any]:
    return plain(status, "err_rate_limited" if status == 429 else "err_internal", message).body  # noqa: PLR2004 - HTTP
