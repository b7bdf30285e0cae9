"""A small HTTP/1.1 server for WSGI apps that can also misbehave on the socket.

Ordinary servers hide the connection from the app. Here an answer can be lost, dripped or never come: the app leaves a
`SocketFault` in `environ["sandbox.fault"]` and this server acts it out.
"""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sandbox.faults import SocketFault

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_HEAD_LIMIT = 64 * 1024
_BODY_LIMIT = 4 * 1024 * 1024
_IDLE_SECONDS = 120.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time: the peer sees a reset, not an end


class _Malformed(Exception):
    """The peer does not speak HTTP/1."""


class HttpServer:
    """Serves one app on 127.0.0.1, a thread a connection, with keep-alive. `port` 0 asks the system for one."""

    def __init__(self, app: WSGIApplication, port: int = 0) -> None:
        self._app = app
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind(("127.0.0.1", port))
        except OSError:
            self._listener.close()
            raise
        self._listener.listen(1024)
        self.port: int = self._listener.getsockname()[1]
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._acceptor = threading.Thread(target=self._accept, name=f"sandbox-accept-{self.port}", daemon=True)

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to accept."""
        self._acceptor.start()

    def stop(self) -> None:
        """Stop accepting, end every connection, and give the port back."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._acceptor.is_alive():
            self._acceptor.join(timeout=2)
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_IDLE_SECONDS)
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._converse, args=(connection,), name="sandbox-http", daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        incoming = connection.makefile("rb")
        try:
            while not self.stopping.is_set() and _Exchange(self, connection, incoming, self._app).run():
                pass
        except (OSError, _Malformed):
            pass  # the peer went away or speaks something else: nobody is left to tell
        finally:
            with self._lock:
                self._open.discard(connection)
            with contextlib.suppress(OSError):
                incoming.close()  # it holds the descriptor open as much as the connection does
                connection.close()


class _Exchange:
    """One request and its answer."""

    def __init__(self, server: HttpServer, connection: socket.socket, incoming: Any, app: WSGIApplication) -> None:
        self._server = server
        self._connection = connection
        self._incoming = incoming
        self._app = app
        self._status = "500 INTERNAL SERVER ERROR"
        self._headers: list[tuple[str, str]] = []

    def run(self) -> bool:
        """Whether the connection may carry another one."""
        try:
            environ = self._read()
        except ValueError as error:  # a length, a chunk or an escape that is no number
            raise _Malformed from error
        if environ is None:
            return False
        body: Iterable[bytes] = self._app(environ, self._start_response)
        fault = environ.get("sandbox.fault")
        try:
            keep = environ["SERVER_PROTOCOL"] == "HTTP/1.1" and environ.get("HTTP_CONNECTION", "").lower() != "close"
            if isinstance(fault, SocketFault) and not self._play(fault, body):
                return False
            return self._send(body, head_only=environ["REQUEST_METHOD"] == "HEAD", keep=keep) and keep
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def _read(self) -> dict[str, Any] | None:
        line = self._incoming.readline(_HEAD_LIMIT)
        if not line.strip():
            return None
        parts = line.decode("latin-1").split()
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, target, version
            raise _Malformed
        method, target, protocol = parts
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": _unquoted(path),
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self._server.port),
            "SERVER_PROTOCOL": protocol,
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "sandbox.stopping": self._server.stopping,
        }
        self._read_headers(environ)
        if environ.get("HTTP_EXPECT", "").lower() == "100-continue":
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._read_body(environ)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body)
        return environ

    def _read_headers(self, environ: dict[str, Any]) -> None:
        total = 0
        while (line := self._incoming.readline(_HEAD_LIMIT)) not in {b"\r\n", b"\n"}:
            total += len(line)
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or total > _HEAD_LIMIT:
                raise _Malformed
            key = name.strip().upper().replace("-", "_")
            environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value.strip()

    def _read_body(self, environ: dict[str, Any]) -> bytes:
        # Unpacked here, so the app must not hear of it: it would look for an end that is gone.
        if "chunked" not in environ.pop("HTTP_TRANSFER_ENCODING", "").lower():
            length = int(environ.get("CONTENT_LENGTH") or 0)
            if not 0 <= length <= _BODY_LIMIT:
                raise _Malformed
            return bytes(self._incoming.read(length))
        body = b""
        while size := int(self._incoming.readline(_HEAD_LIMIT).split(b";")[0], 16):
            body += self._incoming.read(size)
            self._incoming.readline(_HEAD_LIMIT)
            if len(body) > _BODY_LIMIT:
                raise _Malformed
        while self._incoming.readline(_HEAD_LIMIT).strip():
            pass
        return body

    def _start_response(self, status: str, headers: list[tuple[str, str]], _: Any = None, /) -> Any:
        self._status, self._headers = status, headers
        return lambda _: None

    def _play(self, fault: SocketFault, body: Iterable[bytes]) -> bool:
        """Act a fault out; True if the answer should still be sent as usual."""
        if fault.kind == "slow":
            return not self._server.stopping.wait(fault.seconds)
        if fault.kind in {"hang", "hang_before"}:
            self._server.stopping.wait(fault.seconds)
        elif fault.kind == "drip":
            whole = any(name.lower() == "content-length" for name, _ in self._headers)  # a stream would never end
            self._drip(self._head(keep=False, length=None) + (b"".join(body) if whole else b""), fault.seconds)
        elif fault.kind == "reset_before":
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        return False

    def _drip(self, answer: bytes, seconds: float) -> None:
        """A byte at a time, evenly over the seconds: each comes well within any timeout for a single read."""
        pause = seconds / max(len(answer), 1)
        for place in range(len(answer)):
            if self._server.stopping.wait(pause):
                return
            self._connection.sendall(answer[place : place + 1])

    def _head(self, *, keep: bool, length: int | None, chunked: bool = False) -> bytes:
        lines = [f"HTTP/1.1 {self._status}"]
        lines += [f"{name}: {value}" for name, value in self._headers]
        names = {name.lower() for name, _ in self._headers}
        if length is not None and "content-length" not in names and not self._status.startswith("204"):
            lines.append(f"Content-Length: {length}")
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        lines.append(f"Connection: {'keep-alive' if keep else 'close'}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _send(self, body: Iterable[bytes], *, head_only: bool, keep: bool) -> bool:
        names = {name.lower() for name, _ in self._headers}
        if head_only or "content-length" in names or self._status.startswith("204"):
            whole = b"" if head_only else b"".join(body)
            self._connection.sendall(self._head(keep=keep, length=len(whole)) + whole)
            return True
        self._connection.sendall(self._head(keep=keep, length=None, chunked=True))
        for piece in body:
            if piece:
                self._connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self._connection.sendall(b"0\r\n\r\n")
        return True


def _unquoted(path: str) -> str:
    """A path as WSGI wants it: percent-decoded bytes, each as one character."""
    if "%" not in path:
        return path
    pieces = path.encode("latin-1").split(b"%")
    decoded = pieces[0]
    for piece in pieces[1:]:
        decoded += bytes([int(piece[:2], 16)]) + piece[2:]
    return decoded.decode("latin-1")
