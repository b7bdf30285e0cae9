"""What the web process says of itself: alive, able to accept, in figures, and in a sentence."""

import hmac
from collections.abc import Callable, Iterable
from typing import Final

import structlog
from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from redis import Redis, RedisError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from migrations.run import current, head
from web import problems
from web.metrics import DoorMetrics

FleetMetrics = Callable[[Connection], Iterable[Metric]]  # figures of the whole fleet, read from Postgres

log = structlog.get_logger()

ABOUT: Final = "Rampkeeper keeps money moving over other people's ramps. Webhooks are posted to /webhooks/<provider>.\n"


def status_pages(
    *,
    engine: Engine,
    redis: Redis,
    metrics: DoorMetrics,
    fleet_metrics: FleetMetrics | None,
    metrics_token: str | None,
) -> Blueprint:
    """`/`, `/healthz`, `/readyz` and `/metrics`."""
    pages = Blueprint("status", __name__)

    @pages.get("/")
    def about() -> Response:
        return Response(ABOUT, mimetype="text/plain")

    @pages.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @pages.get("/readyz")
    def readyz() -> tuple[Response, int]:
        found = _schema(engine)
        ready = found == "at head"
        answer = jsonify(
            status="ready" if ready else "not ready",
            postgres="away" if found == "unknown" else "ok",
            schema=found,
            redis=_redis_state(redis),
        )
        return answer, 200 if ready else 503

    @pages.get("/metrics")
    def prometheus() -> Response:
        if metrics_token is not None and not _bears(request.headers.get("Authorization", ""), metrics_token):
            return problems.NOT_SIGNED_IN.response()
        text = generate_latest(metrics.registry) + generate_latest(_fleet(engine, fleet_metrics))
        return Response(text, content_type=CONTENT_TYPE_LATEST)

    return pages


def _schema(engine: Engine) -> str:
    """How the schema stands to this checkout; unknown when Postgres cannot be asked."""
    try:
        with engine.connect() as connection:
            found = current(connection)
    except SQLAlchemyError as error:
        log.warning("ready.postgres_away", error=type(error).__name__)
        return "unknown"
    if found is None:
        return "none: run `rampkeeper migrate`"
    return "at head" if found == head() else f"at {found}, not at {head()}: run `rampkeeper migrate`"


def _redis_state(redis: Redis) -> str:
    """Reported, not required: without Redis, events are announced from Postgres."""
    try:
        redis.ping()
    except (RedisError, OSError):
        return "away"
    return "ok"


def _bears(header: str, token: str) -> bool:
    scheme, _, given = header.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


class _Read:
    """Metrics already read, as a collector."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _fleet(engine: Engine, fleet_metrics: FleetMetrics | None) -> CollectorRegistry:
    """The fleet's figures; without Postgres only the word that they could not be read."""
    readable = GaugeMetricFamily("rampkeeper_fleet_readable", "Could the fleet's figures be read from Postgres?")
    found: list[Metric] = [readable]
    try:
        with engine.connect() as connection:
            found += fleet_metrics(connection) if fleet_metrics else []
        readable.add_metric([], 1)
    except SQLAlchemyError as error:
        log.warning("metrics.postgres_away", error=type(error).__name__)
        readable.add_metric([], 0)
    registry = CollectorRegistry()
    registry.register(_Read(found))
    return registry
