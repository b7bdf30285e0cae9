"""How many pages are read at a time: the door shares this process, its threads and its connections."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PATIENCE_S: Final = 2.0  # how long one waits for its turn


class Busy(Exception):
    """Too many pages are being read: ask again in a moment."""


class Crowd:
    """Lets `at_once` in and a few more wait, `in_all` together; whoever comes then is turned away at once."""

    def __init__(self, *, at_once: int, in_all: int, patience_s: float = PATIENCE_S) -> None:
        self._turns = threading.BoundedSemaphore(at_once)
        self._places = threading.BoundedSemaphore(max(in_all, at_once))
        self._patience_s = patience_s

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One's turn. Raises: Busy."""
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            if not self._turns.acquire(timeout=self._patience_s):
                raise Busy
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._places.release()
