"""Flows that found every place at their provider taken: whoever leaves a place sends for the next of them."""

import threading
from collections import defaultdict
from typing import Final
from uuid import UUID

from db.flows import Due
from funding.flow import Step

MOST: Final = 1_000  # of each provider; a row that is not kept here is announced again 15 s later


class TurnedAway:
    """Remembers them by provider, oldest first, each once. Only a hint: their rows stay due whatever becomes of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flows: dict[str, dict[UUID, Due]] = defaultdict(dict)

    def note(self, provider: str, step: Step, flow: UUID) -> None:
        """Keep one that was turned away, unless too many are kept already."""
        with self._lock:
            kept = self._flows[provider]
            if len(kept) < MOST:
                kept[flow] = (flow, step.flow, next(iter(step.on)))

    def forget(self, provider: str, flow: UUID) -> None:
        """It found a place after all."""
        with self._lock:
            self._flows[provider].pop(flow, None)

    def waiting(self) -> set[str]:
        """The providers at which somebody was turned away."""
        with self._lock:
            return {provider for provider, kept in self._flows.items() if kept}

    def take(self, provider: str) -> list[Due]:
        """The oldest, to be announced now that a place is free; none when nobody was turned away."""
        with self._lock:
            kept = self._flows[provider]
            return [kept.pop(next(iter(kept)))] if kept else []
