"""Announce all that is due, once a second: what was never announced, or whose announcement was lost, is found here."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from db import due_work
from db.engine import UnitOfWork
from dispatch.broker import FUNDING_OF, INGEST, NOTIFY, POLLS

MOST_A_PASS: Final = 1_000  # announcements, for each queue
QUEUE_IS_FULL: Final = 2_000  # messages waiting: more would only make the queue's own order worse


class Announcer(Protocol):
    """What the dispatcher asks of the queue: `dispatch.wake.Wake`. Announcing never raises."""

    def announcing(self) -> None:
        """Let the workers know that a dispatcher is at work."""
        ...

    def depth(self, queue: str) -> int | None:
        """Messages waiting; None: the queue cannot be reached."""
        ...

    def events(self, ids: Sequence[int]) -> None:
        """Announce inbox events."""
        ...

    def flows(self, items: Sequence[tuple[UUID, str, str]]) -> object:
        """Announce flows: id, kind, state."""
        ...

    def ticks(self, items: Sequence[tuple[str, datetime]]) -> None:
        """Announce ticks: job, slot."""
        ...

    def looks(self, items: Sequence[tuple[str, str, str]]) -> None:
        """Announce looks: provider, poll, subject."""
        ...

    def notifications(self, ids: Sequence[UUID]) -> None:
        """Announce notifications."""
        ...


class Dispatcher:
    """Stamps due rows in one short transaction for each queue, then announces them.

    The stamp comes first: should the announcement be lost, the row is found again 15 s later, whereas a message
    without a stamp would be sent again every second. A queue that cannot be reached is asked for nothing, so that
    its rows keep no stamp and are announced at once when it is back.
    """

    def __init__(self, begin: UnitOfWork, wake: Announcer) -> None:
        self._begin = begin
        self._wake = wake

    def run(self) -> Counter[str]:
        """One pass over all queues: how many rows of each kind were announced. Raises: errors of the database."""
        announced: Counter[str] = Counter()
        if self._has_room(INGEST):
            announced.update(self._ingest())
        depths = {provider: self._wake.depth(queue) for provider, queue in FUNDING_OF.items()}
        with_room = [provider for provider, depth in depths.items() if depth is not None and depth <= QUEUE_IS_FULL]
        if with_room:
            announced.update(self._funding(with_room, empty=[one for one in with_room if not depths[one]]))
        if self._has_room(POLLS):
            announced.update(self._polls(full=[one for one in depths if one and one not in with_room]))
        if self._has_room(NOTIFY):
            announced.update(self._notify())
        self._wake.announcing()  # last: who cannot read what is due must not keep workers from looking for themselves
        return announced

    def _has_room(self, queue: str) -> bool:
        depth = self._wake.depth(queue)
        return depth is not None and depth <= QUEUE_IS_FULL

    def _ingest(self) -> dict[str, int]:
        with self._begin() as connection:
            ids = due_work.events(connection, limit=MOST_A_PASS)
        if ids:
            self._wake.events(ids)
        return {"events": len(ids)}

    def _funding(self, providers: Sequence[str | None], *, empty: Sequence[str | None]) -> dict[str, int]:
        with self._begin() as connection:
            due = due_work.flows(connection, limit=MOST_A_PASS, providers=providers, heard_out=empty)
        if due:
            self._wake.flows(due)
        return {"flows": len(due)}

    def _polls(self, *, full: Sequence[str]) -> dict[str, int]:
        with self._begin() as connection:
            ticks = due_work.ticks(connection, limit=MOST_A_PASS)
            looks = due_work.looks(connection, limit=MOST_A_PASS - len(ticks), full=full)
        if ticks:
            self._wake.ticks(ticks)
        if looks:
            self._wake.looks(looks)
        return {"ticks": len(ticks), "looks": len(looks)}

    def _notify(self) -> dict[str, int]:
        with self._begin() as connection:
            ids = due_work.notifications(connection, limit=MOST_A_PASS)
        if ids:
            self._wake.notifications(ids)
        return {"notifications": len(ids)}
