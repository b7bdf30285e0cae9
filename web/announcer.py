"""Tells the queue what was stored, on a thread of its own: a Redis that hangs must not hold up a commit."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import structlog

from web.metrics import DoorMetrics

Wake = Callable[[Sequence[int]], None]

GATHER_S: Final = 0.02  # between two announcements: what comes thicker goes together, and is worked on together
MOST_WAITING: Final = 5_000  # ids kept while Redis hangs; the dispatcher announces whatever is dropped
STOP_WITHIN: Final = timedelta(seconds=1)

log = structlog.get_logger()


class Announcer:
    """Passes ids to `wake` in the order they come, all that gathered since one call in the next."""

    def __init__(self, wake: Wake, *, metrics: DoorMetrics) -> None:
        self._wake = wake
        self._metrics = metrics
        self._changed = threading.Condition()
        self._ids: list[int] = []
        self._thread: threading.Thread | None = None
        self._stopping = False

    def announce(self, ids: Sequence[int]) -> None:
        """Have them announced soon. Never waits."""
        with self._changed:
            if self._stopping:
                return
            room = MOST_WAITING - len(self._ids)
            self._ids += ids[: max(room, 0)]
            if len(ids) > room:
                self._metrics.trouble.labels("wake").inc()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop(self, within: timedelta = STOP_WITHIN) -> None:
        """Announce what is waiting, but wait for it only so long: it is due in Postgres anyway."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(within.total_seconds())

    def _run(self) -> None:
        while ids := self._next():
            try:
                self._wake(ids)
            except Exception as error:  # noqa: BLE001 (the dispatcher announces later what this could not)
                self._metrics.trouble.labels("wake").inc()
                log.warning("inbox.wake_failed", error=type(error).__name__)
            time.sleep(GATHER_S)

    def _next(self) -> list[int]:
        with self._changed:
            while not self._ids and not self._stopping:
                self._changed.wait()
            ids, self._ids = self._ids, []
            return ids
