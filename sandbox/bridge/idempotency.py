"""Idempotency keys as Bridge remembers them: a day of replays, then dead for good."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sandbox.bridge.errors import BridgeError

if TYPE_CHECKING:
    from sandbox.world import World

UNKEYED = ("/v0/api_keys", "/v0/plaid_exchange_public_token/")  # POSTs that refuse a key


@dataclass(frozen=True)
class _Answer:
    request: str
    status: int
    body: bytes
    at: datetime


class IdempotencyKeys:
    """First answers by key, whatever the path."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._answers: dict[str, _Answer] = {}

    def check(self, method: str, path: str, key: str | None) -> None:
        """Refuse a key where none belongs, and a POST without one. Raises: BridgeError 400."""
        wanted = method == "POST" and not path.startswith(UNKEYED)
        if wanted and not key:
            raise BridgeError(400, "invalid_parameters", "Idempotency-Key is required", "Idempotency-Key")
        if key is not None and not wanted:
            raise BridgeError(400, "invalid_parameters", "Idempotency-Key is not allowed here", "Idempotency-Key")

    def recall(self, path: str, key: str, raw: bytes) -> tuple[int, bytes] | None:
        """The first answer to this key, or None.

        Raises: BridgeError: 422 the key is older than a day and dead; 400 it came with another request before.
        """
        found = self._answers.get(key)
        if found is None:
            return None
        if found.at + timedelta(seconds=self._world.config.bridge_key_seconds) <= self._world.now():
            raise BridgeError(422, "unprocessable_entity", "Idempotency-Key has expired", "Idempotency-Key")
        if found.request != _meaning(path, raw):
            message = "Idempotency-Key was already used with a different request"
            raise BridgeError(400, "not_truly_idempotent", message, "Idempotency-Key")
        return found.status, found.body

    def remember(self, path: str, key: str, raw: bytes, status: int, body: bytes) -> None:
        """Keep an answer as the one this key gets from now on; its day runs from the first."""
        first = self._answers.get(key)
        at = self._world.now() if first is None else first.at
        self._answers[key] = _Answer(_meaning(path, raw), status, body, at)


def _meaning(path: str, raw: bytes) -> str:
    try:
        told = json.dumps(json.loads(raw or b"{}"), sort_keys=True)
    except (ValueError, RecursionError):
        told = raw.decode(errors="replace")
    return f"{path.rstrip('/')} {told}"
