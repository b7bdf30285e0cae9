"""The sockets under a call: known to it from the first moment, so that they can be cut, and told when bytes leave."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

Ask = Callable[[], None]

_current = threading.local()
_handles = threading.Lock()  # a number closed by one thread and given out again must not be shut down by another


class Handle:
    """A second hold on a socket, by which it can be cut. Shared by a connection and the call it carries.

    The last to leave closes it: the connection may be closed while its answer is still being read.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock.dup()
        self._users = 1

    def share(self) -> "Handle":
        """For one user more."""
        with _handles:
            self._users += 1
        return self

    def leave(self) -> None:
        """One user needs it no more."""
        with _handles:
            self._users -= 1
            if self._users == 0:
                self._socket.close()

    def shut_down(self) -> None:
        """End the connection, for all its users."""
        with _handles, suppress(OSError):  # not connected yet, or closed already: then there is nothing to end
            self._socket.shutdown(socket.SHUT_RDWR)


class Wire:
    """One call as its sockets see it.

    `sent` is true from the moment the first byte may have left. `late` is true once it has been cut,
    for its deadline or by `Stream.close`.
    """

    def __init__(self, *, ask: Ask, until: float) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._handle: Handle | None = None
        self.until = until  # on the monotonic clock
        self.sent = False
        self.late = False
        self.finished = False
        self.watched = False

    def left(self) -> float:
        """Seconds until the deadline, never below a millisecond (zero would mean "do not wait" to a socket)."""
        return max(self.until - time.monotonic(), 0.001)

    def hold(self, handle: Handle) -> None:
        """This socket now carries the call. One that comes after the cut is cut at once."""
        with self._lock:
            before, self._handle = self._handle, handle.share()
            if self.late:
                handle.shut_down()
        if before is not None:
            before.leave()

    def finish(self) -> None:
        """The call is over: nothing is cut any more."""
        with self._lock:
            self.finished = True
            handle, self._handle = self._handle, None
        if handle is not None:
            handle.leave()

    def leaving(self) -> None:
        """Bytes are about to leave: ask once for each request. Raises: whatever the check raises; nothing was sent."""
        self._ask()
        self.sent = True

    def cut(self) -> None:
        """End the call now, from any thread: whoever reads or writes its socket sees the end of it."""
        with self._lock:
            if self.finished:
                return
            self.late = True
            if self._handle is not None:
                self._handle.shut_down()  # before the lock is free: after `finish` another call may use the connection


@contextmanager
def carrying(wire: Wire) -> Iterator[None]:
    """Within the block, connections used by this thread belong to `wire`."""
    _current.wire = wire
    try:
        yield
    finally:
        _current.wire = None


class _Tracked(HTTPConnection):
    """A connection that tells the wire it carries which socket it uses and when it sends."""

    _handle: Handle | None = None
    _asked = False

    def _new_conn(self) -> socket.socket:
        wire: Wire | None = getattr(_current, "wire", None)
        if wire is None:
            return super()._new_conn()
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in self._addresses(wire):
            sock = socket.socket(family, kind, protocol)
            # A handle of our own on the same connection: TLS takes the first one over, in the middle of its handshake.
            handle = Handle(sock)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(wire.left())
                sock.connect(address)
            except OSError as error:
                failure = error
                sock.close()
                handle.leave()
                continue
            self._handle = handle
            wire.hold(handle)
            return sock
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "no connection in time") from failure
        raise NewConnectionError(self, "no connection") from failure

    def _addresses(self, wire: Wire) -> list[Any]:
        """Look the name up within the deadline: the system's resolver knows none, so a thread waits for it."""
        answers: list[Any] = []
        failures: list[OSError] = []

        def look_up() -> None:
            try:
                answers.extend(socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM))
            except OSError as error:
                failures.append(error)

        if is_address(self._dns_host):
            look_up()
        else:
            resolver = threading.Thread(target=look_up, name="resolver", daemon=True)
            resolver.start()
            resolver.join(wire.left())
        if failures:
            raise NameResolutionError(self.host, self, socket.gaierror(*failures[0].args)) from failures[0]
        if not answers:
            raise ConnectTimeoutError(self, "the name was not resolved in time")
        return answers

    def request(self, *args: Any, **kwargs: Any) -> None:
        """A new request on this connection: the check is asked again before its first byte."""
        self._asked = False
        wire: Wire | None = getattr(_current, "wire", None)
        if wire is not None and self._handle is not None:
            wire.hold(self._handle)
        super().request(*args, **kwargs)

    def send(self, data: Any) -> None:
        """Connect if that has not happened yet, ask, and only then let bytes go."""
        wire: Wire | None = getattr(_current, "wire", None)
        if self.sock is None:
            self.connect()
        if wire is not None and not self._asked:
            wire.leaving()
            self._asked = True
        super().send(data)

    def close(self) -> None:
        """Close the connection and our handle on it."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.leave()
        super().close()


class _TrackedPlain(_Tracked):
    """Over plain TCP, for loopback."""


class _TrackedTls(_Tracked, HTTPSConnection):
    """Over TLS."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _TrackedPlain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TrackedTls


class TrackedAdapter(HTTPAdapter):
    """requests' transport over tracked connections: no retries, and a pool as large as there are threads.

    A client speaks to one host, directly, and keeps no cookies: what requests finds out anew for each request about
    the host's pool, proxies and cookies, a third of its CPU, is found once or left out.
    """

    def __init__(self, *, threads: int) -> None:
        super().__init__(pool_connections=2, pool_maxsize=threads, max_retries=0, pool_block=False)
        self._pools: dict[str, ConnectionPool] = {}

    def get_connection_with_tls_context(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        """The pool of the request's host."""
        host = "/".join((request.url or "").split("/", 3)[:3])
        pool = self._pools.get(host)
        if pool is None:
            pool = self._pools[host] = super().get_connection_with_tls_context(request, *args, **kwargs)
        return pool

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:  # noqa: ARG002 -- no proxy is ever used
        """What stands in the request line."""
        return "/" + (request.url or "").split("/", 3)[3]

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """The answer, its body still to be read."""
        response = Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        response.url = req.url or ""
        response.request = req
        return response

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool, of our connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


def is_address(host: str) -> bool:
    """Whether a host is written as an address, so that no name has to be looked up."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host.strip("[]"))
            return True
    return False
