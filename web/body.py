"""Reads a request's body, whole and within its limits, and cuts off senders that never finish one.

The server under us reads a body only as it comes, in the request's own thread, and knows no deadline: as many senders
as there are threads, each sending a byte now and then, would close the door to everybody. So a watch looks once a
second at the reads under way. One that has lasted too long is ended by closing its connection underneath it.
"""

import os
import socket
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from wsgiref.types import WSGIEnvironment

import structlog
from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

MOST_BYTES: Final = 262_144
PATIENCE: Final = timedelta(seconds=10)
HURRIED: Final = timedelta(seconds=2)  # once half of the threads wait for bodies
_LOOK_EVERY_S: Final = 1.0
_OPEN_FILES: Final = Path("/dev/fd")
_LONG_NUMBER: Final = 10  # digits of a length that nobody would send

log = structlog.get_logger()


class TooLarge(Exception):
    """More bytes than are taken, by the length claimed or by those that came."""


class CutShort(Exception):
    """The body ended before its length, its connection broke, or it came too slowly."""


@dataclass(eq=False, slots=True)
class _Read:
    """A read under way: since when, and whose."""

    began: float
    sender: str
    port: int
    cut: bool = False


class BodyReader:
    """Reads bodies for a process of so many request threads: within `patience`, or `hurried` when half of them wait."""

    def __init__(self, threads: int = 32, *, patience: timedelta = PATIENCE, hurried: timedelta = HURRIED) -> None:
        self._crowd = max(threads // 2, 1)
        self._patience_s = patience.total_seconds()
        self._hurried_s = hurried.total_seconds()
        self._under_way: set[_Read] = set()
        self._watch: threading.Thread | None = None
        self._starting = threading.Lock()

    def read(self, environ: WSGIEnvironment) -> bytes:
        """The raw body, chunked or not. Raises: TooLarge, CutShort."""
        mine = _Read(time.monotonic(), environ.get("REMOTE_ADDR", ""), int(environ.get("SERVER_PORT") or 0))
        if self._watch is None:
            self._start()
        self._under_way.add(mine)
        try:
            body = _read(environ)
        finally:
            self._under_way.discard(mine)
        if mine.cut:
            raise CutShort
        return body

    def _start(self) -> None:
        """With the first body, in whichever process that is."""
        with self._starting:
            if self._watch is None:
                self._watch = threading.Thread(target=self._look, name="slow-bodies", daemon=True)
                self._watch.start()

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_S)
            reads = list(self._under_way)  # one step of the interpreter: nobody adds in between
            patience = self._hurried_s if len(reads) >= self._crowd else self._patience_s
            now = time.monotonic()
            slow = [read for read in reads if now - read.began > patience]
            if slow:
                for read in slow:
                    read.cut = True
                closed = cut_off({(read.sender, read.port) for read in slow})
                log.warning("webhook.slow_bodies_cut", bodies=len(slow), connections=closed)


def _read(environ: WSGIEnvironment) -> bytes:
    """It stops reading one byte past the limit, whatever the length claimed."""
    claimed = environ.get("CONTENT_LENGTH", "")
    if not (claimed.isascii() and claimed.isdigit()) or "HTTP_TRANSFER_ENCODING" in environ:
        return _read_unmeasured(Request(environ))
    length = int(claimed) if len(claimed) < _LONG_NUMBER else MOST_BYTES + 1
    if length > MOST_BYTES:
        raise TooLarge
    try:
        body: bytes = environ["wsgi.input"].read(length)
        while len(body) < length and (more := environ["wsgi.input"].read(length - len(body))):
            body += more
    except OSError:
        raise CutShort from None
    if len(body) < length:
        raise CutShort
    return body


def _read_unmeasured(request: Request) -> bytes:
    """The body of a request whose length is not told, or not plainly: chunked, most likely."""
    claimed = request.content_length
    try:
        if (claimed or 0) > MOST_BYTES:
            raise TooLarge
        request.max_content_length = MOST_BYTES + 1
        body = request.stream.read()
    except RequestEntityTooLarge:
        raise TooLarge from None
    except (ClientDisconnected, OSError):
        raise CutShort from None
    if len(body) > MOST_BYTES:
        raise TooLarge
    if claimed is not None and len(body) < claimed:
        raise CutShort
    return body


def cut_off(senders: Collection[tuple[str, int]]) -> int:
    """Close every connection from these addresses to these ports of ours; how many that were.

    The server does not say which connection a request came by. So the others of the same address go too: their
    senders open new ones, and what was not answered they send again.
    """
    closed = 0
    for sock in _sockets():
        with closing(sock), suppress(OSError, IndexError, TypeError):
            if (sock.getpeername()[0], sock.getsockname()[1]) in senders:
                sock.shutdown(socket.SHUT_RDWR)
                closed += 1
    return closed


def _sockets() -> Iterator[socket.socket]:
    """Each open socket of this process, by a handle of our own."""
    for path in _OPEN_FILES.iterdir():
        with suppress(OSError, ValueError):
            handle = os.dup(int(path.name))
            try:
                sock = socket.socket(fileno=handle)
            except OSError:
                os.close(handle)
                continue
            yield sock
