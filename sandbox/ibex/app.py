"""IBEX Hub's API as a WSGI app."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from sandbox.gate import Gate, RateLimit
from sandbox.ibex.accounts import AccountRoutes
from sandbox.ibex.answers import error_answer, error_body
from sandbox.ibex.auth import OPEN, AuthRoutes
from sandbox.ibex.bitcoin import BitcoinRoutes
from sandbox.ibex.crypto import CryptoRoutes
from sandbox.ibex.errors import IbexError
from sandbox.ibex.history import HistoryRoutes
from sandbox.ibex.webhook_routes import WebhookRoutes
from sandbox.world import World


def create_ibex_app(world: World) -> Flask:
    """Ibex over this world. What gives tokens is open; every other route wants one, bare, in `Authorization`."""
    app = Flask("sandbox.ibex")
    for routes in (AuthRoutes, AccountRoutes, CryptoRoutes, HistoryRoutes, WebhookRoutes, BitcoinRoutes):
        routes(world).register(app)

    def refused(status: int, message: str) -> Response:
        return error_answer(world.config.ibex_error_style, status, message)

    @app.before_request
    def authenticate() -> Response | None:
        if request.path.rstrip("/") in OPEN or world.ibex.tokens.accepts(request.headers.get("Authorization", "")):
            return None
        return refused(401, "unauthorized")

    def error_of_gate(_status: int, message: str) -> dict[str, Any]:
        return error_body(world.config.ibex_error_style, message)

    def told(error: IbexError) -> Response:
        return refused(error.status, error.message)

    def unknown(error: HTTPException) -> Response:
        return refused(error.code or 500, error.name.lower())

    def malformed(error: ValueError) -> Response:
        return refused(400, str(error))

    app.register_error_handler(IbexError, told)
    app.register_error_handler(HTTPException, unknown)
    app.register_error_handler(ValueError, malformed)
    app.wsgi_app = Gate(app.wsgi_app, world, "ibex", RateLimit(world.config.ibex_rate_limit), error_of_gate)  # type: ignore[method-assign] # Flask's own way to add middleware
    return app
