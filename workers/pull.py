"""What nobody tells a worker it finds itself: it claims due rows from Postgres, once a second, until it is told again.

That is while Redis is away, from here or from the clock that leads, and while no clock runs.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from db import due_work
from db.engine import UnitOfWork
from dispatch.broker import NAMESPACE
from dispatch.wake import ANNOUNCING
from funding.flows.table import FLOWS
from workers.actors import Desk

log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
BATCH: Final = 100

Act = Callable[[], object]  # something that is due; False: it was turned away at its provider


def takes_messages(client: Redis) -> bool:
    """Whether Redis takes what is written: one that is full, or has become a replica, answers but carries nothing."""
    try:
        return bool(client.set(f"{NAMESPACE}:written", "1", ex=60))
    except RedisError:
        return False


def is_told(client: Redis) -> bool:
    """Whether what is due is announced where we listen: a dispatcher has lately reached this Redis, and so do we."""
    try:
        return takes_messages(client) and bool(client.exists(ANNOUNCING))
    except RedisError:
        return False


class Pull:
    """Takes over what messages would have told, through the same desk. `heard` says whether they come."""

    def __init__(self, begin: UnitOfWork, desk: Desk, *, threads: int, heard: Callable[[], bool]) -> None:
        self._begin = begin
        self._desk = desk
        self._heard = heard
        self._threads = threads
        self._turned_away: list[Act] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pull", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more: what has not begun stays due. Does not wait."""
        self._stop.set()

    def join(self, *, within_s: float) -> None:
        """Wait for the work under way, so long at most."""
        self._thread.join(within_s)

    def once(self, pool: ThreadPoolExecutor) -> int:
        """Do what is due now; how much that was. What was turned away at its provider is tried again next time."""
        room = max(0, BATCH - len(self._turned_away))
        with self._begin() as connection:
            events = due_work.events(connection, limit=BATCH)
            flows = due_work.flows(connection, limit=room)
            ticks = due_work.ticks(connection, limit=room)
            looks = due_work.looks(connection, limit=room)
            notifications = due_work.notifications(connection, limit=BATCH)
        acts: list[Act] = []
        if events:
            acts.append(partial(self._desk.events, events))
        acts += self._turned_away
        acts += [partial(self._step, *due) for due in flows]
        acts += [partial(self._desk.tick, *tick) for tick in ticks]
        acts += [partial(self._desk.look, *look) for look in looks]
        acts += [partial(self._desk.notification, one) for one in notifications]
        self._turned_away = []
        list(pool.map(self._contained, acts))
        return len(acts) - len(self._turned_away)

    def _contained(self, act: Act) -> None:
        if self._stop.is_set():
            return
        try:
            if act() is False:
                self._turned_away.append(act)
        except Exception as error:
            log.exception("pull.failed", error=type(error).__name__)

    def _step(self, flow: UUID, kind: str, state: str) -> bool:
        step = FLOWS[kind].step_of(state) if kind in FLOWS else None
        return step is None or self._desk.step(step, flow)

    def _run(self) -> None:
        alone = False
        with ThreadPoolExecutor(self._threads, thread_name_prefix="pull") as pool:
            while not self._stop.wait(EVERY_S):
                if self._heard():
                    if alone:
                        log.info("pull.ended", reason="what is due is announced again")
                    alone = False
                    continue
                if not alone:
                    log.warning("pull.began", reason="nothing is announced; due rows are claimed from Postgres")
                alone = True
                try:
                    while self.once(pool) and not self._stop.is_set():
                        time.sleep(0)
                except SQLAlchemyError as error:
                    log.warning("pull.database_failed", error=type(error).__name__)
