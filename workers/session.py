"""This process's session: a row that beats, and the check right before anything is sent."""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError

from db import sessions
from db.engine import UnitOfWork
from dispatch.uptime import since_boot
from funding.errors import StaleClaim

log = structlog.get_logger(__name__)

BEAT_S: Final = 2.0
FRESH_S: Final = 5.0  # the leader frees claims after 8 s of silence: what is older than this is given back unsent

_claimed_at: ContextVar[float | None] = ContextVar("claimed_at", default=None)


class Session:
    """The session of this process. `id` changes when it was declared dead and a new one began."""

    def __init__(self, begin: UnitOfWork, *, monotonic: Callable[[], float] = since_boot) -> None:
        self._begin = begin
        self._monotonic = monotonic
        self._beat_at = float("-inf")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.id: UUID = uuid4()

    def start(self) -> None:
        """Begin the session; raises when Postgres cannot be reached."""
        asked = self._monotonic()
        with self._begin() as connection:
            sessions.start(connection, self.id)
        self._beat_at = asked

    def beat(self) -> None:
        """Raise the beat once. A session found dead is left, and a new one begun."""
        asked = self._monotonic()  # the beat is as old as the moment before it was sent
        with self._begin() as connection:
            alive = sessions.beat(connection, self.id)
        if alive:
            self._beat_at = asked
            return
        log.warning("session.dead", session=str(self.id), consequence="its claims were freed; a new session begins")
        self.id = uuid4()
        self.start()

    def beat_always(self) -> None:
        """Beat every two seconds on a thread of its own, until `end`."""
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop beating and end the session, giving back what it holds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=BEAT_S)
        with self._begin() as connection:
            sessions.end(connection, self.id)

    def claiming(self) -> None:
        """Note on this thread that a claim is being made: its age counts from before the database was asked."""
        _claimed_at.set(self._monotonic())

    def check_before_sending(self, keep: Callable[[], bool]) -> None:
        """Be sure that this thread's claim is still ours; one last proved too long ago is proved again by `keep`.

        So a step of several slow calls goes on, and one that stood still meanwhile does not. Raises: StaleClaim: our
        last beat is too old, or the claim has been freed; and what `keep` raises.
        """
        self._check_beat()
        claimed = _claimed_at.get()
        if claimed is None or self._monotonic() - claimed <= FRESH_S:
            return
        asked = self._monotonic()
        if not keep() or self._monotonic() - asked > FRESH_S:
            raise StaleClaim("this claim is too old to be sure of; nothing was sent")
        _claimed_at.set(asked)
        self._check_beat()

    def _check_beat(self) -> None:
        if self._monotonic() - self._beat_at > FRESH_S:
            raise StaleClaim("the last beat of this worker is too old; nothing was sent")

    def _run(self) -> None:
        while not self._stop.wait(BEAT_S):
            try:
                self.beat()
            except SQLAlchemyError:
                log.warning("session.beat_failed", consequence="nothing is sent until it beats again")
