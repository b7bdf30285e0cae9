"""Idempotency keys as Alpaca remembers them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.alpaca.errors import invalid

if TYPE_CHECKING:
    from sandbox.world import World

LONGEST_KEY = 128


@dataclass
class _Answer:
    request: str
    status: int
    body: Any
    at: datetime


class IdempotencyKeys:
    """First answers by key, remembered until the key's lifetime is over."""

    def __init__(self, world: World, lifetime: timedelta) -> None:
        self._world = world
        self._lifetime = lifetime
        self._answers: dict[tuple[str, str], _Answer] = {}

    def recall(self, path: str, key: str, request: Any) -> tuple[int, Any] | None:
        """The first answer to this key, or None. Raises: AlpacaError 422: too long, or used with other content."""
        if len(key) > LONGEST_KEY:
            raise invalid(f"Idempotency-Key is longer than {LONGEST_KEY} characters")
        found = self._answers.get((path, key))
        if found is None or found.at + self._lifetime <= self._world.now():
            return None
        if found.request != _canonical(request):
            raise invalid("Idempotency-Key was already used with a different request")
        return found.status, found.body

    def remember(self, path: str, key: str, request: Any, status: int, body: Any) -> None:
        """Keep an answer as the one this key gets from now on."""
        self._answers[path, key] = _Answer(_canonical(request), status, body, self._world.now())


def _canonical(request: Any) -> str:
    return json.dumps(request, sort_keys=True, separators=(",", ":"), default=str)
