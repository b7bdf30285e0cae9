"""The outermost layer of Stripe: headers of every answer, and what a slow answer does to its key."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sandbox.faults import SocketFault

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from sandbox.world import World

_RUNNING = frozenset({"slow", "drip", "hang"})  # faults whose request still runs while its caller has given up
_TOO_MANY = "429"


class Edge:
    """WSGI middleware around the gate.

    Refusals of the gate get a Request-Id as everything else does. Its 429 that tells when to come back says so in
    Stripe's way too (`Stripe-Should-Retry`); the bare one says nothing. While an answer is slow, its idempotency key
    is in use.
    """

    def __init__(self, app: WSGIApplication, world: World) -> None:
        self._app = app
        self._world = world

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""

        def start(status: str, headers: list[tuple[str, str]], exc: Any = None, /) -> Callable[[bytes], object]:
            return start_response(status, self._completed(status, headers), exc)

        body = self._app(environ, start)
        fault, key = environ.get("sandbox.fault"), environ.get("HTTP_IDEMPOTENCY_KEY")
        if isinstance(fault, SocketFault) and fault.kind in _RUNNING and key and environ["REQUEST_METHOD"] == "POST":
            with self._world.lock:
                self._world.stripe.keys.hold(key, fault.seconds)
        return body

    def _completed(self, status: str, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        names = {name.lower() for name, _ in headers}
        if "request-id" in names:
            return headers
        with self._world.lock:
            more = [("Request-Id", self._world.ids.prefixed("req"))]
        if status.startswith(_TOO_MANY) and "retry-after" in names:
            more += [("Stripe-Should-Retry", "true"), ("Stripe-Rate-Limited-Reason", "global-rate")]
        return [*headers, *more]
