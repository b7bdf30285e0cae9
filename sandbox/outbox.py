"""Webhooks on their way: due, in flight, answered, tried again; with a log of every event for each endpoint."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.world import World

# Of providers that publish no schedule of repeats; this one is ours.
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720))
_OK = range(200, 300)


@dataclass(frozen=True)
class Delivery:
    """One try of one webhook, ready to POST."""

    id: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass
class LoggedEvent:
    """One event for one endpoint, and how each try to tell it went.

    `body` is the same each time. `headers` too, and with them a signature made once; a provider that signs each try
    anew gives `sign`: the moment of a try to the headers that it adds. `subject` and `status` are shown to people.
    """

    provider: str
    id: str
    endpoint_id: str
    url: str
    type: str
    payload: dict[str, Any]
    body: bytes
    headers: dict[str, str]
    occurred_at: datetime
    sign: Callable[[datetime], dict[str, str]] | None = None
    retry_after: tuple[timedelta, ...] = RETRY_AFTER
    subject: str | None = None
    status: str | None = None
    number: int = 0
    attempts: int = 0
    last_attempt_at: datetime | None = None
    last_error: str | None = None
    response_status: int | None = None
    response_body: str | None = None
    listed: bool = True  # False: the provider's own log has lost it too
    told: Callable[[LoggedEvent], None] | None = None  # called after each answer

    @property
    def delivered(self) -> bool:
        """Whether the last answer was a good one."""
        return self.response_status in _OK


@dataclass
class _Waiting:
    event: LoggedEvent
    due_at: datetime
    taken: bool = False


class Outbox:
    """All webhooks of a world. Sends nothing itself: whoever drives the world takes what is due and reports answers."""

    def __init__(self, world: World, time_scale: float) -> None:
        self._world = world
        self._time_scale = time_scale
        self._heap: list[tuple[datetime, int, _Waiting]] = []
        self._pushed = 0
        self._held: dict[str, _Waiting] = {}  # by endpoint: one that waits to be overtaken
        self._in_flight: dict[str, LoggedEvent] = {}
        self.events: dict[str, list[LoggedEvent]] = {}  # by endpoint, oldest first
        self.counts: Counter[str] = Counter()

    def post(self, event: LoggedEvent) -> None:
        """Log an event and send it as the faults will have it."""
        log = self.events.setdefault(event.endpoint_id, [])
        event.number = len(log) + 1
        log.append(event)
        self.counts["events"] += 1
        now = self._world.now()
        take = self._world.faults.take
        if dropped := _params(take("webhook_dropped", event.provider, event.type)):
            self._drop(event, dropped.get("logged", "failed"))
            return
        late = _params(take("webhook_late", event.provider, event.type))
        waiting = _Waiting(event, now + timedelta(seconds=float(late.get("seconds", 2.0)) if late else 0.0))
        self.counts["late"] += bool(late)
        overtaken = self._held.pop(event.endpoint_id, None)
        if held := _params(take("webhook_reordered", event.provider, event.type)):
            waiting.due_at += timedelta(seconds=float(held.get("seconds", 1.0)))
            self._held[event.endpoint_id] = waiting
            self.counts["reordered"] += 1
        self._push(waiting)
        if overtaken is not None and not overtaken.taken:
            overtaken.due_at = waiting.due_at + timedelta(milliseconds=1)
            self._push(overtaken)
        if doubled := _params(take("webhook_doubled", event.provider, event.type)):
            self.counts["doubled"] += 1
            self._push(_Waiting(event, waiting.due_at + timedelta(seconds=float(doubled.get("seconds", 0.0)))))

    def resend(self, event: LoggedEvent) -> None:
        """Send it once more, now."""
        self._push(_Waiting(event, self._world.now()))

    def take_due(self) -> list[Delivery]:
        """The tries whose time has come; each counts as sent from here on."""
        now, taken = self._world.now(), list[Delivery]()
        while self._heap and self._heap[0][0] <= now:
            when, _, waiting = heapq.heappop(self._heap)
            if waiting.taken or when != waiting.due_at:
                continue  # moved to another time since
            waiting.taken = True
            event = waiting.event
            event.attempts += 1
            event.last_attempt_at = now
            headers = event.headers | (event.sign(now) if event.sign else {})
            delivery = Delivery(self._world.ids.prefixed("dlv"), event.url, headers, event.body)
            self._in_flight[delivery.id] = event
            self.counts["sent"] += 1
            taken.append(delivery)
        return taken

    def answered(self, delivery_id: str, status: int | None, body: str = "") -> None:
        """Record an answer; None means there was none. What is not 2xx is tried again. Raises: KeyError: unknown id."""
        event = self._in_flight.pop(delivery_id)
        self._record(event, status, body)
        if event.told is not None:
            event.told(event)

    def _record(self, event: LoggedEvent, status: int | None, body: str) -> None:
        if status in _OK or not event.delivered:  # a late failure of a copy does not undo a success
            event.response_status, event.response_body = status, body[:500]
        if status in _OK:
            event.last_error = None
            self.counts["answered"] += 1
            return
        self.counts["failed"] += 1
        if event.delivered:
            return
        event.last_error = "no answer" if status is None else f"answered {status}"
        if event.attempts <= len(event.retry_after):
            wait = event.retry_after[event.attempts - 1] / self._time_scale
            self._push(_Waiting(event, self._world.now() + wait))

    def next_at(self) -> datetime | None:
        """When the next try is due."""
        while self._heap and (self._heap[0][2].taken or self._heap[0][0] != self._heap[0][2].due_at):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _drop(self, event: LoggedEvent, logged: str) -> None:
        self.counts["dropped"] += 1
        event.listed = logged != "absent"
        event.attempts, event.last_attempt_at = 1, self._world.now()
        if logged == "delivered":
            event.response_status = 200
        else:
            event.last_error = "no answer"

    def _push(self, waiting: _Waiting) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (waiting.due_at, self._pushed, waiting))
        self._world.stir()


def _params(drawn: Any) -> dict[str, Any]:
    """A strike as a dictionary that is true even without parameters; nothing drawn is false."""
    return {} if drawn is None else {"struck": True, **drawn}
