"""How a worker takes hints out of a queue: no more than it has places for, so that the rest stays there for others."""

import threading
from collections.abc import Iterable
from typing import Final

from dramatiq import MessageProxy
from dramatiq.broker import Consumer

LOOKS_AGAIN_MS: Final = 200  # at most so long after a message came to an idle worker


class Paced(Consumer):
    """Hands out at most `most` messages at a time, and asks for the next the moment that one is done.

    Dramatiq's own consumer sleeps up to its whole timeout when it holds all it may. Raises: what `inner` raises.
    """

    def __init__(self, inner: Consumer, *, most: int, timeout_ms: int) -> None:
        self._inner = inner
        self._most = most
        self._timeout_s = timeout_ms / 1000
        self._held: set[str] = set()  # by the message's own id: what is put down twice counts once
        self._done = threading.Event()

    def __next__(self) -> MessageProxy | None:
        """The next message; None when there is none, or no place for one, within the timeout."""
        self._done.clear()
        if len(self._held) >= self._most and not self._done.wait(self._timeout_s):
            return None
        message = next(self._inner)
        if message is not None:
            self._held.add(message.message_id)
        return message

    def ack(self, message: MessageProxy) -> None:
        """It is done."""
        try:
            self._inner.ack(message)
        finally:
            self._put_down(message)

    def nack(self, message: MessageProxy) -> None:
        """It cannot be done."""
        try:
            self._inner.nack(message)
        finally:
            self._put_down(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """They are anyone's again."""
        self._inner.requeue(messages)

    def close(self) -> None:
        """Nothing more is taken."""
        self._inner.close()

    def _put_down(self, message: MessageProxy) -> None:
        self._held.discard(message.message_id)
        self._done.set()
