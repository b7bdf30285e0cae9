"""The web process as it is deployed: started, spoken to over a socket, stopped and killed."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil  # type: ignore[import-untyped]  # its types are a package of their own
import pytest
from redis import Redis
from sqlalchemy import Engine, text

from embedded.ports import free_port, is_listening
from tests.support.door import Signer, event

HOME = Path(__file__).parents[2]
SIGNER = Signer()
PATIENCE_S = 20.0


def until(holds: Callable[[], bool]) -> bool:
    """Whether it held before the deadline."""
    deadline = time.monotonic() + PATIENCE_S
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return held


def start(port: int, *, log: IO[str] | int = subprocess.PIPE, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "web"],
        cwd=HOME,
        env={"PATH": os.environ["PATH"], "PORT": str(port), "WEB_HOST": "127.0.0.1", **environ},
        stderr=log,
        text=True,
    )


@contextmanager
def web(
    database_url: str, redis_url: str, *, log: IO[str] | int = subprocess.PIPE, **environ: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A web process that answers, and its port. `log`: where it writes its log."""
    port = free_port()
    process = start(
        port,
        log=log,
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        DUE_WEBHOOK_PUBLIC_KEYS=SIGNER.setting,
        **environ,
    )
    try:
        # The parent listens before its child is there to answer.
        assert until(lambda: is_answering(port) or process.poll() is not None)
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield process, port
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def is_answering(port: int) -> bool:
    try:
        return is_listening(port) and ask(port, "GET", "/healthz")[0] == http.client.OK
    except (OSError, http.client.HTTPException):
        return False


def ask(port: int, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})  # type: ignore[arg-type]  # bytes or an iterator of them
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def post(port: int, body: bytes) -> tuple[int, bytes]:
    return ask(port, "POST", "/webhooks/due", body, **SIGNER.headers(body))


def test_it_serves_webhooks_whole_and_chunked(database_url: str, valkey_url: str, engine: Engine) -> None:
    big = b'{"id":"big","x":"' + b"x" * 200_000 + b'"}'
    huge = iter([b'{"id":"huge","x":"', *[b"x" * 65_536] * 8, b'"}'])
    with web(database_url, valkey_url) as (_, port):
        assert post(port, event()) == (200, b'{"status":"accepted"}')
        assert post(port, event()) == (200, b'{"status":"duplicate"}')
        chunks = iter([big[:70_000], big[70_000:]])
        assert ask(port, "POST", "/webhooks/due", chunks, **SIGNER.headers(big))[0] == 200
        try:
            status = ask(port, "POST", "/webhooks/due", huge, X_Webhook_Signature="00" * 64)[0]
        except (BrokenPipeError, ConnectionResetError):
            status = 413  # answered while the sender was still sending: it may see the closed door first
        assert status == 413
        assert ask(port, "GET", "/webhooks/due")[0] == 405
        assert ask(port, "GET", "/readyz")[0] == 200
        assert b'rampkeeper_door_events_total{provider="due",result="accepted"} 2.0' in ask(port, "GET", "/metrics")[1]

    with engine.connect() as connection:
        stored = connection.execute(text("SELECT id, body FROM inbox_events ORDER BY id")).all()
    assert [row.body for row in stored] == [event(), big]
    with Redis.from_url(valkey_url) as client:
        messages = [json.loads(message) for message in client.hvals("rampkeeper:ingest.msgs")]
    announced = sorted(number for message in messages for number in message["args"][0])
    assert announced == [stored[0].id, stored[0].id, stored[1].id]  # each commit, the duplicate's too


def test_sigterm_under_load_keeps_every_promise(database_url: str, valkey_url: str, engine: Engine) -> None:
    """Whatever was answered 200 is in the table, and the process ends by itself with 0."""
    promised: list[str] = []
    stopping = threading.Event()

    def send(sender: int) -> None:
        for number in range(10_000):
            event_id = f"evt_{sender}_{number}"
            try:
                status, _ = post(port, event(event_id))
            except OSError:
                return
            except http.client.HTTPException:
                return
            if status == 200:
                promised.append(event_id)
            if stopping.is_set() and status != 200:
                return

    with web(database_url, valkey_url) as (process, port):
        senders = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
        for sender in senders:
            sender.start()
        assert until(lambda: len(promised) > 50)
        stopping.set()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        for sender in senders:
            sender.join(PATIENCE_S)

    with engine.connect() as connection:
        stored = set(connection.execute(text("SELECT event_id FROM inbox_events")).scalars())
    assert set(promised) <= stored


def test_a_killed_process_leaves_no_orphan_at_the_port(database_url: str, valkey_url: str) -> None:
    with web(database_url, valkey_url) as (process, port):
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.kill()
        process.wait(PATIENCE_S)

        assert until(lambda: not is_listening(port))
        assert until(lambda: all(not c.is_running() or c.status() == psutil.STATUS_ZOMBIE for c in children))


def test_a_killed_child_ends_the_process_so_that_it_is_started_again(database_url: str, valkey_url: str) -> None:
    with web(database_url, valkey_url) as (process, _):
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()

        assert process.wait(PATIENCE_S) == 1


def test_a_bad_setting_stops_the_start_by_name_without_its_value() -> None:
    process = start(free_port(), DATABASE_URL="mysql://hunter2", REDIS_URL="redis://q", DUE_ENABLED="1")

    _, told = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 1
    assert "DATABASE_URL" in told
    assert "DUE_API_KEY: is missing" in told
    assert "hunter2" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize("path", ["/webhooks/due", "/healthz"])
def test_its_log_is_json_lines_without_bodies(path: str, database_url: str, valkey_url: str) -> None:
    port = free_port()
    process = start(
        port, DATABASE_URL=database_url, REDIS_URL=valkey_url, DUE_WEBHOOK_PUBLIC_KEYS=SIGNER.setting, LOG_LEVEL="debug"
    )
    assert until(lambda: is_listening(port))
    ask(port, "POST", path, b"private text", X_Webhook_Signature="private")
    process.terminate()
    _, log = process.communicate(timeout=PATIENCE_S)

    for line in log.splitlines():
        assert json.loads(line)["event"]
    assert "private" not in log
    assert ("webhook.refused" in log) == (path == "/webhooks/due")
