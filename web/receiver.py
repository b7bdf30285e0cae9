"""The door for webhooks: prove who sent it, store it, say so. It calls nobody and knows no business rule."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from flask import Flask, Request, Response, request
from limits import RateLimitItem
from limits.strategies import RateLimiter
from werkzeug.routing import Rule

from db.inbox import Arrival
from providers.receiving import Receiving
from providers.webhook_keys import MatchedKey, SignatureMissing, SignatureRefused, StaleTimestamp
from web import problems
from web.body import BodyReader, CutShort, TooLarge
from web.inbox_writer import CannotStore, InboxWriter
from web.json_object import NotAnObject, parse_object
from web.metrics import DoorMetrics

_ANSWERS: Final = {False: b'{"status":"accepted"}', True: b'{"status":"duplicate"}'}

log = structlog.get_logger()


class _Refused(Exception):
    """A request that is not stored: what it is told, and the reason it is counted under."""

    def __init__(self, problem: problems.Problem, reason: str | None = None) -> None:
        super().__init__(problem.name)
        self.problem = problem
        self.reason = reason


class Receiver:
    """Answers every webhook route of the application it is mounted on.

    `routes` are the open ones by path. `limit` is what one remote address may send this process, None for any.
    """

    def __init__(
        self,
        routes: Mapping[str, Receiving],
        writer: InboxWriter,
        metrics: DoorMetrics,
        *,
        limiter: RateLimiter,
        limit: RateLimitItem | None = None,
        bodies: BodyReader | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._routes = routes
        self._writer = writer
        self._metrics = metrics
        self._limiter = limiter
        self._limit = limit
        self._bodies = bodies or BodyReader()
        self._now = now

    def mount(self, app: Flask) -> None:
        """Answer every path under /webhooks/ and /webhook/, every method: 404 or 405 is ours to say.

        Open routes are answered ahead of Flask, whose way to a view costs as much as proving a signature.
        """
        for place in ("/webhooks/<path:_rest>", "/webhook/<path:_rest>"):
            app.url_map.add(Rule(place, endpoint="receiver.receive"))
        app.view_functions["receiver.receive"] = lambda _rest: self.receive(request)
        app.wsgi_app = self._ahead_of(app.wsgi_app)  # type: ignore[method-assign,assignment]  # Flask's way

    def _ahead_of(self, others: WSGIApplication) -> WSGIApplication:
        def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if environ.get("PATH_INFO") not in self._routes:
                return others(environ, start_response)
            try:
                response = self.receive(Request(environ))
            except Exception as error:
                log.exception("web.failed", path=environ["PATH_INFO"], error=type(error).__name__)
                response = problems.FAILED.response()
            return response(environ, start_response)

        return application

    def receive(self, request: Request) -> Response:
        """One request, start to end."""
        receiving = self._routes.get(request.path)
        if receiving is None:
            return self._refuse("unknown", problems.NO_SUCH_PROVIDER)
        provider = receiving.provider
        try:
            stored = self._writer.write(self._check(receiving, request))
        except _Refused as refused:
            return self._refuse(provider, refused.problem, refused.reason)
        except CannotStore:
            return self._refuse(provider, problems.CANNOT_STORE)
        self._metrics.events.labels(provider, "duplicate" if stored.duplicate else "accepted").inc()
        return Response(_ANSWERS[stored.duplicate], mimetype="application/json")

    def _refuse(self, provider: str, problem: problems.Problem, reason: str | None = None) -> Response:
        reason = reason or problem.name.replace("-", "_")
        self._metrics.refusals.labels(provider, reason).inc()
        log.info("webhook.refused", provider=provider, reason=reason, status=problem.status)
        return problem.response()

    def _check(self, receiving: Receiving, request: Request) -> Arrival:
        """The checks, in the order that is promised outside: a request wrong in two ways fails by the earlier."""
        if request.method != "POST":
            raise _Refused(problems.POST_ONLY)
        body = self._read(request)
        if request.content_type and not _is_json(request.mimetype):
            raise _Refused(problems.NOT_JSON_TYPE)
        matched = self._verify(receiving, request, body)
        try:
            name = receiving.name(body, parse_object(body))
        except NotAnObject:
            raise _Refused(problems.NOT_AN_OBJECT) from None
        if self._limit is not None and not self._limiter.hit(self._limit, request.remote_addr or "unknown"):
            raise _Refused(problems.TOO_MANY)
        return Arrival(
            provider=receiving.provider,
            event_id=name.id,
            route=request.path,
            type=name.type,
            source="webhook",
            body=body,
            headers={key: request.headers[key] for key in receiving.kept_headers if key in request.headers},
            matched_key=matched.fingerprint,
        )

    def _read(self, request: Request) -> bytes:
        try:
            return self._bodies.read(request)
        except TooLarge:
            raise _Refused(problems.TOO_LARGE) from None
        except CutShort:
            raise _Refused(problems.CUT_SHORT) from None

    def _verify(self, receiving: Receiving, request: Request, body: bytes) -> MatchedKey:
        try:
            return receiving.verify(body, request.headers, self._now())
        except SignatureMissing as error:
            raise _Refused(problems.NO_SIGNATURE, error.reason) from None
        except SignatureRefused as error:
            raise _Refused(problems.BAD_SIGNATURE, error.reason) from None
        except StaleTimestamp:
            raise _Refused(problems.STALE) from None


def _is_json(mimetype: str) -> bool:
    return mimetype == "application/json" or (mimetype.startswith("application/") and mimetype.endswith("+json"))
