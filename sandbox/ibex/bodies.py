"""What callers of Ibex say."""

from __future__ import annotations

from typing import Any

from sandbox.ibex.errors import bad


def text(body: dict[str, Any], *names: str) -> str:
    """The first of these fields that is there, as text that is not empty. Raises: IbexError 400."""
    value = next((body[name] for name in names if name in body), None)
    if not isinstance(value, str) or not value.strip():
        raise bad(f"{names[0]} is required")
    return value
