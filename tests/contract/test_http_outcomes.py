"""What a call comes to, by what the provider did with it."""

import gzip
import io
import socket
import struct
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from funding.errors import (
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
    StaleClaim,
    UnexpectedAnswer,
)
from providers import guards
from providers.credentials import Keyring, bearer
from providers.fields import Fields
from providers.http import CallReport, Request
from tests.support.clients import OpenGate, a_client
from tests.support.odd_server import OddServer, always, answer, read_request

READ = Request(operation="read", method="GET", path="/thing")
CREATE = Request(operation="create", method="POST", path="/thing", body="{}", creates=True)
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
RESET = struct.pack("ii", 1, 0)


def outcome(request: Request, reply: bytes, **more: Any) -> ProviderError:
    with OddServer(always(reply)) as server, pytest.raises(ProviderError) as caught:
        a_client(server.url, clock=lambda: NOW, **more).call(request, lambda value: Fields(value).text("name"))
    return caught.value


def reset_after_request(connection: socket.socket, stopping: threading.Event) -> None:
    read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def half_an_answer(connection: socket.socket, stopping: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id":')


class TestACallThatCreates:
    @pytest.mark.parametrize("status", ["408 X", "409 X", "500 X", "502 X", "503 X", "504 X", "303 X", "307 X"])
    def test_is_unknown_after_an_answer_that_leaves_room_for_an_effect(self, status: str) -> None:
        assert type(outcome(CREATE, answer(status))) is OutcomeUnknown

    @pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[1]", b'{"name":5}', b"[" * 5000, b'{"name":NaN}'])
    def test_is_unknown_after_a_2xx_that_cannot_be_read(self, body: bytes) -> None:
        assert type(outcome(CREATE, answer(body=body))) is OutcomeUnknown

    @pytest.mark.parametrize("behave", [reset_after_request, half_an_answer])
    def test_is_unknown_when_the_connection_breaks_after_sending(self, behave: Any) -> None:
        with OddServer(behave) as server, pytest.raises(OutcomeUnknown):
            a_client(server.url).call(CREATE, dict)

    def test_is_unknown_when_a_kept_connection_breaks(self) -> None:
        """The server closes an idle connection in the moment we use it: bytes left, so nobody can know."""

        def once_then_reset(connection: socket.socket, stopping: threading.Event) -> None:
            read_request(connection)
            connection.sendall(answer())
            read_request(connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

        with OddServer(once_then_reset) as server:
            client = a_client(server.url)
            client.call(CREATE, dict)
            with pytest.raises(OutcomeUnknown):
                client.call(CREATE, dict)
            assert server.connections == 1

    def test_is_made_anew_when_the_kept_connection_was_closed_before(self) -> None:
        """Nothing was sent on it, so a new connection is no second call."""
        seen: list[bytes] = []
        closed = threading.Event()

        def one_each(connection: socket.socket, stopping: threading.Event) -> None:
            seen.append(read_request(connection))
            connection.sendall(answer())
            connection.close()
            closed.set()

        with OddServer(one_each) as server:
            client = a_client(server.url)
            for _ in range(3):
                assert client.call(CREATE, dict) == {}
                assert closed.wait(5)
                closed.clear()
        assert len(seen) == 3

    def test_is_not_sent_when_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with pytest.raises(ProviderUnavailable):
            a_client(f"http://127.0.0.1:{port}").call(CREATE, dict)

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            ("400 X", ProviderRejected),
            ("404 X", NotFound),
            ("422 X", ProviderRejected),
            ("429 X", ProviderThrottled),
            ("401 X", Misconfigured),
            ("403 X", Misconfigured),
        ],
    )
    def test_did_not_happen_after_a_refusal(self, status: str, kind: type[ProviderError]) -> None:
        assert type(outcome(CREATE, answer(status))) is kind

    def test_is_unknown_after_an_answer_larger_than_we_take(self) -> None:
        assert type(outcome(CREATE, answer(body=b'"' + b"x" * 5000 + b'"'), largest_body=1000)) is OutcomeUnknown


class TestACallThatReads:
    @pytest.mark.parametrize("status", ["408 X", "500 X", "502 X", "503 X"])
    def test_is_to_be_asked_again_after_a_failure(self, status: str) -> None:
        assert type(outcome(READ, answer(status))) is ProviderUnavailable

    def test_follows_no_redirect(self) -> None:
        """Our credentials would go wherever it points."""
        moved = answer("302 X", headers={"Location": "http://127.0.0.1:9/"})
        with OddServer(always(moved)) as server, pytest.raises(Misconfigured):
            a_client(server.url).call(READ, dict)

    @pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"name":5}'])
    def test_names_a_shape_it_does_not_know(self, body: bytes) -> None:
        assert type(outcome(READ, answer(body=body))) is UnexpectedAnswer

    def test_unpacks_no_bomb(self) -> None:
        bomb = answer(body=gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"})
        assert type(outcome(READ, bomb, largest_body=100_000)) is UnexpectedAnswer


class TestWhatAnErrorCarries:
    def test_is_code_status_and_request_id(self) -> None:
        reply = answer("422 X", b'{"error_code":"err_validation","message":"no"}', {"X-Request-Id": "req_1"})
        error = outcome(READ, reply)
        assert (error.status, error.code, error.request_id) == (422, "err_validation", "req_1")

    def test_is_never_an_address_a_long_number_or_a_secret(self) -> None:
        body = b'{"message":"ana@example.com 900100200300 1234 5678 9012 key-one\\u0000\\n' + b"x" * 500 + b'"}'
        text = str(outcome(READ, answer("400 X", body)))
        for hidden in ("ana", "900100200300", "5678", "key-one", "\0", "\n"):
            assert hidden not in text
        assert len(text) < 260

    @pytest.mark.parametrize(
        ("headers", "wait"),
        [
            ({"Retry-After": "7"}, 7),
            ({"Retry-After": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30),
            ({"Retry-After": "Sat, 21 Nov 2020 12:00:30 GMT"}, 0),
            ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 12)}, 12),
            ({"X-RateLimit-Reset": "40"}, 40),
            ({"Retry-After": "7", "X-RateLimit-Reset": "40"}, 7),
            ({"Retry-After": "999999"}, 3600),
            ({"Retry-After": "soon"}, None),
            ({}, None),
        ],
    )
    def test_is_how_long_to_wait(self, headers: dict[str, str], wait: int | None) -> None:
        error = outcome(READ, answer("429 X", headers=headers))
        assert isinstance(error, ProviderThrottled)
        assert error.retry_after == (None if wait is None else timedelta(seconds=wait))


