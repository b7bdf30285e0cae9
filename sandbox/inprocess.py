"""Calling a provider's app without a socket, as a simulation with its own clock does."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.faults import SocketFault

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@dataclass(frozen=True)
class Reply:
    """What the app answered. With `fault` set the caller acts that out: some or all of the answer never arrives."""

    status: int
    headers: dict[str, str]
    body: bytes
    fault: SocketFault | None


def call(
    app: WSGIApplication,
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Reply:
    """One request to `target` ("/v1/journals?limit=5"). A stream ends as soon as it would have to wait."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "sandbox.instant": True,
    }
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, given: list[tuple[str, str]], _: Any = None, /) -> Any:
        started.append((status, given))
        return lambda _: None

    pieces = app(environ, start_response)
    try:
        whole = b"".join(pieces)
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
    status, given = started[-1]
    return Reply(int(status.split()[0]), dict(given), whole, environ.get("sandbox.fault"))
