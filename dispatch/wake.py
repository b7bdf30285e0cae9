"""Wake: tell the workers that rows are due. Best effort: what is not heard is announced again by the dispatcher."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from dramatiq import Broker, Message
from dramatiq.errors import BrokerConnectionError
from redis import Redis
from redis.exceptions import RedisError

from dispatch.broker import FUNDING_OF, INGEST, NAMESPACE, NOTIFY, POLLS
from funding.flows.table import FLOWS

log = structlog.get_logger(__name__)

BATCH: Final = 100  # event ids in one message: ingest handles them in one transaction
ANNOUNCING: Final = f"{NAMESPACE}:announcing"  # there while a dispatcher reaches this Redis
ANNOUNCING_S: Final = 10  # ten passes: a slow one raises no alarm
QUIET: Final = 1.0  # seconds without another try after Redis could not be reached, so that nobody waits for it


class Wake:
    """Sends hints, ids only. Nothing here raises: a failure is counted in `failures`."""

    def __init__(self, broker: Broker, client: Redis, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._client = client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._down_until = 0.0
        self.sent = 0
        self.failures = 0

    @property
    def reachable(self) -> bool:
        """Whether the last sending reached Redis, or is long enough ago to try again."""
        return self._monotonic() >= self._down_until

    def events(self, ids: Sequence[int]) -> None:
        """Inbox events are due."""
        for start in range(0, len(ids), BATCH):
            self._send(INGEST, "ingest", (list(ids[start : start + BATCH]),))

    def flows(self, items: Sequence[tuple[UUID, str, str]]) -> list[UUID]:
        """Flows are due: (id, kind, state). The state leads to its step's actor; one without a step needs none.

        Those that could not be told of.
        """
        unheard = []
        for flow, kind, state in items:
            step = FLOWS[kind].step_of(state) if kind in FLOWS else None
            if step is not None and not self._send(FUNDING_OF[step.provider], step.actor_name, (str(flow),)):
                unheard.append(flow)
        return unheard

    def ticks(self, items: Sequence[tuple[str, datetime]]) -> None:
        """Slots of the timetable are due: (job, slot)."""
        for job, slot in items:
            self._send(POLLS, "tick", (job, slot.isoformat()))

    def looks(self, items: Sequence[tuple[str, str, str]]) -> None:
        """Objects should be read soon: (provider, poll, subject). They wait in the queue of whom they ask."""
        for provider, poll, subject in items:
            self._send(FUNDING_OF.get(provider, POLLS), "look", (provider, poll, subject))

    def notifications(self, ids: Sequence[UUID]) -> None:
        """Notifications are due."""
        for notification in ids:
            self._send(NOTIFY, "notify", (str(notification),))

    def announcing(self) -> None:
        """Let the workers know, for a while, that what is due is announced: without this they look for themselves."""
        if not self.reachable:
            return
        try:
            self._client.set(ANNOUNCING, "1", ex=ANNOUNCING_S)
        except RedisError:
            self._failed()

    def depth(self, queue: str) -> int | None:
        """How many messages wait in a queue; None when Redis cannot be reached."""
        if not self.reachable:
            return None
        try:
            waiting: int = self._client.llen(f"{NAMESPACE}:{queue}")
        except RedisError:
            self._failed()
            return None
        return waiting

    def _send(self, queue: str, actor: str, args: tuple[object, ...]) -> bool:
        if not self.reachable:
            self.failures += 1
            return False
        try:
            self._broker.enqueue(Message(queue_name=queue, actor_name=actor, args=args, kwargs={}, options={}))
            self.sent += 1
        except (BrokerConnectionError, RedisError, OSError):
            self._failed()
            return False
        return True

    def _failed(self) -> None:
        with self._lock:
            first = self.reachable
            self._down_until = self._monotonic() + QUIET
            self.failures += 1
        if first:
            log.warning("redis.unreachable", consequence="the dispatcher announces again what was not heard")
