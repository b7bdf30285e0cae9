"""A server that does exactly what a test tells it to do with each connection."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

Behave = Callable[[socket.socket, threading.Event], None]


class OddServer:
    """Accepts on loopback and hands each connection to `behave(connection, stopping)`, in a thread of its own."""

    def __init__(self, behave: Behave) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.stopping = threading.Event()
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._behave(connection, self.stopping)


def read_request(connection: socket.socket) -> bytes:
    """One whole request, headers and body; empty when the peer has gone."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = connection.recv(65536)
        if not more:
            return b""
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(status: str = "200 OK", body: bytes = b"{}", headers: dict[str, str] | None = None) -> bytes:
    """The bytes of an answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def always(reply: bytes) -> Behave:
    """The same answer to every request, keeping the connection."""

    def behave(connection: socket.socket, stopping: threading.Event) -> None:
        while not stopping.is_set() and read_request(connection):
            connection.sendall(reply)

    return behave


def drip(reply: bytes, pause: float) -> Behave:
    """The answer, a byte at a time."""

    def behave(connection: socket.socket, stopping: threading.Event) -> None:
        read_request(connection)
        for place in range(len(reply)):
            if stopping.wait(pause):
                return
            connection.sendall(reply[place : place + 1])

    return behave


def hang(connection: socket.socket, stopping: threading.Event) -> None:
    """Reads the request and never answers."""
    read_request(connection)
    stopping.wait()
