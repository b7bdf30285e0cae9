"""Bridge's one shape of an error."""

from __future__ import annotations

from typing import Any


class BridgeError(ValueError):
    """`{"code", "message", "source"?}`; a ValueError too, so that the control refuses with it as with any other."""

    def __init__(self, status: int, code: str, message: str, source: Any = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"code": code, "message": message, **more}
        if source is not None:
            self.body["source"] = {"key": source}


def invalid(**problems: str) -> BridgeError:
    """400 invalid_parameters: one field by name, several as an object. A dot in a name is written as two underlines."""
    named = {name.replace("__", "."): problem for name, problem in problems.items()}
    message = "; ".join(f"{name} {problem}" for name, problem in named.items())
    return BridgeError(400, "invalid_parameters", message, next(iter(named)) if len(named) == 1 else named)


def refused(code: str, message: str) -> BridgeError:
    """400 with a code of its own."""
    return BridgeError(400, code, message)


def conflict(message: str) -> BridgeError:
    """409: the object's state does not allow it."""
    return BridgeError(409, "resource_state_conflict", message)
