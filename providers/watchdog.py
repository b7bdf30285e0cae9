"""Keeps the total deadline of calls: one thread that shuts down the sockets of whichever call is late.

A library's timeout is per read, so a server that drips a byte now and then outlasts it. Shutting the socket down does
not: whoever reads it sees its end at once.
"""

import heapq
import threading
import time
from itertools import count
from typing import Self

from providers.transport import Wire


class Watchdog:
    """Cuts each watched wire when its time is up. Its thread starts with the first call and dies with the process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Wire]] = []
        self._numbers = count()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, wire: Wire, *, seconds: float) -> "Watch":
        """Cut `wire` in so many seconds, unless the block is left before."""
        return Watch(self, wire, seconds)

    def close(self) -> None:
        """End the thread; wires still watched are no longer cut."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=1)

    def add(self, wire: Wire, seconds: float) -> None:
        """Put a wire under watch."""
        at = time.monotonic() + seconds
        wire.watched = True
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="call-deadlines", daemon=True)
                self._thread.start()
            heapq.heappush(self._waiting, (at, next(self._numbers), wire))
            if self._waiting[0][2] is wire:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._waiting and not self._waiting[0][2].watched:
                    heapq.heappop(self._waiting)
                if self._closed:
                    return
                if not self._waiting:
                    self._changed.wait()
                    continue
                left = self._waiting[0][0] - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                late = heapq.heappop(self._waiting)[2]
            if late.watched:
                late.cut()


class Watch:
    """One call's time under watch, as a block."""

    def __init__(self, watchdog: Watchdog, wire: Wire, seconds: float) -> None:
        self._watchdog = watchdog
        self._wire = wire
        self._seconds = seconds

    def __enter__(self) -> Self:
        self._watchdog.add(self._wire, self._seconds)
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.watched = False
