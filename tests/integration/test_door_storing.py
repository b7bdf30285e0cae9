"""The door on a real database: what is stored, what is told when it cannot be, and what it says of itself."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from redis import Redis
from sqlalchemy import Connection, Engine, text

from db.engine import make_engine
from db.inbox import Arrival
from db.sealing import EncryptionKey, Sealed, Sealer
from embedded.postgres import PostgresServer
from migrations.run import upgrade
from tests.support.door import Signer, event, no_redis, samples, settings
from web.app import create_app, stop
from web.inbox_writer import CannotStore, InboxWriter

SIGNER = Signer()
AES = "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
NOWHERE = "postgresql://nobody:none@127.0.0.1:1/none"


@contextmanager
def door(
    engine: Engine,
    *,
    wake: Callable[[Sequence[int]], None] = lambda ids: None,
    redis: Redis | None = None,
    fleet_metrics: Callable[[Connection], Iterable[Metric]] | None = None,
    **environ: str,
) -> Iterator[FlaskClient]:
    read = settings(NOWHERE, "redis://127.0.0.1:1", DUE_WEBHOOK_PUBLIC_KEYS=SIGNER.setting, **environ)
    app: Flask = create_app(read, engine=engine, redis=redis or no_redis(), wake=wake, fleet_metrics=fleet_metrics)
    yield app.test_client()
    stop(app)


def post(client: FlaskClient, body: bytes) -> tuple[int, str]:
    response = client.post("/webhooks/due", data=body, headers=SIGNER.headers(body))
    document = response.get_json()
    return response.status_code, document["status"] if response.status_code == 200 else document["type"]


def rows(engine: Engine, sql: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


class TestStored:
    def test_a_signed_webhook_becomes_one_row_and_is_announced(self, engine: Engine) -> None:
        woken: list[int] = []
        with door(engine, wake=woken.extend) as client:
            assert post(client, event()) == (200, "accepted")
            assert post(client, event()) == (200, "duplicate")

        found = rows(
            engine,
            "SELECT id, provider, event_id, type, source, route, body, body_key, state, duplicates FROM inbox_events",
        )
        assert found == [
            (
                woken[0],
                "due",
                "wh_evt_1",
                "transfer.status_changed",
                "webhook",
                "/webhooks/due",
                event(),
                None,
                "received",
                1,
            )
        ]
        assert woken == [woken[0]] * 2  # a resend of what is not handled yet is announced again
        noted = rows(engine, "SELECT k.fingerprint = e.matched_key FROM receiver_keys k, inbox_events e")
        assert noted == [(True,)]

    def test_with_a_key_configured_the_body_is_sealed(self, engine: Engine) -> None:
        with door(engine, ENCRYPTION_KEYS=AES) as client:
            assert post(client, event()) == (200, "accepted")

        ((data, key, digest),) = rows(engine, "SELECT body, body_key, encode(body_digest, 'hex') FROM inbox_events")
        assert isinstance(data, bytes)
        assert b"transfer" not in data
        sealer = Sealer([EncryptionKey("a", bytes(32))])
        assert sealer.open(Sealed(data, str(key)), context=f"due/{digest}") == event()

    def test_bytes_that_name_no_event_are_a_resend_for_ten_minutes_and_another_event_later(
        self, engine: Engine
    ) -> None:
        body = b'{"event":"deposit","virtualAccountId":"va_1","amount":"250.00"}'
        with door(engine) as client:
            told = [post(client, body)[1] for _ in range(3)]
            with engine.begin() as connection:
                connection.execute(text("UPDATE inbox_events SET received_at = received_at - interval '10 minutes'"))
            told += [post(client, body)[1] for _ in range(2)]

        assert told == ["accepted", "duplicate", "duplicate", "accepted", "duplicate"]
        found = rows(engine, "SELECT right(event_id, 2), duplicates FROM inbox_events ORDER BY id")
        assert found == [(":1", 2), (":2", 1)]

    def test_odd_but_signed_events_are_stored(self, engine: Engine) -> None:
        bodies = [
            b'{"id":"a\\u0000b","type":"x\\u0000\\ud800"}',
            b'{"id":"deep","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"id":"' + b"long" * 10_000 + b'"}',
            b'{"id":"digits","n":' + b"9" * 200_000 + b"}",
        ]
        with door(engine) as client:
            for body in bodies:
                assert post(client, body) == (200, "accepted")
                assert post(client, body) == (200, "duplicate")

    def test_a_row_the_database_refuses_fails_alone(self, engine: Engine) -> None:
        with door(engine) as client:
            writer: InboxWriter = client.application.extensions["inbox_writer"]
            good = [_arrival(f"evt_{n}") for n in range(20)]
            bad = _arrival("bad", route="no\x00text")
            with ThreadPoolExecutor(21) as pool:
                answers = [pool.submit(writer.write, arrival) for arrival in [*good[:10], bad, *good[10:]]]
            errors = [answer.exception() for answer in answers]

        assert isinstance(errors.pop(10), CannotStore)
        assert errors == [None] * 20
        assert rows(engine, "SELECT count(*) FROM inbox_events") == [(20,)]


class TestTrouble:
    def test_without_postgres_it_answers_503_and_promises_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        with door(make_engine(NOWHERE)) as client:
            body = event()
            response = client.post("/webhooks/due", data=body, headers=SIGNER.headers(body))

        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert response.mimetype == "application/problem+json"
        written = "".join(capsys.readouterr())
        assert "Traceback" not in written
        assert "wh_evt_1" not in written

    def test_it_stores_again_as_soon_as_postgres_is_back(self) -> None:
        """The connections it kept are dead by then: that costs the sender nothing."""
        with PostgresServer(durable=False) as server:
            upgrade(server.url)
            engine = make_engine(server.url, pool=2)
            with door(engine) as client:
                assert post(client, event("before")) == (200, "accepted")
                server.kill()
                assert post(client, event("during"))[0] == 503
                server.start()
                assert post(client, event("after")) == (200, "accepted")
                server.kill()
                server.start()
                assert post(client, event("at once")) == (200, "accepted")
                assert post(client, event("before")) == (200, "duplicate")
            engine.dispose()

    def test_a_failing_announcement_is_still_200(self, engine: Engine) -> None:
        def fail(_ids: Sequence[int]) -> None:
            raise ConnectionError("no Redis")

        with door(engine, wake=fail) as client:
            assert post(client, event()) == (200, "accepted")
        page = samples(client.get("/metrics").text)  # the door is closed: its announcer has had its turn

        assert page['rampkeeper_door_trouble_total{kind="wake"}'] == 1

    def test_a_queue_that_hangs_holds_up_nobody(self, engine: Engine) -> None:
        released = threading.Event()

        def hang(_ids: Sequence[int]) -> None:
            released.wait(30)

        with door(engine, wake=hang) as client:
            started = time.monotonic()
            for number in range(5):
                assert post(client, event(f"evt_{number}")) == (200, "accepted")
            took = time.monotonic() - started
            released.set()

        assert took < 5

    def test_over_the_limit_is_429_and_not_stored(self, engine: Engine) -> None:
        with door(engine, RECEIVER_RATE_PER_SOURCE="2/hour") as client:
            told = [post(client, event(f"evt_{n}"))[0] for n in range(4)]

        assert told == [200, 200, 429, 429]
        assert rows(engine, "SELECT count(*) FROM inbox_events") == [(2,)]


WRITE_ALL = """
import sys
sys.path.insert(0, sys.argv[3])
from concurrent.futures import ThreadPoolExecutor
from db.engine import make_engine
from db.inbox import Arrival, insert_events
from web.inbox_writer import InboxWriter
from web.metrics import DoorMetrics

