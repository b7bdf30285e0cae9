"""Serve the web process: Granian, one worker process of many threads, which dies with its parent."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from multiprocessing.util import Finalize
from typing import Any, Final

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import MPServer
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from db.engine import make_engine
from dispatch import logs
from dispatch.broker import make_broker, make_client
from dispatch.wake import Wake
from ops.reports.metrics import fleet_metrics
from settings import Settings, SettingsError, load
from web.app import create_app, stop

STOP_WITHIN_S: Final = 20  # requests under way; a platform's own patience is 30 s


def main() -> None:
    """Serve until SIGTERM or SIGINT; exit 1, with every bad setting named, when one is."""
    settings = _settings()
    logs.configure(settings.log_level)
    serve(settings, build)


def serve(settings: Settings, build: Callable[[], Callable[..., Any]]) -> None:
    """Serve the application that `build` makes in its serving process, until SIGTERM or SIGINT; exit 1: port taken."""
    server = MPServer(
        f"{build.__module__}:{build.__name__}",
        address=settings.web_host,
        port=settings.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,  # what platforms' routers speak to us; the second version only adds ways to be abused
        workers=1,
        blocking_threads=settings.web_threads,
        backlog=2048,
        websockets=False,
        log_level=LogLevels.error,
        log_dictconfig={"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}},  # into ours
        workers_kill_timeout=STOP_WITHIN_S,
    )
    try:
        server.serve(target_loader=build, wrap_loader=False)
    except RuntimeError as error:
        if "os error" not in str(error):  # how Granian words a refused socket
            raise
        sys.exit(f"cannot listen on {settings.web_host} port {settings.port}: {error}. Set PORT, or stop what uses it")


def build() -> Callable[..., Any]:
    """The application, built in the process that serves it."""
    _end_with_parent()
    settings = _settings()
    logs.configure(settings.log_level)
    logs.report_errors(settings.sentry_dsn.reveal() if settings.sentry_dsn else None, process="web")
    engine = make_engine(
        settings.database_url.reveal(),
        pool=settings.database_pool,
        transaction_pooler=settings.database_pooler == "transaction",
    )
    redis_url = settings.redis_url.reveal()
    wake = Wake(make_broker(redis_url), make_client(redis_url))
    asked = Redis.from_url(redis_url, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0))
    app = create_app(settings, engine=engine, redis=asked, wake=wake.events, fleet_metrics=fleet_metrics)
    Finalize(None, stop, (app,), exitpriority=10)  # a worker process ends without atexit
    return app


def _settings() -> Settings:
    try:
        return load(os.environ)
    except SettingsError as error:
        sys.exit(str(error))


def _end_with_parent() -> None:
    """End this process when its parent is killed: an orphan would hold the port and answer to nobody."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
