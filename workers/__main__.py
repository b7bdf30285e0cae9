"""The worker process: `python -m workers`. Takes messages until SIGTERM, finishes within 25 s, ends its session."""

import os
import signal
import sys
import threading
import time
from typing import Final

import structlog
from dramatiq import Worker
from sqlalchemy.exc import SQLAlchemyError

from dispatch import logs
from dispatch.broker import QUEUES
from dispatch.starting import serve_metrics, stop_unless_at_head
from settings import SettingsError, load
from workers.actors import declare
from workers.desk import make_desk
from workers.pull import Pull, is_told
from workers.standstill import Standstill

log = structlog.get_logger(__name__)

FINISH_WITHIN_S: Final = 25.0
WORK_UNTIL_S: Final = 22.0  # a call's deadline and time to record it; the rest is for good-byes


def main() -> None:
    """Work until told to stop; exit 1, saying what to mend, when the settings or the schema are not as they must be."""
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.exit(str(error))
    logs.configure(settings.log_level)
    logs.report_errors(settings.sentry_dsn.reveal() if settings.sentry_dsn else None, process="worker")
    desk = make_desk(settings)
    stop_unless_at_head(desk.begin)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    serve_metrics(settings.metrics_port)
    declare(desk.broker, desk)
    desk.session.start()
    desk.session.beat_always()
    worker = Worker(desk.broker, queues=set(QUEUES), worker_threads=settings.worker_threads)
    pull = Pull(desk.begin, desk, threads=settings.worker_threads, heard=lambda: is_told(desk.redis))
    standstill = Standstill(settings.worker_threads)
    desk.broker.add_middleware(standstill)
    worker.start()
    pull.start()
    standstill.watch()
    log.info("worker.started", session=str(desk.session.id), threads=settings.worker_threads)
    stop.wait()
    log.info("worker.stopping", within_s=FINISH_WITHIN_S)
    last_resort = threading.Timer(FINISH_WITHIN_S, os._exit, args=(1,))  # the leader then frees what is left
    last_resort.daemon = True
    last_resort.start()
    began = time.monotonic()
    pull.stop()
    desk.runner.stopping.set()
    worker.stop(timeout=int(WORK_UNTIL_S * 1000))
    pull.join(within_s=max(WORK_UNTIL_S - (time.monotonic() - began), 0))
    try:
        desk.session.end()
    except SQLAlchemyError as error:
        log.warning("session.not_ended", error=type(error).__name__, consequence="the leader frees what it held")
    desk.close()
    log.info("worker.stopped")


if __name__ == "__main__":
    main()