engine = make_engine(sys.argv[1], pool=2)

def store(arrivals):
    with engine.begin() as connection:
        return insert_events(connection, arrivals)

writer = InboxWriter(store, lambda ids: None, metrics=DoorMetrics())
arrivals = [
    Arrival(provider="due", event_id=f"evt_{n}", route="/", type=None, source="webhook", body=b"{}")
    for n in range(64)
]
if sys.argv[2] == "backwards":
    arrivals.reverse()
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(64) as pool:
    fresh = sum(not stored.duplicate for _ in range(50) for stored in pool.map(writer.write, arrivals))
writer.stop()
print(fresh, flush=True)
"""


def test_two_processes_writing_the_same_events_do_not_deadlock(engine: Engine, database_url: str) -> None:
    """One forwards and one backwards, 50 times over, in batches of chance: each event is accepted once in all."""
    home = str(Path(__file__).parents[2])
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE_ALL, database_url, way, home],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for way in ("forwards", "backwards")
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda writer: writer.communicate("\n", 60)[0], writers))
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()

    assert sum(map(int, results)) == 64
    assert rows(engine, "SELECT count(*), sum(duplicates) FROM inbox_events") == [(64, 99 * 64)]
    assert rows(engine, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]


class TestStatus:
    def test_ready_when_the_schema_is_at_head_and_redis_is_only_reported(self, engine: Engine, valkey_url: str) -> None:
        with door(engine) as client:
            away = client.get("/readyz")
        with Redis.from_url(valkey_url) as redis, door(engine, redis=redis) as client:
            there = client.get("/readyz")

        assert (away.status_code, away.json) == (
            200,
            {"status": "ready", "postgres": "ok", "schema": "at head", "redis": "away"},
        )
        assert (there.json or {})["redis"] == "ok"

    def test_not_ready_without_postgres_or_schema(self, empty_database_url: str) -> None:
        empty = make_engine(empty_database_url)
        for engine, postgres in [(make_engine(NOWHERE), "away"), (empty, "ok")]:
            with door(engine) as client:
                response = client.get("/readyz")
                assert client.get("/healthz").status_code == 200
            assert response.status_code == 503
            assert (response.json or {})["postgres"] == postgres
        assert "rampkeeper migrate" in (response.json or {})["schema"]

    def test_metrics_count_by_provider_and_result_beside_the_fleets_own(self, engine: Engine) -> None:
        def fleet(connection: Connection) -> Iterable[Metric]:
            stored = connection.execute(text("SELECT count(*) FROM inbox_events")).scalar_one()
            yield GaugeMetricFamily("rampkeeper_test_stored", "How many?", value=stored)

        with door(engine, fleet_metrics=fleet) as client:
            post(client, event())
            post(client, event())
            client.post("/webhooks/due", data=b"{}")
            page = samples(client.get("/metrics").text)

        assert page['rampkeeper_door_events_total{provider="due",result="accepted"}'] == 1
        assert page['rampkeeper_door_events_total{provider="due",result="duplicate"}'] == 1
        assert page['rampkeeper_door_refusals_total{provider="due",reason="signature_missing"}'] == 1
        assert page["rampkeeper_door_batch_rows_count"] == 2
        assert page["rampkeeper_test_stored"] == 1
        assert page["rampkeeper_fleet_readable"] == 1

    def test_metrics_ask_for_their_token_and_survive_postgres(self) -> None:
        with door(make_engine(NOWHERE), METRICS_TOKEN="t0ken") as client:
            for header in ("", "Bearer wrong", "Basic t0ken", "Bearer"):
                assert client.get("/metrics", headers={"Authorization": header}).status_code == 401
            page = samples(client.get("/metrics", headers={"Authorization": "Bearer t0ken"}).text)

        assert page["rampkeeper_fleet_readable"] == 0

    def test_pages_that_are_not_there_are_problems_too(self, engine: Engine) -> None:
        with door(engine) as client:
            assert client.get("/nothing").mimetype == "application/problem+json"
            assert client.post("/healthz").status_code == 405
            assert "GET" in client.post("/healthz").headers["Allow"]
            assert "nobody can sign in" in client.get("/ops/").text
            assert "Rampkeeper" in client.get("/").text


def _arrival(event_id: str, *, route: str = "/webhooks/due") -> Arrival:
    return Arrival(provider="due", event_id=event_id, route=route, type=None, source="webhook", body=b"{}")
