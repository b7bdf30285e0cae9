"""What will happen, and when."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(order=True)
class Happening:
    """One act at its moment; those of one moment keep the order they were planned in."""

    when: datetime
    number: int
    act: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)


class Schedule:
    """The world's plan: a heap by time. Not locked: its world is."""

    def __init__(self) -> None:
        self._heap: list[Happening] = []
        self._planned = 0

    def add(self, when: datetime, act: Callable[[], None]) -> Happening:
        """Plan `act`; set `cancelled` on what is given back to call it off."""
        self._planned += 1
        happening = Happening(when, self._planned, act)
        heapq.heappush(self._heap, happening)
        return happening

    def next_at(self) -> datetime | None:
        """When the first act that still stands is due."""
        while self._heap and self._heap[0].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0].when if self._heap else None

    def pop_due(self, now: datetime) -> Happening | None:
        """Take the first act due by `now`, or None."""
        upcoming = self.next_at()
        return heapq.heappop(self._heap) if upcoming is not None and upcoming <= now else None