class TestCredentials:
    def test_fall_back_to_the_older_and_remember_it(self) -> None:
        """During a rotation only one of them is good, and no deposit may wait for us to find out which."""
        seen: list[bytes] = []

        def old_only(connection: socket.socket, stopping: threading.Event) -> None:
            while request := read_request(connection):
                seen.append(request)
                connection.sendall(answer() if b"Bearer old" in request else answer("401 X"))

        used: list[str] = []
        with OddServer(old_only) as server:
            client = a_client(server.url, credentials=[bearer("new"), bearer("old")], key_used=used.append)
            client.call(CREATE, dict)
            client.call(CREATE, dict)
        assert [b"Bearer old" in one for one in seen] == [False, True, True]
        assert used == [bearer("old").fingerprint]

    def test_a_use_that_could_not_be_told_is_told_at_the_next(self) -> None:
        told: list[str] = []

        def tell(fingerprint: str) -> None:
            told.append(fingerprint)
            if len(told) == 1:
                raise OSError("no database")

        key = bearer("sk_1")
        keys = Keyring([key], used=tell, monotonic=lambda: 0.0)
        with pytest.raises(OSError, match="no database"):
            keys.worked(key)
        keys.worked(key)
        keys.worked(key)
        assert told == [key.fingerprint] * 2

    def test_are_told_of_once_a_minute_each(self) -> None:
        """Every process tells one row of them: told of each call, the fleet would wait for itself there."""
        now = 1000.0
        used: list[str] = []
        old, new = bearer("old"), bearer("new")
        keys = Keyring([new, old], used=used.append, monotonic=lambda: now)
        for one in (old, old, new, old):
            keys.worked(one)
        assert used == [old.fingerprint, new.fingerprint]
        now += 60
        keys.worked(old)
        assert used == [old.fingerprint, new.fingerprint, old.fingerprint]

    def test_that_are_all_refused_are_our_mistake(self) -> None:
        used: list[str] = []
        keys = [bearer("new"), bearer("old")]
        assert type(outcome(CREATE, answer("401 X"), credentials=keys, key_used=used.append)) is Misconfigured
        assert used == []

    def test_never_show_themselves(self) -> None:
        assert "sesame" not in repr(bearer("sesame"))


