"""Faults of the socket, acted out on a real one: what is lost, slow, dripping, hanging or reset."""

import http.client
import socket
import time
from urllib.parse import urlsplit

import pytest
import requests

from sandbox.alpaca.app import create_alpaca_app
from sandbox.faults import SocketFault
from sandbox.inprocess import call
from sandbox.server import SandboxServer
from sandbox.world import World
from tests.contract.sandbox.stage import Stage

CREATE = "POST /v1/journals"


def made(stage: Stage) -> int:
    return len(stage.server.world.alpaca.journals.by_id)


class TestSocketFaults:
    def test_lost_the_effect_is_done_and_nothing_answers(self, stage: Stage) -> None:
        stage.fault("reply_lost", provider="alpaca", only=CREATE, times=1)
        with pytest.raises(requests.ConnectionError):
            stage.journal(key="k1")
        assert made(stage) == 1
        assert stage.journal(key="k1").status_code == 200
        assert made(stage) == 1

    def test_reset_before_nothing_is_done(self, stage: Stage) -> None:
        stage.fault("reset_before", provider="alpaca", only=CREATE, times=1)
        with pytest.raises(requests.ConnectionError):
            stage.journal()
        assert made(stage) == 0

    def test_slow_the_answer_comes_whole_but_late(self, stage: Stage) -> None:
        stage.fault("slow_reply", provider="alpaca", only=CREATE, times=1, seconds=0.3)
        begun = time.monotonic()
        assert stage.journal().json()["status"] == "queued"
        assert time.monotonic() - begun >= 0.3

    def test_dripping_outlasts_any_timeout_for_a_single_read(self, stage: Stage) -> None:
        stage.fault("dripping_reply", provider="alpaca", only="GET /v1/clock", times=1, seconds=0.8)
        begun = time.monotonic()
        answer = stage.alpaca.get("/v1/clock", timeout=0.25)
        assert answer.json()["timestamp"]
        assert time.monotonic() - begun >= 0.8

    def test_dripping_begins_with_the_headers(self, stage: Stage) -> None:
        stage.fault("dripping_reply", provider="due", times=1, seconds=30)
        where = urlsplit(stage.due.base)
        with socket.create_connection((where.hostname, where.port or 0), timeout=5) as connection:
            connection.sendall(b"GET /v1/accounts HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(100) == b"H"

    @pytest.mark.parametrize(("effect", "journals"), [(True, 1), (False, 0)])
    def test_hanging_with_the_effect_or_without(self, stage: Stage, effect: object, journals: int) -> None:
        stage.fault("hanging_socket", provider="alpaca", only=CREATE, times=1, seconds=30, effect=effect)
        with pytest.raises(requests.ReadTimeout):
            stage.alpaca.post("/v1/journals", self.wanted(stage), timeout=0.3)
        assert made(stage) == journals

    def test_hanging_ends_by_closing(self, stage: Stage) -> None:
        stage.fault("hanging_socket", provider="alpaca", times=1, seconds=0.1)
        with pytest.raises(requests.ConnectionError):
            stage.alpaca.get("/v1/clock")

    def test_a_hanging_caller_keeps_nobody_else_waiting(self, stage: Stage) -> None:
        stage.fault("hanging_socket", provider="alpaca", times=1, seconds=30)
        with pytest.raises(requests.ReadTimeout):
            stage.alpaca.get("/v1/clock", timeout=0.1)
        assert stage.alpaca.get("/v1/clock", timeout=2).status_code == 200

    def wanted(self, stage: Stage) -> dict[str, str]:
        parties = {"from_account": stage.firm, "to_account": stage.customer["brokerage_account"]}
        return {"entry_type": "JNLC", "amount": "1", **parties}


class TestServer:
    def test_keeps_a_connection_for_many_requests(self, stage: Stage) -> None:
        where = urlsplit(stage.due.base)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=5)
        connection.connect()
        first = connection.sock
        for _ in range(3):
            connection.request("GET", "/v1/accounts", headers=stage.due.headers)
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
        assert connection.sock is first
        connection.close()

    def test_reads_chunked_bodies(self, stage: Stage) -> None:
        pieces = iter([b'{"url":"http://127.0.0.1', b':9/hook"}'])
        answer = stage.due.call("POST", "/v1/webhook_endpoints", data=pieces)
        assert answer.json()["url"] == "http://127.0.0.1:9/hook"

    @pytest.mark.parametrize(
        "junk",
        [b"\x16\x03\x01\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nnonsense\r\n\r\n", b"GET /%zz HTTP/1.1\r\n\r\n"],
    )
    def test_closes_on_what_is_not_http(self, stage: Stage, junk: bytes) -> None:
        where = urlsplit(stage.due.base)
        with socket.create_connection((where.hostname, where.port or 0), timeout=5) as connection:
            connection.sendall(junk)
            assert connection.recv(100) == b""

    def test_listens_on_the_same_port_again(self) -> None:
        with SandboxServer() as first:
            ports = {name: urlsplit(url).port or 0 for name, url in first.urls.items()}
            requests.get(first.urls["control"], timeout=5).close()
        with SandboxServer(ports) as second:
            assert requests.get(second.urls["control"], timeout=5).status_code == 200

    def test_refuses_a_taken_port_and_frees_the_others(self) -> None:
        with SandboxServer() as first, pytest.raises(OSError, match="in use"):
            SandboxServer({"due": urlsplit(first.urls["due"]).port or 0})


class TestWithoutASocket:
    def test_the_fault_is_handed_to_the_caller(self) -> None:
        world = World(0, config={"alpaca_keys": [["CKEXAMPLE0000000001", "sEcReT0000"]]})
        world.faults.set("reply_lost", "alpaca", times=1)
        app = create_alpaca_app(world)
        headers = {"Authorization": "Basic Q0tFWEFNUExFMDAwMDAwMDAwMTpzRWNSZVQwMDAw"}
        lost, whole = (call(app, "GET", "/v1/clock", headers) for _ in range(2))
        assert (lost.fault, whole.fault) == (SocketFault("lost", 5.0), None)
        assert whole.status == 200

    def test_a_stream_ends_instead_of_waiting(self) -> None:
        world = World(0, config={"alpaca_keys": [["CKEXAMPLE0000000001", "sEcReT0000"]]})
        headers = {"Authorization": "Basic Q0tFWEFNUExFMDAwMDAwMDAwMTpzRWNSZVQwMDAw"}
        answer = call(create_alpaca_app(world), "GET", "/v2/events/journals/status?since=2020-01-01", headers)
        assert answer.body.startswith(b":connected")
