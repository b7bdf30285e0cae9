"""The web process's application, put together: the door, what it says of itself, and nothing running yet."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import structlog
from flask import Flask, Response, request
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import Redis
from sqlalchemy import Engine
from werkzeug.exceptions import HTTPException

from db.inbox import Arrival, Stored, commit_events, insert_events
from db.numbering import UNNAMED, number_arrivals
from db.receiver_keys import note_used
from db.sealing import Sealer
from migrations.run import behind
from providers.routes import ReceivingKeys, routes
from settings import Settings
from web import problems
from web.announcer import Announcer, Wake
from web.body import BodyReader
from web.inbox_writer import InboxWriter, NoteKeys, NotReady, Store
from web.metrics import DoorMetrics
from web.pages.mounting import mount_pages
from web.receiver import Receiver
from web.status import FleetMetrics, status_pages

log = structlog.get_logger()


def create_app(
    settings: Settings,
    *,
    engine: Engine,
    redis: Redis,
    wake: Wake,
    fleet_metrics: FleetMetrics | None = None,
) -> Flask:
    """The WSGI application. Its threads start with the first event, and `stop(app)` ends them.

    `engine` and `redis` belong to the caller; `wake` announces stored events and `fleet_metrics` reads the whole
    fleet's figures for /metrics.
    """
    app = Flask("web", static_folder=None)
    app.url_map.merge_slashes = False  # a webhook is never redirected: its sender might not follow
    metrics = DoorMetrics()
    announcer = Announcer(wake, metrics=metrics)
    writer = InboxWriter(
        _store(engine, Sealer(settings.encryption_keys or ())),
        announcer.announce,
        metrics=metrics,
        note_keys=_note_keys(engine),
    )
    bodies = BodyReader(settings.web_threads)
    mount_pages(app, settings, engine=engine, bodies=bodies)
    limit = settings.receiver_rate_per_source
    receiver = Receiver(
        routes(_receiving_keys(settings)),
        writer,
        metrics,
        limiter=SlidingWindowCounterRateLimiter(MemoryStorage()),
        limit=parse(limit) if limit else None,
        proxies=settings.trusted_proxies or (),
        bodies=bodies,
    )
    receiver.mount(app)
    app.register_blueprint(
        status_pages(
            engine=engine,
            redis=redis,
            metrics=metrics,
            fleet_metrics=fleet_metrics,
            metrics_token=settings.metrics_token.reveal() if settings.metrics_token else None,
        )
    )
    app.register_error_handler(HTTPException, _http_problem)
    app.register_error_handler(Exception, _bug)
    app.extensions["inbox_writer"] = writer
    app.extensions["announcer"] = announcer
    return app


def _receiving_keys(settings: Settings) -> ReceivingKeys:
    due, bridge, ibex, stripe = settings.due, settings.bridge, settings.ibex, settings.stripe
    return ReceivingKeys(
        due_public_keys=due.webhook_public_keys or (),
        due_legacy_secrets=due.legacy_webhook_secret or (),
        bridge_public_keys=bridge.webhook_public_keys or (),
        bridge_kyc_keys=bridge.kyc_webhook_public_keys or (),
        bridge_deposit_keys=bridge.deposit_webhook_public_keys or (),
        bridge_transfer_keys=bridge.transfer_webhook_public_keys or (),
        bridge_tolerance=bridge.webhook_tolerance,
        ibex_secrets=ibex.webhook_secrets or (),
        ibex_sources=ibex.source_addresses or (),
        stripe_secrets=stripe.webhook_secrets or (),
        stripe_tolerance=stripe.webhook_tolerance,
    )


def _store(engine: Engine, sealer: Sealer) -> Store:
    """One transaction a batch; what it returns is committed. It takes nothing until the schema is this checkout's."""
    at_head = False

    def store(arrivals: Sequence[Arrival]) -> list[Stored]:
        nonlocal at_head
        if at_head and not any(arrival.event_id.startswith(UNNAMED) for arrival in arrivals):
            return commit_events(engine, arrivals, sealer=sealer)
        with engine.begin() as connection:
            if not at_head:
                if why := behind(connection):
                    log.warning("web.schema_not_at_head", reason=why)
                    raise NotReady
                at_head = True
            return insert_events(connection, number_arrivals(connection, arrivals), sealer=sealer)

    return store


def _note_keys(engine: Engine) -> NoteKeys:
    def note(keys: Collection[tuple[str, str]]) -> None:
        with engine.begin() as connection:
            note_used(connection, keys)

    return note


def stop(app: Flask) -> None:
    """Commit and announce what is waiting, end the threads."""
    writer: InboxWriter = app.extensions["inbox_writer"]
    announcer: Announcer = app.extensions["announcer"]
    writer.stop()
    announcer.stop()


def _http_problem(error: HTTPException) -> Response:
    """Flask's own refusals, in our form."""
    if error.code == problems.NO_SUCH_PAGE.status:
        return problems.NO_SUCH_PAGE.response()
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    return replace(problems.METHOD_NOT_ALLOWED, status=error.code or 500, title=error.name, headers=headers).response()


def _bug(error: Exception) -> Response:
    log.error("web.failed", path=request.path, error=type(error).__name__, exc_info=error)
    return problems.FAILED.response()
