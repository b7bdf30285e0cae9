"""A watcher outside APScheduler: it alarms when a job has had no tick for more than two of its intervals."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from db import clock
from db.engine import UnitOfWork
from scheduler.metrics import ClockMetrics

EVERY: Final = timedelta(seconds=5)
ALARM_AGAIN_S: Final = 60.0

log = structlog.get_logger()


class Watcher:
    """Looks at every job's last tick, whichever clock should have made it. `run` is for a thread of its own."""

    def __init__(
        self, begin: UnitOfWork, metrics: ClockMetrics, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._begin = begin
        self._metrics = metrics
        self._monotonic = monotonic
        self._alarmed: dict[str, float] = {}

    def run(self, stop: threading.Event, *, every: timedelta = EVERY) -> None:
        """Look until `stop` is set."""
        while not stop.wait(every.total_seconds()):
            try:
                self.look()
            except SQLAlchemyError as error:
                log.warning("clock.unwatched", error=type(error).__name__)

    def look(self) -> tuple[str, ...]:
        """The silent jobs now; each is alarmed at once and again every minute. Raises: errors of the database."""
        with self._begin() as connection:
            silent = {job.job: job for job in clock.silent_jobs(connection)}
        self._metrics.silent.set(len(silent))
        for name in self._alarmed.keys() - silent:
            del self._alarmed[name]
            log.info("clock.heard_again", job=name)
        now = self._monotonic()
        for name, job in silent.items():
            if now - self._alarmed.get(name, float("-inf")) >= ALARM_AGAIN_S:
                self._alarmed[name] = now
                last = job.last_slot.isoformat() if job.last_slot else None
                log.error("clock.silent", job=name, last_slot=last, silent_s=job.silent_for.total_seconds())
        return tuple(silent)
