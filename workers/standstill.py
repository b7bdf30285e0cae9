"""A worker whose threads all stand still while its session beats looks alive and does nothing: it ends itself.

Whoever supervises it starts it again, and the leader frees what it held.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from dramatiq import Broker, MessageProxy
from dramatiq.middleware import Middleware

log = structlog.get_logger(__name__)

LONGEST_S: Final = 400.0  # Dramatiq ends a message's work after 300 s, unless it waits where Python is not asked
LOOKS_EVERY_S: Final = 15.0


class Standstill(Middleware):
    """Notes since when each thread is at its message. Ends the process once all of them are for too long."""

    def __init__(
        self,
        threads: int,
        *,
        longest_s: float = LONGEST_S,
        monotonic: Callable[[], float] = time.monotonic,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._threads = threads
        self._longest_s = longest_s
        self._monotonic = monotonic
        self._end = end
        self._since: dict[int, float] = {}

    def before_process_message(self, _broker: Broker, _message: MessageProxy) -> None:
        """A thread begins."""
        self._since[threading.get_ident()] = self._monotonic()

    def after_process_message(
        self,
        _broker: Broker,
        _message: MessageProxy,
        *,
        result: Any | None = None,  # noqa: ARG002 - Dramatiq passes it by name
        exception: BaseException | None = None,  # noqa: ARG002 - the same
    ) -> None:
        """It is done, however that ended."""
        self._since.pop(threading.get_ident(), None)

    def after_skip_message(self, _broker: Broker, _message: MessageProxy) -> None:
        """There was nothing to do."""
        self._since.pop(threading.get_ident(), None)

    @property
    def busy(self) -> int:
        """Threads at a message now."""
        return len(self._since)

    def watch(self) -> None:
        """Look from now on, on a thread of its own."""
        threading.Thread(target=self._run, name="standstill", daemon=True).start()

    def look(self) -> None:
        """End the process with code 1 if no thread has come to an end for too long."""
        now = self._monotonic()
        stuck = [since for since in self._since.copy().values() if now - since > self._longest_s]
        if len(stuck) >= self._threads:
            log.error("worker.stands_still", threads=self._threads, for_s=round(now - max(stuck)))
            self._end(1)

    def _run(self) -> None:
        while True:
            time.sleep(LOOKS_EVERY_S)
            self.look()
