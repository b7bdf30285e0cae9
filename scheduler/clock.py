"""The clock: APScheduler calls, once a second or so, what only the leader does. Nothing here speaks to a provider."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.blocking import BlockingScheduler
from sqlalchemy.exc import SQLAlchemyError

from db import clock
from db.clock import Lead, LostLead, Slots
from db.engine import UnitOfWork
from dispatch.dispatcher import Dispatcher
from scheduler.beats import Beats
from scheduler.leader import Leadership
from scheduler.metrics import ClockMetrics

EVERY_SECOND: Final = timedelta(seconds=1)
RESULTS: Final = {
    EVENT_JOB_EXECUTED: "done",
    EVENT_JOB_ERROR: "error",
    EVENT_JOB_MISSED: "missed",
    EVENT_JOB_MAX_INSTANCES: "skipped",
}

log = structlog.get_logger()


class TickAnnouncer(Protocol):
    """What the clock asks of the queue: `dispatch.wake.Wake`. Announcing never raises."""

    def ticks(self, items: Sequence[tuple[str, datetime]]) -> None:
        """Announce ticks: job, slot."""
        ...


class Clock:
    """One clock process. `run` blocks until `stop`; followers try for the lease and do nothing else."""

    def __init__(
        self,
        begin: UnitOfWork,
        *,
        leadership: Leadership,
        dispatcher: Dispatcher,
        beats: Beats,
        wake: TickAnnouncer,
        timetable: Sequence[Slots],
        metrics: ClockMetrics,
    ) -> None:
        self._begin = begin
        self._leadership = leadership
        self._dispatcher = dispatcher
        self._beats = beats
        self._wake = wake
        self._timetable = timetable
        self._metrics = metrics
        self._declared: Lead | None = None
        self._ticking = threading.Lock()  # taking the lease and the job of each second may both tick
        self._scheduler = self._scheduled()

    def run(self) -> None:
        """Run until `stop` is called, in the calling thread."""
        self._scheduler.start()

    def stop(self) -> None:
        """End `run`, from another thread; jobs under way end by themselves."""
        self._scheduler.pause()
        self._scheduler.shutdown(wait=False)

    def keep_lead(self) -> None:
        """Renew the lease or try for it; once it is taken, write the timetable down and tick what is late."""
        taken = self._leadership.step()
        self._metrics.leading.set(1 if self._leadership.lead else 0)
        if taken:
            self._beats.forget()
            self._leading(self.tick)()

    def tick(self, lead: Lead) -> None:
        """Make and announce the ticks of slots that have none yet; a new leader writes the timetable down first."""
        with self._ticking, self._begin() as connection:
            if self._declared != lead:
                clock.declare(connection, lead, self._timetable)
            fresh = clock.insert_ticks(connection, lead, self._timetable)
        self._declared = lead
        if fresh:
            self._wake.ticks(fresh)
        for job, slot in fresh:
            self._metrics.ticks.labels(job).inc()
            log.info("clock.ticked", job=job, slot=slot.isoformat(), term=lead.term)

    def dispatch(self, _lead: Lead) -> None:
        """Announce what is due."""
        for kind, count in self._dispatcher.run().items():
            self._metrics.announced.labels(kind).inc(count)

    def sweep_sessions(self, lead: Lead) -> None:
        """Free what workers that are gone hold, and announce it."""
        freed = self._beats.run(lead)
        self._metrics.freed.labels("sessions").inc(len(freed.sessions))
        self._metrics.freed.labels("flows").inc(len(freed.flows))
        if freed.sessions or freed.flows:
            log.warning("claims.freed", sessions=len(freed.sessions), flows=len(freed.flows), term=lead.term)
            self.dispatch(lead)  # they have waited long enough

    def _scheduled(self) -> BlockingScheduler:
        scheduler = BlockingScheduler(
            timezone=UTC,
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(8)},
            # A run that is late runs late, once; one that is still under way is not run twice.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        scheduler.add_listener(self._count, sum(RESULTS))
        for name, act, every in (
            ("lead", self.keep_lead, EVERY_SECOND),
            ("tick", self._leading(self.tick), EVERY_SECOND),
            ("dispatch", self._leading(self.dispatch), EVERY_SECOND),
            ("sessions", self._leading(self.sweep_sessions), EVERY_SECOND),
        ):
            scheduler.add_job(
                self._guarded(name, act),
                "interval",
                id=name,
                seconds=every.total_seconds(),
                next_run_time=datetime.now(UTC),
            )
        return scheduler

    def _leading(self, act: Callable[[Lead], None]) -> Callable[[], None]:
        """Do `act` only while we lead; a term that is over makes us follow."""

        def run() -> None:
            lead = self._leadership.lead
            if lead is None:
                return
            try:
                act(lead)
            except LostLead:
                self._leadership.lost(lead)

        return run

    def _guarded(self, name: str, act: Callable[[], None]) -> Callable[[], None]:
        """A database that is away is a line in the log, not a traceback a second; the next run tries again."""

        def run() -> None:
            try:
                act()
            except SQLAlchemyError as error:
                self._metrics.runs.labels(name, "database").inc()
                log.warning("clock.database_error", job=name, error=type(error).__name__)

        return run

    def _count(self, event: JobEvent) -> None:
        result = RESULTS[event.code]
        self._metrics.runs.labels(event.job_id, result).inc()
        if event.code == EVENT_JOB_ERROR:
            log.error("clock.job_failed", job=event.job_id, exc_info=event.exception)
        elif event.code != EVENT_JOB_EXECUTED:
            log.warning("clock.job_late", job=event.job_id, result=result)
