"""Run the clock until SIGTERM or SIGINT. Two can run at once; one acts."""

import os
import signal
import sys
import threading
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from db.engine import UnitOfWork, make_engine, unit_of_work
from db.gates import GateRows
from db.sealing import Sealer
from dispatch import logs
from dispatch.broker import make_broker, make_client
from dispatch.dispatcher import Dispatcher
from dispatch.starting import serve_metrics, stop_unless_at_head
from dispatch.wake import Wake
from ops.configured import providers_config
from providers.registry import Providers, Surroundings, build
from scheduler.beats import Beats
from scheduler.clock import Clock
from scheduler.leader import Leadership
from scheduler.metrics import ClockMetrics
from scheduler.streams import StreamReader
from scheduler.timetable import timetable
from scheduler.watcher import Watcher
from settings import Settings, SettingsError, load

CONNECTIONS: Final = 8  # each of our threads holds at most one
STREAM_THREADS: Final = 2  # of each provider's client; a gate lets half of them in
STOP_WITHIN_S: Final = 4.0  # jobs under way; a database that hangs is not waited for longer

log = structlog.get_logger()


def main() -> None:
    """Run the clock; exit 1, saying what to mend, when the settings or the schema are not as they must be."""
    try:
        settings = load(os.environ)
    except SettingsError as error:
        sys.exit(str(error))
    logs.configure(settings.log_level)
    logs.report_errors(settings.sentry_dsn.reveal() if settings.sentry_dsn else None, process="clock")
    run(settings)


def run(settings: Settings) -> None:
    """Run until a signal comes; then let go of the lease, so that another clock takes over at once."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    engine = make_engine(
        settings.database_url.reveal(),
        pool=CONNECTIONS,
        transaction_pooler=settings.database_pooler == "transaction",
    )
    begin = unit_of_work(engine)
    stop_unless_at_head(begin)
    wake = Wake(make_broker(settings.redis_url.reveal()), make_client(settings.redis_url.reveal()))
    metrics = ClockMetrics()
    leadership = Leadership(begin)
    providers = build(providers_config(settings, threads=STREAM_THREADS), Surroundings(gate_store=GateRows(begin)))
    clock = Clock(
        begin,
        leadership=leadership,
        dispatcher=Dispatcher(begin, wake),
        beats=Beats(begin),
        wake=wake,
        timetable=timetable(
            poll=settings.poll,
            listings={name: [each.name for each in one.listings] for name, one in providers.connected.items()},
        ),
        metrics=metrics,
    )
    readers = _readers(providers, settings, begin, leadership, wake, metrics)
    serve_metrics(settings.metrics_port, metrics.registry)

    def end() -> None:
        stop.wait()
        log.info("clock.stopping")
        last_resort = threading.Timer(STOP_WITHIN_S, os._exit, args=(1,))
        last_resort.daemon = True
        last_resort.start()
        for reader in readers:
            reader.stop()
        clock.stop()

    threads = [
        threading.Thread(target=end, name="stop", daemon=True),
        threading.Thread(target=Watcher(begin, metrics).run, args=(stop,), name="watcher", daemon=True),
        *(threading.Thread(target=reader.run, name="stream", daemon=True) for reader in readers),
    ]
    for thread in threads:
        thread.start()
    log.info("clock.started", holder=str(leadership.holder))
    clock.run()
    try:
        leadership.release()
    except SQLAlchemyError as error:  # it runs out by itself
        log.warning("clock.lease_left", error=type(error).__name__)
    engine.dispose()


def _readers(
    providers: Providers,
    settings: Settings,
    begin: UnitOfWork,
    leadership: Leadership,
    wake: Wake,
    metrics: ClockMetrics,
) -> list[StreamReader]:
    """A reader of each event stream there is."""
    return [
        StreamReader(
            stream,
            provider=provider,
            name=name,
            lead=lambda: leadership.lead,
            begin=begin,
            wake=wake.events,
            sealer=Sealer(settings.encryption_keys or ()),
            metrics=metrics,
        )
        for provider, one in providers.connected.items()
        for name, stream in one.streams.items()
    ]
