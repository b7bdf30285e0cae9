"""Ibex's answers as bytes."""

from __future__ import annotations

from typing import Any

from flask import Response

from sandbox.ibex.views import dump


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer whose decimals are exact."""
    return Response(dump(body), status=status, mimetype="application/json")


def error_answer(style: str, status: int, message: str) -> Response:
    """An error in one of the shapes IBEX uses."""
    if style == "text":
        return Response(message, status=status, mimetype="text/plain")
    return answer(error_body(style, message), status)


def error_body(style: str, message: str) -> dict[str, Any]:
    """The same where only JSON will do."""
    return {"message" if style == "message" else "error": message}
