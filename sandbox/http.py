"""What every provider's web app is made of: routes as tables, JSON in and out, refusals as exceptions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

from flask import Flask, Response, request

from sandbox.world import World


class Routes:
    """A set of routes; a subclass fills `table` with (method, rule, name of the method that answers)."""

    table: ClassVar[tuple[tuple[str, str, str], ...]] = ()

    def __init__(self, world: World) -> None:
        self.world = world

    def register(self, app: Flask) -> None:
        """Put every route of the table on an app."""
        for method, rule, name in self.table:
            view: Callable[..., Any] = getattr(self, name)
            endpoint = f"{type(self).__name__}.{name}.{method}.{rule}".replace(".", "_")
            app.add_url_rule(rule, endpoint, view, methods=[method], strict_slashes=False)


def reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    text = json.dumps(body, separators=(",", ":"))
    return Response(text, status=status, headers=headers, mimetype="application/json")


def json_body() -> dict[str, Any]:
    """The request's JSON object; an empty one if the body is empty. Raises: ValueError: anything else."""
    raw = request.get_data()
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError("body is not JSON") from error
    if not isinstance(body, dict):
        raise ValueError("body is not a JSON object")  # noqa: TRY004 - one error for every bad body
    return body


def route() -> str:
    """This request as the faults name it: "GET /v1/transfers/tf_1"."""
    return f"{request.method} {request.path.rstrip('/') or '/'}"


def whole_number(name: str, default: int, most: int) -> int:
    """A query parameter between 1 and `most`. Raises: ValueError."""
    text = request.args.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{name} must be a whole number above zero")
    return min(int(text), most)
