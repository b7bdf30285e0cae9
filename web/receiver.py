"""The door for webhooks: prove who sent it, store it, say so. It calls nobody and knows no business rule."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from flask import Flask, Response
from limits import RateLimitItem
from limits.strategies import RateLimiter
from werkzeug.http import parse_options_header
from werkzeug.routing import Rule

from db.inbox import Arrival
from providers.fields import WrongShape
from providers.receiving import ProofWithin, Proved, Receiving, Route, SourceRefused
from providers.sources import Source, peer_of
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


class _Headers:
    """A request's headers as its environment holds them, found by name in any case; a copy of them would cost more."""

    __slots__ = ("_environ",)

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._environ = environ

    def get(self, name: str, /) -> str | None:
        """The header's value."""
        return self._environ.get(_place(name))

    def __contains__(self, name: str, /) -> bool:
        return _place(name) in self._environ


@cache  # of the few names that our own code asks for
def _place(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


class Receiver:
    """Answers every webhook route of the application it is mounted on.

    `routes` are the open ones by path. `limit` is what one address may send this process, None for any; `proxies` are
    ours, whose word is taken for whose request it is.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        writer: InboxWriter,
        metrics: DoorMetrics,
        *,
        limiter: RateLimiter,
        limit: RateLimitItem | None = None,
        proxies: Sequence[Source] = (),
        bodies: BodyReader | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._routes = routes
        self._writer = writer
        self._metrics = metrics
        self._counters = {
            (provider, duplicate): metrics.events.labels(provider, result)
            for provider in {route.provider for route in routes.values()}
            for duplicate, result in ((False, "accepted"), (True, "duplicate"))
        }
        self._limiter = limiter
        self._limit = limit
        self._proxies = proxies
        self._bodies = bodies or BodyReader()
        self._now = now

    def mount(self, app: Flask) -> None:
        """Answer every path under /webhooks/ and /webhook/, every method: 404 or 405 is ours to say.

        Open routes are answered ahead of Flask, whose way to a view costs as much as proving a signature.
        """
        for place in ("/webhooks/<path:_rest>", "/webhook/<path:_rest>"):
            app.url_map.add(Rule(place, endpoint="receiver.unknown"))
        app.view_functions["receiver.unknown"] = lambda _rest: self._refuse("unknown", problems.NO_SUCH_PROVIDER)
        app.wsgi_app = self._ahead_of(app.wsgi_app)  # type: ignore[method-assign,assignment]  # Flask's way

    def _ahead_of(self, others: WSGIApplication) -> WSGIApplication:
        def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            route = self._routes.get(environ["PATH_INFO"])
            if route is None:
                return others(environ, start_response)
            try:
                answer = self._receive(route, environ)
            except _Refused as refused:
                response = self._refuse(route.provider, refused.problem, refused.reason)
                return response(environ, start_response)
            except CannotStore:
                return self._refuse(route.provider, problems.CANNOT_STORE)(environ, start_response)
            except Exception as error:
                log.exception("web.failed", path=environ["PATH_INFO"], error=type(error).__name__)
                return problems.FAILED.response()(environ, start_response)
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
            return [answer]

        return application

    def _receive(self, route: Route, environ: WSGIEnvironment) -> bytes:
        """Check and store one request; what to answer it. Raises: _Refused, CannotStore."""
        stored = self._writer.write(self._check(route, environ))
        self._counters[route.provider, stored.duplicate].inc()
        return _ANSWERS[stored.duplicate]

    def _refuse(self, provider: str, problem: problems.Problem, reason: str | None = None) -> Response:
        reason = reason or problem.name.replace("-", "_")
        self._metrics.refusals.labels(provider, reason).inc()
        log.info("webhook.refused", provider=provider, reason=reason, status=problem.status)
        return problem.response()

    def _check(self, route: Route, environ: WSGIEnvironment) -> Arrival:
        """The checks, in the order that is promised outside: a request wrong in two ways fails by the earlier."""
        if environ["REQUEST_METHOD"].upper() != "POST":
            raise _Refused(problems.POST_ONLY)
        body = self._read(environ)
        if not _is_json(environ.get("CONTENT_TYPE", "")):
            raise _Refused(problems.NOT_JSON_TYPE)
        headers = _Headers(environ)
        if isinstance(route, Receiving):
            matched = self._verify(route, headers, body)
        else:
            proved = self._prove(route, environ, headers, body)
            matched, body = proved.key, proved.body
        try:
            name = route.name(body, parse_object(body))
        except NotAnObject:
            raise _Refused(problems.NOT_AN_OBJECT) from None
        if self._limit is not None and not self._limiter.hit(self._limit, self._peer(environ) or "unknown"):
            raise _Refused(problems.TOO_MANY)
        return Arrival(
            provider=route.provider,
            event_id=name.id,
            route=environ["PATH_INFO"],
            type=name.type,
            source="webhook",
            body=body,
            # Postgres stores every letter but NUL, and an event is not lost over a header.
            headers={
                key: text.replace("\0", "?") for key in route.kept_headers if (text := headers.get(key)) is not None
            },
            matched_key=matched.fingerprint,
        )

    def _read(self, environ: WSGIEnvironment) -> bytes:
        try:
            return self._bodies.read(environ)
        except TooLarge:
            raise _Refused(problems.TOO_LARGE) from None
        except CutShort:
            raise _Refused(problems.CUT_SHORT) from None

    def _verify(self, route: Receiving, headers: _Headers, body: bytes) -> MatchedKey:
        try:
            return route.verify(body, headers, self._now())
        except SignatureRefused as error:
            raise _unproved(error) from None
        except StaleTimestamp:
            raise _Refused(problems.STALE) from None

    def _prove(self, route: ProofWithin, environ: WSGIEnvironment, headers: _Headers, body: bytes) -> Proved:
        try:
            return route.prove(body, headers, self._peer(environ), self._now())
        except SourceRefused:
            raise _Refused(problems.SOURCE_REFUSED) from None
        except WrongShape:
            raise _Refused(problems.NOT_AN_OBJECT) from None
        except SignatureRefused as error:
            raise _unproved(error) from None

    def _peer(self, environ: WSGIEnvironment) -> str | None:
        return peer_of(environ.get("REMOTE_ADDR"), environ.get("HTTP_X_FORWARDED_FOR"), self._proxies)


def _unproved(error: SignatureRefused) -> _Refused:
    problem = problems.NO_SIGNATURE if isinstance(error, SignatureMissing) else problems.BAD_SIGNATURE
    return _Refused(problem, error.reason)


def _is_json(content_type: str) -> bool:
    """No type at all passes."""
    if content_type in {"", "application/json"}:
        return True
    kind = parse_options_header(content_type)[0].lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
