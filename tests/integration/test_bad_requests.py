"""The web process spoken to by somebody who means ill: bytes on a socket, and what they must not bring about."""

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from embedded.ports import free_port, is_listening
from embedded.services import Services
from tests.support.databases import Databases
from tests.support.door import Signer, event
from tests.support.signing import (
    IBEX_SECRET,
    STRIPE_SECRET,
    bridge_event,
    bridge_headers,
    bridge_key,
    ibex_event,
    stripe_event,
    stripe_headers,
)

HOME = Path(__file__).parents[2]
SIGNER = Signer()
PATIENCE_S = 30.0
THREADS = 4
BODY = event()
THEIRS = "192.0.2.7"  # where IBEX's webhooks may come from, which is not here


@dataclass(frozen=True)
class Web:
    """A running web process."""

    port: int
    database_url: str
    log: Path

    def send(self, raw: bytes, *, hang_up: bool = False) -> bytes:
        """Whatever is answered to these bytes, until the answer is whole or the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as sock:
            with suppress(ConnectionError, OSError):  # it may have been refused already
                sock.sendall(raw)
                if hang_up:
                    sock.shutdown(socket.SHUT_WR)
            response = http.client.HTTPResponse(sock)
            try:
                response.begin()
            except (http.client.HTTPException, ConnectionError):
                return b""
            return f"{response.status} ".encode() + response.read()

    def status(self, raw: bytes) -> int:
        return int(self.send(raw)[:3])

    def stored(self) -> int:
        engine = create_engine(make_url(self.database_url).set(drivername="postgresql+psycopg"))
        with engine.connect() as connection:
            found: int = connection.execute(text("SELECT count(*) FROM inbox_events")).scalar_one()
        engine.dispose()
        return found


@pytest.fixture(scope="module")
def web(services: Services, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with ExitStack() as stack:
        url = stack.enter_context(Databases(services.database_url).clone(template))
        log = tmp_path_factory.mktemp("web") / "log"
        written = stack.enter_context(log.open("wb"))
        port = free_port()
        environ = {
            "DATABASE_URL": url,
            "REDIS_URL": services.redis_url,
            "DUE_WEBHOOK_PUBLIC_KEYS": SIGNER.setting,
            "BRIDGE_WEBHOOK_PUBLIC_KEYS": bridge_key().der_base64,
            "STRIPE_WEBHOOK_SECRETS": STRIPE_SECRET,
            "IBEX_WEBHOOK_SECRETS": IBEX_SECRET,
            "IBEX_SOURCE_ADDRESSES": THEIRS,
            "METRICS_TOKEN": "metrics-token",
            "PORT": str(port),
            "WEB_HOST": "127.0.0.1",
            "WEB_THREADS": str(THREADS),
            "LOG_LEVEL": "debug",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "web"], cwd=HOME, env={"PATH": os.environ["PATH"], **environ}, stderr=written
        )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not is_listening(port):
                assert time.monotonic() < deadline, log.read_text()
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
            yield Web(port, url, log)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
        assert "Traceback" not in log.read_text()
        assert '"exception"' not in log.read_text()


def request(
    *more: str, path: str = "/webhooks/due", method: str = "POST", body: bytes = BODY, length: str | None = None
) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: x",
        f"X-Webhook-Signature: {SIGNER.sign(body)}",
        *([f"Content-Length: {len(body)}"] if length is None else [f"Content-Length: {length}"] if length else []),
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _heard(sock: socket.socket) -> bytes:
    """What came before the connection was closed on it."""
    try:
        return sock.recv(1000)
    except ConnectionError:
        return b""


class TestSlow:
    """Senders that never finish: each would hold one of the few threads for good."""

    @contextmanager
    def _senders(self, web: Web, number: int, *, drip: bool) -> Iterator[list[socket.socket]]:
        sockets = [socket.create_connection(("127.0.0.1", web.port), timeout=PATIENCE_S) for _ in range(number)]
        stop = threading.Event()

        def send_a_byte_now_and_then() -> None:
            while not stop.wait(0.2):
                for sock in sockets:
                    try:
                        sock.sendall(b" ")
                    except OSError:
                        continue

        dripping = threading.Thread(target=send_a_byte_now_and_then)
        try:
            for sock in sockets:
                sock.sendall(request(length="100000"))
            if drip:
                dripping.start()
            yield sockets
        finally:
            stop.set()
            if drip:
                dripping.join()
            for sock in sockets:
                sock.close()

    @pytest.mark.parametrize("drip", [False, True], ids=["silent", "dripping"])
    def test_more_of_them_than_threads_do_not_close_the_door(self, web: Web, *, drip: bool) -> None:
        with self._senders(web, 3 * THREADS, drip=drip) as sockets:
            deadline = time.monotonic() + PATIENCE_S
            while web.send(request())[:3] != b"200":
                assert time.monotonic() < deadline, "nobody else is served"
            assert [_heard(sock) for sock in sockets] == [b""] * len(sockets)
        deadline = time.monotonic() + PATIENCE_S
        while "slow_bodies_cut" not in web.log.read_text():  # it is told after the deed
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def test_one_alone_is_cut_off_too_and_stores_nothing(self, web: Web) -> None:
        before = web.stored()
        with self._senders(web, 1, drip=True) as (sock,):
            assert _heard(sock) == b""
        assert web.stored() == before


class TestFramed:
    """What a router in front and we could read as two different requests."""

    @pytest.mark.parametrize(
        "raw",
        [
            request("Content-Length: 5"),
            request(length="-1"),
            request(length="5, 6"),
            request(length="+5"),
            request("Transfer-Encoding: xchunked"),
            request("Bad Header: x"),
            request("X-A: a\x00b"),
            request("X-A: a\rb: c"),
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 600_000 + b"\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ],
    )
    def test_is_refused_before_it_is_a_request(self, web: Web, raw: bytes) -> None:
        before = web.stored()
        assert web.send(raw, hang_up=True)[:3] in {b"400", b"431", b"501", b""}
        assert web.stored() == before

    def test_a_length_beside_chunks_ends_the_connection_after_one_request(self, web: Web) -> None:
        """The chunks count, and what follows is never taken for another request of the same sender."""
        smuggled = request(path="/smuggled")
        chunked = b"0\r\n\r\n" + smuggled
        raw = request("Transfer-Encoding: chunked", body=b"", length=str(len(chunked))) + chunked
        with socket.create_connection(("127.0.0.1", web.port), timeout=PATIENCE_S) as sock:
            sock.sendall(raw)
            answer = b"".join(iter(lambda: sock.recv(65_536), b""))
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"connection: close" in answer.lower()

    def test_a_body_cut_short_is_told_so(self, web: Web) -> None:
        before = web.stored()
        answer = web.send(request(length=str(len(BODY) + 10)), hang_up=True)
        assert answer[:3] in {b"400", b""}
        assert web.stored() == before

    def test_a_huge_chunked_body_is_refused_without_being_kept(self, web: Web) -> None:
        chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        raw = request("Transfer-Encoding: chunked", body=b"", length="") + chunk * 5 + b"0\r\n\r\n"
        assert web.status(raw) == 413

    @pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
    def test_nothing_is_unpacked(self, web: Web, encoding: str) -> None:
        """The signature is over the bytes as sent, and a body that unpacks without end stays as small as it came."""
        body = b"\x1f\x8b\x08\x00not really"
        assert web.status(request(f"Content-Encoding: {encoding}", body=body)) == 400


class TestSigned:
    @pytest.mark.parametrize("order", [1, -1])
    def test_two_signature_headers_are_no_signature(self, web: Web, order: int) -> None:
        headers = [f"X-Webhook-Signature: {SIGNER.sign(BODY)}", f"X-Webhook-Signature: {'00' * 64}"][::order]
        lines = ["POST /webhooks/due HTTP/1.1", "Host: x", *headers, f"Content-Length: {len(BODY)}", "", ""]
        assert web.status("\r\n".join(lines).encode() + BODY) == 401

    @pytest.mark.parametrize("form", ["{0},{1}", "{1}, {0}", "{0} {0}", "v1={0}", "0x{0}", "{0}\u00a0", "", "{0}00"])
    def test_a_list_or_another_form_is_no_signature(self, web: Web, form: str) -> None:
        header = form.format(SIGNER.sign(BODY), "00" * 64)
        lines = ["POST /webhooks/due HTTP/1.1", "Host: x", f"X-Webhook-Signature: {header}"]
        lines += [f"Content-Length: {len(BODY)}", "", ""]
        assert web.status("\r\n".join(lines).encode("latin-1") + BODY) == 401


def posted(path: str, headers: Sequence[str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


class TestSignedByOthers:
    @pytest.mark.parametrize("order", [1, -1])
    def test_two_headers_of_stripes_or_bridges_are_no_signature(self, web: Web, order: int) -> None:
        """Joined they could be read as either; a right one does not lend its proof to another."""
        before, now = web.stored(), datetime.now(UTC)
        for path, body, right in (
            ("/webhooks/bridge", bridge_event(), bridge_headers(bridge_event(), now)),
            ("/webhook/stripe", stripe_event(), stripe_headers(stripe_event(), now)),
        ):
            ((name, value),) = right.items()
            wrong = value.replace(value[-8:], "AAAAAAAA")
            headers = [f"{name}: {value}", f"{name}: {wrong}"][::order]
            assert web.status(posted(path, headers, body)) == 401
        assert web.stored() == before

    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [f"X-Forwarded-For: {THEIRS}"],
            [f"X-Forwarded-For: 127.0.0.1, {THEIRS}"],
            [f"X-Forwarded-For: {THEIRS}", f"X-Forwarded-For: {THEIRS}"],
            [f"Forwarded: for={THEIRS}", f"X-Real-IP: {THEIRS}", f"CF-Connecting-IP: {THEIRS}"],
            [f"Remote-Addr: {THEIRS}", f"Remote_Addr: {THEIRS}"],
        ],
    )
    def test_no_header_makes_a_sender_ibex(self, web: Web, headers: list[str]) -> None:
        before = web.stored()
        for body in (ibex_event(), b"not json"):
            assert web.status(posted("/webhooks/ibex", headers, body)) == 403
        assert web.stored() == before


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            "/webhooks/due/../due",
            "/webhooks/./due",
            "/webhooks/due/..",
            "/webhooks/due%2f",
            "/webhooks/due%00",
            "/webhooks/due%20",
            "/webhooks/due;x",
            "/webhooks//due",
            "/WEBHOOKS/due",
            "/webhooks/%ff",
            "/webhooks/\xfc",
            "/webhooks/../ops",
            "/..%2f..%2fetc/passwd",
        ],
    )
    def test_a_trick_with_the_path_leads_nowhere(self, web: Web, path: str) -> None:
        answer = web.send(request(path=path))
        assert answer[:3] in {b"404", b"400"}
        assert b"passwd" not in answer

    @pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PATCH", "BREW", "OPTIONS", "GET", "DELETE"])
    def test_an_unusual_method_is_405_and_echoes_nothing(self, web: Web, method: str) -> None:
        answer = web.send(request("X-Echo: plaintext", method=method))
        assert answer[:3] == b"405"
        assert b"plaintext" not in answer

    @pytest.mark.parametrize(
        "path", ["/ops", "/ops/", "/ops/%3Cscript%3E", "/nothing/%3Cscript%3E", "/metrics?token=x"]
    )
    def test_no_page_repeats_what_was_asked(self, web: Web, path: str) -> None:
        answer = web.send(request(path=path, method="GET", body=b""))
        assert int(answer[:3]) == (503 if path.startswith("/ops") else 401 if "metrics" in path else 404)
        assert b"script" not in answer

    def test_metrics_take_their_token_in_the_header_only(self, web: Web) -> None:
        asked = ["", "Authorization: Bearer metrics-token\xff", "Authorization: Bearer", "Authorization: metrics-token"]
        for header in asked:
            lines = ["GET /metrics HTTP/1.1", "Host: x", *([header] if header else []), "", ""]
            assert web.status("\r\n".join(lines).encode("latin-1")) == 401
        right = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer metrics-token\r\n\r\n"
        answer = web.send(right)
        assert answer[:3] == b"200"
        assert not re.search(rb"metrics-token|127\.0\.0\.1:\d{4}", answer)


def test_the_log_of_all_this_holds_no_header_and_no_body(web: Web) -> None:
    """Runs last in this file: what was said of all that came before it."""
    web.send(request("X-Secret: hidden-words", body=b'{"id":"hidden-words"'))
    web.send(posted("/webhooks/ibex", [], ibex_event()))
    said = web.log.read_text()
    assert "hidden-words" not in said
    assert IBEX_SECRET not in said
    assert SIGNER.sign(BODY) not in said
