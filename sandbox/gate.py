"""What stands before each provider's app: the lock, the clock, the rate limit, the log of requests and the faults."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.faults import AFTER, BEFORE, SocketFault
from sandbox.times import rfc3339

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from sandbox.world import World

_MINUTE = 60
_SOCKET_KINDS = {"reply_lost": "lost", "slow_reply": "slow", "dripping_reply": "drip"}
_REASONS = {429: "TOO MANY REQUESTS", 500: "INTERNAL SERVER ERROR", 503: "SERVICE UNAVAILABLE"}
_BODY_LIMIT = 4 * 1024 * 1024


@dataclass
class RateLimit:
    """So many requests in each whole minute; None: as many as you like."""

    limit: int | None
    window: int = 0
    used: int = 0

    def spend(self, now: datetime) -> bool:
        """Count a request; False if it is one too many."""
        window = int(now.timestamp()) // _MINUTE
        if window != self.window:
            self.window, self.used = window, 0
        self.used += 1
        return self.limit is None or self.used <= self.limit

    def headers(self) -> dict[str, str]:
        """X-RateLimit-Limit, -Remaining and -Reset (unix seconds)."""
        if self.limit is None:
            return {}
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(self.limit - self.used, 0)),
            "X-RateLimit-Reset": str((self.window + 1) * _MINUTE),
        }


@dataclass
class Answer:
    """A finished answer, not yet on its way."""

    status: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes]


class Gate:
    """WSGI middleware around one provider's app.

    A fault of the socket is left in `environ["sandbox.fault"]` as a `SocketFault`; whoever called acts it out.
    `error_body(status, message)` writes an error in the provider's shape. `keep_for_key(environ, status, body)` makes
    an error what the request's idempotency key is answered from now on, where the provider remembers such answers.
    """

    def __init__(
        self,
        app: WSGIApplication,
        world: World,
        provider: str,
        rate: RateLimit,
        error_body: Callable[[int, str], dict[str, Any]],
        keep_for_key: Callable[[WSGIEnvironment, int, dict[str, Any]], None] | None = None,
    ) -> None:
        self._app = app
        self._world = world
        self._provider = provider
        self._rate = rate
        self._error_body = error_body
        self._keep_for_key = keep_for_key

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, under the world's lock (a stream's frames are read later, outside it)."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/")
        route = f"{method} {path.rstrip('/') or '/'}"
        length = min(int(environ.get("CONTENT_LENGTH") or 0), _BODY_LIMIT)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))  # a slow sender holds no lock
        with self._world.lock:
            self._world.tick()
            answer, fault = self._answer(environ, route)
            if self._provider != "control":
                self._log(environ, int(answer.status.split()[0]), fault)
        start_response(answer.status, answer.headers)
        return answer.body

    def _log(self, environ: WSGIEnvironment, status: int, fault: str | None) -> None:
        query = environ.get("QUERY_STRING")
        path = environ.get("PATH_INFO", "/")
        self._world.requests.append(
            {
                "at": rfc3339(self._world.now(), 6),
                "provider": self._provider,
                "method": environ["REQUEST_METHOD"],
                "path": f"{path}?{query}" if query else path,
                "status": status,
                "fault": fault,
            }
        )

    def _answer(self, environ: WSGIEnvironment, route: str) -> tuple[Answer, str | None]:
        if not self._rate.spend(self._world.clock()):
            return self._refusal(429, {"Retry-After": str(self._seconds_left())}), None
        for name in ("hanging_socket", *BEFORE):
            # A hang strikes before or after the effect, as its own parameters say: drawn once, here.
            drawn = self._world.faults.take(name, self._provider, route)
            if drawn is None:
                continue
            if name == "hanging_socket" and drawn.get("effect", True):
                answer = self._run(environ)
                environ["sandbox.fault"] = SocketFault("hang", float(drawn.get("seconds", 60)))
                return answer, name
            return self._before(environ, name, drawn), name
        answer = self._run(environ)
        for name in AFTER:
            drawn = self._world.faults.take(name, self._provider, route)
            if drawn is not None:
                return self._after(environ, answer, name, drawn), name
        return answer, None

    def _before(self, environ: WSGIEnvironment, name: str, drawn: Mapping[str, Any]) -> Answer:
        """The answer in place of any effect."""
        if name == "hanging_socket":
            environ["sandbox.fault"] = SocketFault("hang_before", float(drawn.get("seconds", 60)))
            return self._refusal(503)
        if name == "reset_before":
            environ["sandbox.fault"] = SocketFault("reset_before")
            return self._refusal(503)
        if name == "throttled":
            wait = int(drawn.get("seconds", 1))
            reset = {"X-RateLimit-Reset": str(int(self._world.clock().timestamp()) + wait)}
            return self._refusal(429, {"Retry-After": str(wait)} | (reset if self._rate.limit else {}))
        if name == "throttled_bare":
            return self._refusal(429, limits=False)
        status = 503 if name == "unavailable" else 500
        if drawn.get("cached"):
            self._poison(environ, status)
        return self._refusal(status)

    def _after(self, environ: WSGIEnvironment, answer: Answer, name: str, drawn: Mapping[str, Any]) -> Answer:
        """The answer once the effect is done."""
        if name == "server_error_after":
            if drawn.get("cached"):
                self._poison(environ, 500)
            return self._refusal(500)
        environ["sandbox.fault"] = SocketFault(_SOCKET_KINDS[name], float(drawn.get("seconds", 5)))
        return answer

    def _run(self, environ: WSGIEnvironment) -> Answer:
        caught: list[tuple[str, list[tuple[str, str]]]] = []

        def catch(status: str, headers: list[tuple[str, str]], _: Any = None, /) -> Callable[[bytes], object]:
            caught.append((status, headers))
            return lambda _: None

        body = self._app(environ, catch)
        status, headers = caught[-1]
        return Answer(status, [*headers, *self._rate.headers().items()], body)

    def _refusal(self, status: int, headers: dict[str, str] | None = None, *, limits: bool = True) -> Answer:
        body = json.dumps(self._error_body(status, _REASONS[status].lower())).encode()
        every = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(self._rate.headers() if limits else {}),
            **(headers or {}),
        }
        return Answer(f"{status} {_REASONS[status]}", list(every.items()), [body])

    def _poison(self, environ: WSGIEnvironment, status: int) -> None:
        """Let the error be the answer that this request's idempotency key gets from now on."""
        if self._keep_for_key is not None and environ.get("HTTP_IDEMPOTENCY_KEY"):
            self._keep_for_key(environ, status, self._error_body(status, _REASONS[status].lower()))

    def _seconds_left(self) -> int:
        return (self._rate.window + 1) * _MINUTE - int(self._world.clock().timestamp())
