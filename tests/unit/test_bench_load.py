"""The load of the receiver's benchmark: what it sends, how it reads answers, what it counts."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from benchmarks import _load as load
from benchmarks import _webhooks as webhooks
from providers.due.signature import HEADER, load_keys, verify
from providers.rotation import rotation
from settings.values import ed25519_public

ACCEPTED = b'HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{"status":"accepted"}'
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}"


class TestWebhooks:
    def test_are_signed_bodies_of_one_kilobyte(self) -> None:
        """The product's own check passes them; else the door would be measured at refusing."""
        content = webhooks.request(7).partition(b"\r\n\r\n")[2]
        signature = webhooks.request(7).partition(b"X-Webhook-Signature: ")[2].partition(b"\r\n")[0].decode()
        keys = load_keys(rotation(ed25519_public)(webhooks.public_key()))

        assert len(content) == 1000
        assert verify(content, {HEADER: signature}, keys, datetime.now(UTC)).fingerprint

    def test_differ_in_their_ids(self) -> None:
        assert webhooks.event_id(7).encode() in webhooks.body(7)
        assert webhooks.event_id(7) != webhooks.event_id(8)


class TestPercentile:
    def test_is_a_value_that_so_many_do_not_exceed(self) -> None:
        times = [float(number) for number in range(200, 0, -1)]

        assert load.percentile(times, 0.99) == 198.0
        assert load.percentile(times, 0.5) == 100.0
        assert load.percentile([3.0], 0.99) == 3.0

    def test_is_none_of_nothing(self) -> None:
        with pytest.raises(ValueError, match="no values"):
            load.percentile([], 0.5)


class TestStatus:
    def test_waits_for_the_whole_answer(self) -> None:
        assert [load.status_of(ACCEPTED[:length]) for length in range(len(ACCEPTED))] == [None] * len(ACCEPTED)
        assert load.status_of(ACCEPTED) == "accepted"

    def test_of_a_refusal_is_its_code(self) -> None:
        assert load.status_of(UNAVAILABLE) == "503"


class TestDrive:
    def test_counts_each_request_once(self, server: "SmallServer") -> None:
        """Every third is refused: only the others were promised anything."""
        requests = [webhooks.request(number) for number in range(100, 400)]

        measured = load.drive(server.port, requests, first=100, connections=4, seconds=30, rate=400)

        assert measured.answers == {"accepted": 200, "503": 100}
        assert sorted(measured.accepted) == [number for number in range(100, 400) if number % 3]
        assert measured.per_s == pytest.approx(400, rel=0.5)
        assert 0 < measured.p50_ms <= measured.p99_ms

    def test_ends_when_the_server_does(self, server: "SmallServer") -> None:
        server.dies_at = 50

        with pytest.raises(load.ServerSilent):
            load.drive(
                server.port, [webhooks.request(n) for n in range(99)], first=0, connections=2, seconds=30, rate=None
            )


@pytest.fixture
def server() -> Iterator["SmallServer"]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = SmallServer(listening)
        threading.Thread(target=made.accept, daemon=True).start()
        yield made


class SmallServer:
    """Answers 200, but 503 to events whose number three divides; hangs up at event `dies_at`."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.port: int = listening.getsockname()[1]
        self.dies_at = -1

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        length = len(webhooks.request(0))
        with connection, suppress(ConnectionError):  # the load hangs up when it has what it wants
            while request := connection.recv(length, socket.MSG_WAITALL):
                number = int(request.partition(b'"wh_evt_')[2][:12])
                if number == self.dies_at:
                    return
                connection.sendall(ACCEPTED if number % 3 else UNAVAILABLE)
