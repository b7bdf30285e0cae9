"""Alpaca's journal stream, read from the pretended Alpaca."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from funding.errors import ProviderUnavailable
from funding.facts import Changed
from funding.money import Money
from funding.ports.alpaca import JournalOrder
from funding.ports.listings import StreamFrame
from providers.alpaca.adapter import AlpacaAdapter
from providers.alpaca.interpret import interpret
from providers.alpaca.stream import JournalStream
from providers.http import ProviderClient
from sandbox.server import SandboxServer
from tests.support.clients import OpenGate, a_client
from tests.support.odd_server import OddServer, read_request

SINCE = datetime.now(UTC) - timedelta(minutes=5)


def make_journal(journals: AlpacaAdapter, pretended: SandboxServer) -> str:
    order = JournalOrder(to_account=pretended.world.alpaca.add_account(), amount=Money(100, "USD"), reference="flow")
    return journals.create_journal(journals.journal_request(order), key=uuid4()).id


def next_frame(frames: Iterator[StreamFrame | None]) -> StreamFrame:
    return next(frame for frame in frames if frame is not None)


class TestFrames:
    def test_tell_each_change_of_a_journal(
        self, alpaca_client: ProviderClient, journals: AlpacaAdapter, pretended: SandboxServer
    ) -> None:
        made = make_journal(journals, pretended)
        frames = JournalStream(alpaca_client).frames(since=SINCE)
        statuses = []
        while "executed" not in statuses:
            frame = next_frame(frames)
            assert frame.id.startswith("stream:journals:0")
            (fact,) = interpret(frame.body, source="stream").facts
            assert isinstance(fact, Changed)
            assert (fact.id, fact.ours, fact.at) == (made, True, frame.at)
            statuses.append(fact.status)
        assert statuses == ["queued", "sent_to_clearing", "executed"]

    def test_come_again_from_a_while_back(
        self, alpaca_client: ProviderClient, journals: AlpacaAdapter, pretended: SandboxServer
    ) -> None:
        """Whoever reconnects asks from before its cursor: the same frame has the same id."""
        make_journal(journals, pretended)
        ids = [next_frame(JournalStream(alpaca_client).frames(since=SINCE)).id for _ in range(2)]
        assert ids[0] == ids[1]

    def test_are_none_on_each_heartbeat(self, alpaca_client: ProviderClient) -> None:
        frames = JournalStream(alpaca_client).frames(since=SINCE)
        assert [next(frames) for _ in range(3)] == [None] * 3

    @pytest.mark.parametrize("fault", ["stream_overrun", "stream_error", "stream_closed"])
    def test_end_when_some_may_be_missing(
        self, alpaca_client: ProviderClient, journals: AlpacaAdapter, pretended: SandboxServer, fault: str
    ) -> None:
        """A gap is only closed by reading again from before it."""
        frames = JournalStream(alpaca_client).frames(since=SINCE)
        assert next(frames) is None
        pretended.world.faults.set(fault, "alpaca", times=1)
        make_journal(journals, pretended)
        with pytest.raises(ProviderUnavailable):
            for _ in frames:
                pass
        assert next_frame(JournalStream(alpaca_client).frames(since=SINCE))

    def test_end_in_silence(self, alpaca_client: ProviderClient, pretended: SandboxServer) -> None:
        """A connection that only looks alive would hide every change for hours."""
        frames = JournalStream(alpaca_client, silence=timedelta(seconds=0.4)).frames(since=SINCE)
        assert next(frames) is None
        pretended.world.faults.set("stream_silent", "alpaca")
        with pytest.raises(ProviderUnavailable, match="silent"):
            for _ in frames:
                pass

    def test_do_not_end_at_the_deadline_of_a_call(
        self, pretended: SandboxServer, alpaca_client: ProviderClient
    ) -> None:
        frames = JournalStream(alpaca_client).frames(since=SINCE)
        began = time.monotonic()
        while time.monotonic() - began < 1.5:
            next(frames)

    def test_end_when_closed_from_another_thread(self, alpaca_client: ProviderClient) -> None:
        """A clock that must stop does not wait for the next heartbeat."""
        stream = JournalStream(alpaca_client, silence=timedelta(seconds=30))
        frames = stream.frames(since=SINCE)
        next(frames)
        closer = threading.Timer(0.2, stream.close)
        closer.start()
        with pytest.raises(ProviderUnavailable, match="closed"):
            for _ in frames:
                pass
        closer.join()

    def test_end_at_once_when_closed_before(self, alpaca_client: ProviderClient) -> None:
        stream = JournalStream(alpaca_client)
        stream.close()
        with pytest.raises(ProviderUnavailable):
            for _ in stream.frames(since=SINCE):
                pass

    def test_end_when_one_is_far_too_large(self) -> None:
        """Memory is not the place to find out that this is no stream of events."""

        def flood(connection: socket.socket, stopping: threading.Event) -> None:
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ")
            while not stopping.is_set():
                connection.sendall(b"x" * 65536)

        with OddServer(flood) as server, pytest.raises(ProviderUnavailable, match="too large"):
            for _ in JournalStream(a_client(server.url, provider="alpaca")).frames(since=SINCE):
                pass

    def test_are_asked_for_through_the_gate_once(self, pretended: SandboxServer) -> None:
        gate = OpenGate()
        stream = JournalStream(a_client(pretended.urls["alpaca"], provider="alpaca", gate=gate))
        with pytest.raises(Exception, match="401"):
            next(stream.frames(since=SINCE))
        assert len(gate.ended) == 1