class TestTheCheckBeforeSending:
    def test_stops_a_call_whose_claim_is_stale(self) -> None:
        """It is asked on an open connection, so however long the handshake took, nothing leaves too late."""
        seen: list[bytes] = []

        def watch(connection: socket.socket, stopping: threading.Event) -> None:
            seen.append(read_request(connection))

        def refuse() -> None:
            raise StaleClaim("too old")

        gate = OpenGate()
        with OddServer(watch) as server, guards.before_sending(refuse), pytest.raises(StaleClaim):
            a_client(server.url, gate=gate).call(CREATE, dict)
        assert seen in ([], [b""])
        assert [type(error) for error in gate.ended] == [StaleClaim]

    def test_is_asked_once_for_each_request_on_a_kept_connection(self) -> None:
        asked: list[int] = []
        with OddServer(always(answer())) as server:
            client = a_client(server.url)
            for _ in range(3):
                with guards.before_sending(lambda: asked.append(1)):
                    client.call(CREATE, dict)
            client.call(READ, dict)
            assert server.connections == 1
        assert len(asked) == 3


class TestItsSurroundings:
    def test_do_not_reach_it_through_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy in the environment would be handed every credential."""
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        with OddServer(always(answer())) as server:
            assert a_client(server.url).call(READ, dict) == {}

    def test_are_told_how_each_call_went(self) -> None:
        reports: list[CallReport] = []
        gate = OpenGate()
        with OddServer(always(answer("500 X"))) as server, pytest.raises(OutcomeUnknown):
            a_client(server.url, gate=gate, report=reports.append).call(CREATE, dict)
        assert [(one.operation, one.outcome, one.status) for one in reports] == [("create", "OutcomeUnknown", 500)]
        assert [type(error) for error in gate.ended] == [OutcomeUnknown]

    def test_cannot_take_its_outcome_away(self) -> None:
        """A journal that was made must not look like a bug because a counter could not be reached."""

        def fail(_: object) -> None:
            raise ConnectionError("no database")

        with OddServer(always(answer())) as server:
            assert a_client(server.url, report=fail, key_used=fail).call(CREATE, dict) == {}


class InProcess(BaseAdapter):
    """What a simulation puts in place of sockets."""

    def __init__(self, reply: requests.Response | Exception) -> None:
        super().__init__()
        self.reply = reply
        self.seen: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        self.seen.append(request)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply

    def close(self) -> None:
        pass


class TestAnotherTransport:
    def test_gets_the_request_and_gives_the_answer(self) -> None:
        reply = requests.Response()
        reply.status_code, reply.raw = 200, HTTPResponse(io.BytesIO(b'{"a":1}'), preload_content=False)
        transport = InProcess(reply)
        assert a_client("http://due.test", transport=transport).call(CREATE, dict) == {"a": 1}
        assert transport.seen[0].url == "http://due.test/thing"

    @pytest.mark.parametrize(
        ("failure", "kind"),
        [
            (requests.ConnectTimeout(), ProviderUnavailable),
            (requests.ReadTimeout(), OutcomeUnknown),
            (requests.ConnectionError(), OutcomeUnknown),
        ],
    )
    def test_says_by_its_error_whether_anything_was_sent(self, failure: Exception, kind: type[ProviderError]) -> None:
        with pytest.raises(ProviderError) as caught:
            a_client("http://due.test", transport=InProcess(failure)).call(CREATE, dict)
        assert type(caught.value) is kind

    def test_is_not_used_when_the_check_refuses(self) -> None:
        transport = InProcess(requests.Response())

        def refuse() -> None:
            raise StaleClaim("too old")

        with guards.before_sending(refuse), pytest.raises(StaleClaim):
            a_client("http://due.test", transport=transport).call(CREATE, dict)
        assert transport.seen == []
