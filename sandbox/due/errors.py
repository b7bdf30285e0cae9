"""Due's three shapes of an error."""

from __future__ import annotations

from typing import Any


class DueError(Exception):
    """An answer other than success; `body` is what the API sends with it."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body.get("message", ""))
        self.status = status
        self.body = body


def plain(status: int, code: str, message: str) -> DueError:
    """`{error_code, message, http_code}`."""
    return DueError(status, {"error_code": code, "message": message, "http_code": status})


def detailed(status: int, code: str, message: str, **details: str) -> DueError:
    """`{statusCode, message, code, details}`."""
    return DueError(status, {"statusCode": status, "message": message, "code": code, "details": details})


def invalid(**details: str) -> DueError:
    """422 err_validation, naming each bad field."""
    return detailed(422, "err_validation", "Validation failed", **details)


def not_found(what: str) -> DueError:
    """404; an object of another account looks exactly like one that never was."""
    return plain(404, "err_not_found", f"{what} not found")


def signature_required() -> DueError:
    """The shape that only vault signing uses."""
    body = {"success": False, "httpCode": 403, "code": "ACTION_SIGNATURE_REQUIRED", "data": {}}
    return DueError(403, body)
