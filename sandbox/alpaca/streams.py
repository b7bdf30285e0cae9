"""The event streams' memory: every frame ever sent, in the order it happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.times import milliseconds

if TYPE_CHECKING:
    from sandbox.world import World


@dataclass(frozen=True)
class Frame:
    """One event. `account_id` is the customer it concerns: order is promised for each account only."""

    event_id: str
    at: datetime
    account_id: str
    payload: dict[str, Any]


class EventLog:
    """The frames of one stream; readers keep their own place in `frames`."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self.name = name
        self.frames: list[Frame] = []

    def append(self, account_id: str, payload: dict[str, Any]) -> None:
        """Give the event its id and moment, and wake the readers."""
        at = self._world.now()
        event_id = self._world.ids.ulid(self.name, at)
        self.frames.append(Frame(event_id, at, account_id, {"event_id": event_id, "at": milliseconds(at), **payload}))
        self._world.stir()
