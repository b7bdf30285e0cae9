"""One thread a process that commits what all request threads hand it: group commit without waiting.

While one commit is under way the next batch gathers. A request is answered when its row is committed, or told
that it was not, within `patience`. Nothing is promised before the commit, so nothing is lost with the process.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Final

import psycopg
import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from db.inbox import Arrival, Stored
from web.metrics import DoorMetrics

# One transaction, committed on return; answers in the order given, the second of two equal events as a duplicate.
# It meets its rows in the order of their keys, so that two processes storing the same ones cannot deadlock.
Store = Callable[[Sequence[Arrival]], list[Stored]]
Announce = Callable[[Sequence[int]], None]  # must not wait: the next commit would
NoteKeys = Callable[[Collection[tuple[str, str]]], None]  # (provider, fingerprint) of keys just used

PATIENCE: Final = timedelta(seconds=5)  # how long a request waits for its commit
MOST_ROWS: Final = 256  # in one statement
NOTE_KEYS_EVERY_S: Final = 60.0

log = structlog.get_logger()


class CannotStore(Exception):
    """Not committed in time, or not at all: nothing was promised, the sender must try again."""


class NotReady(Exception):
    """The store takes nothing at all now, and says why; whoever sent it must try again."""


_DATABASE_AWAY: Final = (
    *(OperationalError, InterfaceError, PoolTimeout),
    *(psycopg.OperationalError, psycopg.InterfaceError),
    NotReady,
)


class _Waiting:
    """One request's arrival and where its answer will stand.

    A bare lock is what it waits for: an event is one too, with several times its cost around it.
    """

    __slots__ = ("_answered", "_lock", "arrival", "given_up", "stored")

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.given_up = False
        self.stored: Stored | None = None
        self._answered = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, timeout_s: float) -> bool:
        """Whether it was answered in time. Asked once."""
        return self._lock.acquire(timeout=timeout_s)

    def answer(self) -> None:
        """End the wait. The committing thread's alone to call; a second time changes nothing."""
        if not self._answered:
            self._answered = True
            self._lock.release()


class InboxWriter:
    """Hands arrivals to `store` in batches, then their ids to `announce`.

    `announce` and `note_keys` come after the answer; a note that fails is logged and counted, never told to the sender.
    The thread starts with the first arrival, in whichever process that is, and starts again should it ever die.
    """

    def __init__(
        self,
        store: Store,
        announce: Announce,
        *,
        metrics: DoorMetrics,
        note_keys: NoteKeys | None = None,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._store = store
        self._announce = announce
        self._note_keys = note_keys
        self._metrics = metrics
        self._patience_s = patience.total_seconds()
        self._changed = threading.Condition()
        self._queue: deque[_Waiting] = deque()  # its two ends are safe to use without a lock
        self._idle = False  # the thread waits, or will look at the queue once more before it does
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._keys_noted: dict[tuple[str, str], float] = {}

    def write(self, arrival: Arrival) -> Stored:
        """Wait until the arrival is committed. Raises: CannotStore.

        Takes a lock only to wake the thread: one that all requests take in turn would cost more than what it guards.
        """
        if self._stopping:
            raise CannotStore("the process is stopping")
        waiting = _Waiting(arrival)
        self._queue.append(waiting)
        thread = self._thread
        if self._idle or thread is None or not thread.is_alive():
            with self._changed:
                self._idle = False  # it is on its way, the next need not call it
                self._run_thread()
                self._changed.notify()
        if not waiting.wait(self._patience_s):
            waiting.given_up = True
            self._metrics.trouble.labels("late").inc()
        if waiting.stored is None:
            raise CannotStore("not committed")
        return waiting.stored

    def stop(self, within: timedelta = PATIENCE) -> None:
        """Take no more, commit what is waiting, end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(within.total_seconds())

    def _run_thread(self) -> None:
        """Start the thread if there is none. Called with the lock held. A fork leaves a dead one behind."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="inbox-writer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        batch: list[_Waiting] = []
        try:
            while batch := self._next_batch():
                self._commit([waiting for waiting in batch if not waiting.given_up])
        finally:  # should anything end this thread early: nobody waits for nothing, and the next thread takes over
            with self._changed:
                self._thread = None
                if self._queue:
                    self._run_thread()
            for waiting in batch:
                waiting.answer()

    def _next_batch(self) -> list[_Waiting]:
        """All that gathered since the last batch, up to the most; empty when stopping and drained."""
        if not self._queue:
            with self._changed:
                while True:
                    self._idle = True  # before the look: who adds after it sees this and notifies
                    if self._queue or self._stopping:
                        break
                    self._changed.wait()
                self._idle = False
        return [self._queue.popleft() for _ in range(min(len(self._queue), MOST_ROWS))]

    def _commit(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        try:
            for waiting, stored in zip(batch, self._store([w.arrival for w in batch]), strict=True):
                waiting.stored = stored
        except Exception as error:  # noqa: BLE001 (any failure of the batch is tried row by row)
            self._metrics.trouble.labels("batch").inc()
            log.warning("inbox.batch_failed", rows=len(batch), error=type(error).__name__)
            self._commit_each(batch)
        for waiting in batch:
            waiting.answer()
        committed = [waiting for waiting in batch if waiting.stored]
        if committed:
            self._metrics.batch_rows.observe(len(committed))
            self._announce(sorted({waiting.stored.id for waiting in committed if waiting.stored}))
            self._note(committed)

    def _commit_each(self, batch: list[_Waiting]) -> None:
        """Row by row, so that a bad row fails alone; until the database itself is what fails."""
        for waiting in batch:
            if waiting.given_up:
                continue
            try:
                waiting.stored = self._store([waiting.arrival])[0]
            except _DATABASE_AWAY as error:
                log.warning("inbox.database_away", error=type(error).__name__)
                return
            except Exception as error:  # noqa: BLE001 (the row's own fault: it alone is refused)
                self._metrics.trouble.labels("row").inc()
                log.warning("inbox.row_failed", provider=waiting.arrival.provider, error=type(error).__name__)

    def _note(self, committed: list[_Waiting]) -> None:
        """Once a minute for each key: it is in use."""
        now = time.monotonic()
        used = {
            (waiting.arrival.provider, key) for waiting in committed if (key := waiting.arrival.matched_key) is not None
        }
        due = {key for key in used if now - self._keys_noted.get(key, float("-inf")) >= NOTE_KEYS_EVERY_S}
        if not due or self._note_keys is None:
            return
        self._keys_noted.update(dict.fromkeys(due, now))
        try:
            self._note_keys(due)
        except Exception as error:  # noqa: BLE001 (a note about a key is never worth a refused event)
            self._metrics.trouble.labels("keys").inc()
            log.warning("inbox.keys_not_noted", error=type(error).__name__)
