"""A receiver of our notifications that answers as it is told, and remembers what came."""

import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Reply:
    """What to answer: a status, headers and body, or raw bytes sent one by one every `drip` seconds."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    drip: tuple[bytes, float] | None = None
    announce: int | None = None  # a Content-Length other than the body's


class Hooks:
    """Listens on loopback until the block is left. `tls`: speaks TLS, and `server_names` notes what was asked for."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.replies: list[Reply] = []
        self.server_names: list[str | None] = []
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hooks = self
        if tls is not None:
            tls.sni_callback = lambda _sock, name, _context: self.server_names.append(name)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.port: int = self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?team=1"

    def next_reply(self) -> Reply:
        return self.replies.pop(0) if self.replies else Reply()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hooks: Hooks


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.hooks.received.append(Received(self.path, dict(self.headers.items()), body))
        reply = self.server.hooks.next_reply()
        self.close_connection = True
        if reply.drip:
            self._drip(*reply.drip)
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body) if reply.announce is None else reply.announce))
        self.end_headers()
        self.wfile.write(reply.body)

    def _drip(self, data: bytes, every: float) -> None:
        for byte in data:
            if self.server.hooks.closing.wait(every):
                return
            self.wfile.write(bytes([byte]))

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(OSError):  # a client that gives up, or refuses our certificate
            super().handle()
