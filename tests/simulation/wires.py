"""The providers' sockets, replaced: requests go to the sandbox's app, faults are acted out in virtual time."""

import io
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from sandbox.inprocess import Reply, call
from tests.simulation.clock import Boundary, Clock

DEADLINE = timedelta(seconds=20)
SIGN_INS = frozenset({"/oauth/token", "/auth/signin", "/auth/refresh-access-token"})  # posted, and nothing comes of it
Delay = Callable[[str, Callable[[], object]], bool]  # (method, what it asks for): whether that is done later
Spoil = Callable[[str, bytes], bytes]  # (path, body) to the body that arrives


class SandboxWire(BaseAdapter):
    """Answers a provider's requests out of the sandbox, in this process."""

    def __init__(
        self,
        app: Any,
        clock: Clock,
        boundary: Boundary,
        spoil: Spoil = lambda _path, body: body,
        *,
        sends: Boundary = lambda _method: None,
        delays: Delay = lambda _method, _act: False,
    ) -> None:
        super().__init__()
        self._sends = sends
        self._delays = delays
        self._spoil = spoil
        self._app = app
        self._clock = clock
        self._boundary = boundary
        self._build = HTTPAdapter()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 -- the shape requests gives
        timeout: Any = None,
        verify: Any = True,  # noqa: FBT002 -- the same
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        method, body = request.method or "GET", request.body or b""
        signs_in = request.path_url in SIGN_INS
        if not signs_in:
            self._sends(method)
        self._boundary(f"{method} sending")

        def ask() -> Reply:
            return call(
                self._app,
                method,
                request.path_url,
                {name: str(value) for name, value in request.headers.items()},
                body.encode() if isinstance(body, str) else body,
            )

        if not signs_in and self._delays(method, ask):
            self._clock.advance(DEADLINE)
            raise requests.ReadTimeout("no answer within the deadline")
        reply = ask()
        self._boundary(f"{method} answered")
        if reply.fault is not None:
            self._act_out(reply.fault.kind, timedelta(seconds=reply.fault.seconds))
        raw = HTTPResponse(
            body=io.BytesIO(self._spoil(request.path_url, reply.body)),
            headers=reply.headers,
            status=reply.status,
            preload_content=False,
        )
        return self._build.build_response(request, raw)

    def close(self) -> None:
        self._build.close()

    def _act_out(self, kind: str, length: timedelta) -> None:
        if kind in {"lost", "reset_before"}:
            raise requests.ConnectionError("the connection was closed without an answer")
        self._clock.advance(min(length, DEADLINE))
        if kind in {"hang", "hang_before"} or length >= DEADLINE:
            raise requests.ReadTimeout("no answer within the deadline")
