"""One guarded POST to a URL somebody configured: to the address that was checked, and within one deadline.

The name is resolved here, every answer is judged, and the connection goes to one of the very addresses judged; TLS
and the Host header keep the name. A second look-up could answer otherwise (DNS rebinding), so there is none.
No redirect is followed, no proxy or other setting of the environment is read, no cookie is kept, nothing is retried.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Final, Protocol

from requests.structures import CaseInsensitiveDict

from providers.addresses import Refused, Target, read_url, why_refused
from providers.answers import Answer
from providers.transport import Handle, Wire, is_address
from providers.watchdog import Watchdog

DEADLINE: Final = timedelta(seconds=15)  # for all of it: name, connection, TLS, request and the whole answer
LARGEST_ANSWER: Final = 64 * 1024  # bytes; of a longer one the rest is not read
LATE: Final = "no whole answer within the deadline"
_BROKEN = (OSError, http.client.HTTPException, ValueError)


class NoAnswer(Exception):
    """The request got no whole answer; whether it arrived is not known. The message holds no URL and no address."""


class Resolve(Protocol):
    """What turns a host into addresses, as texts; the system's resolver unless a test says otherwise."""

    def __call__(self, host: str, port: int) -> Sequence[str]:
        """Every address of the host. Raises: OSError."""
        ...


def system_resolve(host: str, port: int) -> list[str]:
    """Every address the system knows for a host, each once, in the system's order. Raises: OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def open_socket(address: str, port: int, seconds: float) -> socket.socket:
    """A connected TCP socket to an address that needs no look-up. Raises: OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect((address, port))
    except OSError:
        sock.close()
        raise
    return sock


class Outgoing:
    """Sends guarded requests, from many threads. `resolve`, `connect` and `tls` are replaced by tests only."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        deadline: timedelta = DEADLINE,
        resolve: Resolve = system_resolve,
        connect: Callable[[str, int, float], socket.socket] = open_socket,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._deadline = deadline
        self._resolve = resolve
        self._connect = connect
        self._tls = tls or ssl.create_default_context()
        self._watchdog = Watchdog()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send `body` and read the answer, of whatever status; its body is cut after 64 KiB.

        Raises: Refused: the URL or where it leads is not allowed; nothing was sent. NoAnswer: no connection, no
        answer in time, or one cut short.
        """
        target = read_url(url, allow_private=self._allow_private)
        wire = Wire(ask=lambda: None, until=time.monotonic() + self._deadline.total_seconds())
        with self._watchdog.watch(wire, seconds=wire.left()):
            addresses = self._checked(target, wire)
            sock, handle = self._reach(addresses, target, wire)
            try:
                wire.hold(handle)
                answer = _exchange(sock, self._tls, target, body, headers)
            except _BROKEN as error:
                raise NoAnswer(_why(error, wire)) from None
            finally:
                wire.finish()
                sock.close()
                handle.leave()
            if wire.late:  # an answer without a length ends where we cut it, and looks whole
                raise NoAnswer(LATE)
            return answer

    def close(self) -> None:
        """End the deadlines' thread."""
        self._watchdog.close()

    def _checked(self, target: Target, wire: Wire) -> Sequence[str]:
        """The addresses of the target, each found fit. Raises: Refused, NoAnswer."""
        addresses = self._looked_up(target, wire)
        if not self._allow_private:
            for address in addresses:
                if reason := why_refused(address):
                    raise Refused(f"the host leads to an address that is not public: {reason}")
        return addresses

    def _looked_up(self, target: Target, wire: Wire) -> Sequence[str]:
        """Resolve within the deadline. The system's resolver knows none, so a thread waits for it."""
        found: list[str] = []
        failed: list[Exception] = []

        def look_up() -> None:
            try:
                found.extend(self._resolve(target.host, target.port))
            except (OSError, UnicodeError) as error:  # UnicodeError: a label too long for a name
                failed.append(error)

        if is_address(target.host):  # nobody is asked
            look_up()
        else:
            waiting = threading.Thread(target=look_up, name="outgoing-resolver", daemon=True)
            waiting.start()
            waiting.join(wire.left())
            if waiting.is_alive():
                raise NoAnswer("the host's name was not resolved in time")
        if failed or not found:
            raise NoAnswer("the host's name could not be resolved")
        return found

    def _reach(self, addresses: Sequence[str], target: Target, wire: Wire) -> tuple[socket.socket, Handle]:
        """A connection to the first address that takes one, and a handle to cut it by. Raises: NoAnswer."""
        failure = NoAnswer("no connection")
        for address in addresses:
            try:
                sock = self._connect(address, target.port, wire.left())
            except OSError as error:
                failure = NoAnswer(_why(error, wire))
                continue
            sock.settimeout(wire.left())
            # TLS takes the first handle over in the middle of its handshake; this one stays ours.
            return sock, Handle(sock)
        raise failure


def _exchange(
    sock: socket.socket, tls: ssl.SSLContext, target: Target, body: bytes, headers: Mapping[str, str]
) -> Answer:
    """One request and its answer on a connected socket, which is closed. Raises: what `_BROKEN` names."""
    if target.tls:
        sock = tls.wrap_socket(sock, server_hostname=target.host)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(target.host, target.port, context=tls)
    else:
        connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = sock
    with closing(connection):
        connection.request("POST", target.path, body=body, headers={**headers, "Connection": "close"})
        with connection.getresponse() as response:
            read = response.read(LARGEST_ANSWER)
            if response.length and len(read) < LARGEST_ANSWER:
                raise http.client.IncompleteRead(b"", response.length)
            return Answer(status=response.status, headers=CaseInsensitiveDict(response.getheaders()), body=read)


_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (ssl.SSLCertVerificationError, "the certificate is not valid for the host"),
    (ssl.SSLError, "no TLS with the host"),
    (ConnectionRefusedError, "the connection was refused"),
    (ConnectionError, "the connection was broken off"),
    (OSError, "no connection"),
)


def _why(error: Exception, wire: Wire) -> str:
    """What went wrong, in words that hold nothing of the other side's."""
    if wire.late or isinstance(error, TimeoutError):
        return LATE
    return next(
        (words for kind, words in _REASONS if isinstance(error, kind)), "the answer is not HTTP, or is cut short"
    )
