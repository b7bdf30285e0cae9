"""A call ends within its total deadline, whatever the server does with the connection."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from funding.errors import OutcomeUnknown, ProviderUnavailable
from providers.http import Request
from tests.support.clients import a_client
from tests.support.odd_server import Behave, OddServer, answer, drip, hang, read_request

DEADLINE = 0.6
READ = Request(operation="read", method="GET", path="/thing")
CREATE = Request(operation="create", method="POST", path="/thing", body="{}", creates=True)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def drip_body_without_length(connection: socket.socket, stopping: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while not stopping.wait(0.1):
        connection.sendall(b" ")


def drip_chunks(connection: socket.socket, stopping: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not stopping.wait(0.1):
        connection.sendall(b"1\r\n \r\n")


def drip_continues(connection: socket.socket, stopping: threading.Event) -> None:
    """Interim answers without end: the library throws each away and reads on."""
    read_request(connection)
    while not stopping.wait(0.1):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def never_read(connection: socket.socket, stopping: threading.Event) -> None:
    """Takes the connection and nothing from it: a large request gets stuck while it is sent."""
    stopping.wait()


STALLING: list[Behave] = [
    drip(answer(headers={"X-Long": "x" * 500}), 0.1),
    drip(answer(body=b'{"a":"' + b"x" * 500 + b'"}'), 0.02),
    drip_body_without_length,
    drip_chunks,
    drip_continues,
    hang,
]
NAMES = ["headers dripped", "whole answer dripped", "body without length", "chunks", "interim answers", "hang"]


@pytest.mark.parametrize("behave", STALLING, ids=NAMES)
class TestAStallingServer:
    def test_leaves_a_create_unknown_within_its_deadline(self, behave: Behave) -> None:
        """requests' own timeout is per read: each byte would start it anew and hold the thread for minutes."""
        with OddServer(behave) as server, within(DEADLINE + 1), pytest.raises(OutcomeUnknown):
            a_client(server.url, deadline=DEADLINE).call(CREATE, dict)

    def test_leaves_a_read_unanswered_within_its_deadline(self, behave: Behave) -> None:
        with OddServer(behave) as server, within(DEADLINE + 1), pytest.raises(ProviderUnavailable):
            a_client(server.url, deadline=DEADLINE).call(READ, dict)


class TestABodyThatIsNeverRead:
    def test_is_cut_while_it_is_being_sent(self) -> None:
        large = Request(operation="create", method="POST", path="/", body="x" * 20_000_000, creates=True)
        with OddServer(never_read) as server, within(DEADLINE + 1), pytest.raises(OutcomeUnknown):
            a_client(server.url, deadline=DEADLINE).call(large, dict)


class TestAServerThatNeverAccepts:
    def test_counts_as_not_sent(self) -> None:
        """Its queue of connections is full, so no byte of ours can have reached it."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        try:
            for one in waiting:
                one.settimeout(0)
                with contextlib.suppress(BlockingIOError):
                    one.connect(listener.getsockname())
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with within(DEADLINE + 1), pytest.raises(ProviderUnavailable):
                a_client(url, deadline=DEADLINE).call(CREATE, dict)
        finally:
            for one in [*waiting, listener]:
                one.close()


class TestATlsHandshake:
    def test_that_hangs_counts_as_not_sent(self) -> None:
        """The handshake runs on a socket the library has taken apart: the cut must reach it all the same."""
        with OddServer(drip(b"\x16\x03\x03\x40\x00" + b"\x02" * 400, 0.1)) as server:
            url = server.url.replace("http://", "https://")
            with within(DEADLINE + 1), pytest.raises(ProviderUnavailable):
                a_client(url, deadline=DEADLINE).call(CREATE, dict)

    def test_that_fails_counts_as_not_sent(self) -> None:
        def refuse(connection: socket.socket, stopping: threading.Event) -> None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with contextlib.suppress(ssl.SSLError):
                context.wrap_socket(connection, server_side=True)  # it has no certificate to show

        with OddServer(refuse) as server, pytest.raises(ProviderUnavailable):
            a_client(server.url.replace("http://", "https://")).call(CREATE, dict)


class TestANameThatDoesNotResolve:
    def test_counts_as_not_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(ProviderUnavailable):
            a_client("http://provider.test").call(CREATE, dict)

    def test_gives_up_waiting_for_the_resolver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A resolver knows no deadline of ours: it can hang for half a minute."""
        answered = threading.Event()

        def hang_on(*_: Any, **__: Any) -> Any:
            answered.wait(10)
            return []

        monkeypatch.setattr(socket, "getaddrinfo", hang_on)
        try:
            with within(DEADLINE + 1), pytest.raises(ProviderUnavailable):
                a_client("http://provider.test", deadline=DEADLINE).call(CREATE, dict)
        finally:
            answered.set()


class TestManyStallingCalls:
    def test_each_end_within_their_own_deadline(self) -> None:
        """One watchdog keeps the time of all threads."""
        spent: list[float] = []

        def one(call: Callable[[], object]) -> None:
            began = time.monotonic()
            with pytest.raises(ProviderUnavailable):
                call()
            spent.append(time.monotonic() - began)

        with OddServer(hang) as server:
            client = a_client(server.url, deadline=DEADLINE)
            threads = [threading.Thread(target=one, args=(lambda: client.call(READ, dict),)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(timeout=5)
        assert len(spent) == 8
        assert max(spent) < DEADLINE + 1


class TestAStream:
    def test_must_begin_within_the_deadline(self) -> None:
        with OddServer(hang) as server:
            stream = a_client(server.url, deadline=DEADLINE).stream(READ, silence=timedelta(seconds=30))
            with within(DEADLINE + 1), pytest.raises(ProviderUnavailable):
                stream.__enter__()

    def test_may_then_go_on_for_as_long_as_bytes_come(self) -> None:
        with OddServer(drip_chunks) as server:
            client = a_client(server.url, deadline=DEADLINE)
            with client.stream(READ, silence=timedelta(seconds=5)) as stream:
                began = time.monotonic()
                for _ in stream.chunks():
                    if time.monotonic() - began > 2 * DEADLINE:
                        return
        pytest.fail("the stream ended by itself")
