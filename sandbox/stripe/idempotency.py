"""Idempotency keys as Stripe's v1 remembers them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.stripe.errors import StripeError, invalid

if TYPE_CHECKING:
    from sandbox.world import World

_LONGEST_KEY = 255


@dataclass(frozen=True)
class Asked:
    """What must be the same when a key comes again."""

    path: str
    params: dict[str, Any]


@dataclass
class _Answer:
    asked: Asked
    status: int
    body: Any
    at: datetime


class IdempotencyKeys:
    """First answers by mode and key, good and bad, for at least a day; then a key acts as new."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._answers: dict[tuple[bool, str], _Answer] = {}
        self._busy_until: dict[str, datetime] = {}

    def recall(self, livemode: bool, key: str, asked: Asked) -> tuple[int, Any] | None:  # noqa: FBT001 - part of the key
        """The first answer to this key, or None.

        Raises: StripeError: 400 too long, or used for something else before; 409 its first request still runs.
        """
        if len(key) > _LONGEST_KEY:
            raise invalid(f"Idempotency-Key is longer than {_LONGEST_KEY} characters")
        if key in self._busy_until and self._busy_until[key] > self._world.now():
            message = f"There is currently another in-progress request using this idempotency key: {key}"
            raise StripeError(409, message, code="idempotency_key_in_use")
        found = self._answers.get((livemode, key))
        lifetime = timedelta(seconds=self._world.config.stripe_idempotency_seconds)
        if found is None or found.at + lifetime <= self._world.now():
            return None
        if found.asked != asked:
            message = "Keys for idempotent requests can only be used with the parameters they were first used with."
            raise StripeError(400, message, type="idempotency_error")
        return found.status, found.body

    def remember(self, livemode: bool, key: str, asked: Asked, status: int, body: Any) -> None:  # noqa: FBT001 - part of the key
        """Keep an answer as the one this key gets from now on."""
        self._answers[livemode, key] = _Answer(asked, status, body, self._world.now())

    def hold(self, key: str, seconds: float) -> None:
        """Let a request under this key run on for so long: another one meanwhile is refused."""
        self._busy_until[key] = self._world.now() + timedelta(seconds=seconds)
