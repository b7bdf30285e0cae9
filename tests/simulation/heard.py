"""What would have been announced, kept until the history decides what is heard, and when."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from dramatiq.brokers.stub import StubBroker

from dispatch.wake import Wake


@dataclass(slots=True)
class Hints:
    """Announcements, by kind: events, flows (id, kind, state), ticks (job, slot), looks (provider, poll, subject)."""

    events: list[int] = field(default_factory=list)
    flows: list[tuple[UUID, str, str]] = field(default_factory=list)
    ticks: list[tuple[str, datetime]] = field(default_factory=list)
    looks: list[tuple[str, str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.events or self.flows or self.ticks or self.looks)

    def in_order(self) -> "Hints":
        """Each once, in an order that depends on nothing but what they name: so that a seed plays the same again."""
        return Hints(
            events=sorted(set(self.events)),
            flows=sorted(set(self.flows)),
            ticks=sorted(set(self.ticks)),
            looks=sorted(set(self.looks)),
        )


class Heard(Wake):
    """Takes every announcement of every process. Nothing is sent anywhere; people are told nothing."""

    def __init__(self) -> None:
        super().__init__(StubBroker(), client=None)  # type: ignore[arg-type]  # never asked: all sending is replaced
        self.hints = Hints()
        self.idle_queues: frozenset[str] = frozenset()  # the dispatcher need not ask for these

    def take(self) -> Hints:
        """All that was announced until now."""
        taken, self.hints = self.hints, Hints()
        return taken.in_order()

    def announcing(self) -> None:
        pass

    def flows(self, items: Sequence[tuple[UUID, str, str]]) -> list[UUID]:
        self.hints.flows += items
        return []

    def events(self, ids: Sequence[int]) -> None:
        self.hints.events += ids

    def ticks(self, items: Sequence[tuple[str, datetime]]) -> None:
        self.hints.ticks += items

    def looks(self, items: Sequence[tuple[str, str, str]]) -> None:
        self.hints.looks += items

    def notifications(self, ids: Sequence[UUID]) -> None:
        pass

    def depth(self, queue: str) -> int | None:
        return None if queue in self.idle_queues else 0
