"""Two real clocks: one acts; killed, the other has taken over within ten seconds; asked to stop, it lets go."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text

from embedded.postgres import PostgresServer
from migrations.run import upgrade

HERE = Path(__file__).parents[2]


@contextmanager
def clock_process(database_url: str, redis_url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "scheduler"],
            cwd=HERE,
            env={
                "PATH": os.environ["PATH"],
                "DATABASE_URL": database_url,
                "REDIS_URL": redis_url,
                "DUE_API_KEY": "k",
                "DUE_BASE_URL": "http://127.0.0.1:9",
            },
            stdout=out,
            stderr=out,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def until(fact: Callable[[], object], *, seconds: float, log: Path) -> float:
    """Seconds until it holds."""
    began = time.monotonic()
    while not fact():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds} s; the log:\n{log.read_text()[-4000:]}")
        time.sleep(0.05)
    return time.monotonic() - began


def told(log: Path, event: str) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def holder(connection: Connection) -> UUID | None:
    holder: UUID | None = connection.execute(
        text("SELECT holder FROM clock_leases WHERE expires_at > rk_now()")
    ).scalar()
    return holder


@pytest.fixture
def held(engine: Engine) -> Callable[[], UUID | None]:
    def read() -> UUID | None:
        with engine.connect() as connection:
            return holder(connection)

    return read


def test_the_second_clock_takes_over_from_a_killed_one(
    engine: Engine, database_url: str, valkey_url: str, tmp_path: Path, held: Callable[[], UUID | None]
) -> None:
    logs = tmp_path / "first", tmp_path / "second"
    with clock_process(database_url, valkey_url, logs[0]) as first:
        until(held, seconds=20, log=logs[0])
        leader = held()
        with clock_process(database_url, valkey_url, logs[1]) as second:
            until(lambda: b"clock.started" in logs[1].read_bytes(), seconds=20, log=logs[1])
            time.sleep(1.5)  # it has tried for the lease, and follows
            assert held() == leader

            first.send_signal(signal.SIGKILL)
            taken_after = until(lambda: held() not in {leader, None}, seconds=15, log=logs[1])
            assert taken_after <= 10

            with engine.begin() as connection:
                event = connection.execute(
                    text("""
                        INSERT INTO inbox_events (provider, event_id, route, source, body_digest)
                        VALUES ('due', 'e', 'due', 'webhook', '') RETURNING id
                    """)
                ).scalar_one()

            def announced() -> bool:
                with engine.connect() as connection:
                    return bool(
                        connection.execute(
                            text("SELECT announced_at FROM inbox_events WHERE id = :id"), {"id": event}
                        ).scalar()
                    )

            until(announced, seconds=5, log=logs[1])

            second.terminate()
            asked = time.monotonic()
            assert second.wait(timeout=10) == 0, logs[1].read_text()
            assert time.monotonic() - asked < 5
            assert held() is None, "another clock need not wait for the lease to run out"
    made = [(line["job"], line["slot"]) for log in logs for line in told(log, "clock.ticked")]
    assert {job for job, _ in made} >= {"poll_due_deliveries", "poll_due_transfers", "sweep_stuck", "retention"}
    assert len(made) == len(set(made)), "no slot was ticked twice"


def test_without_redis_the_clock_still_ticks(
    engine: Engine, database_url: str, tmp_path: Path, held: Callable[[], UUID | None]
) -> None:
    """Workers find the ticks in Postgres; nothing is stamped as announced that nobody could hear."""
    log = tmp_path / "log"
    with clock_process(database_url, "redis://127.0.0.1:9/0", log) as process:
        until(lambda: told(log, "clock.ticked"), seconds=20, log=log)
        time.sleep(2.5)  # two passes of the dispatcher
        with engine.connect() as connection:
            stamped = connection.execute(text("SELECT count(announced_at), count(*) FROM ticks")).one()
        assert (stamped[0], stamped[1] > 0) == (0, True)
        process.terminate()
        assert process.wait(timeout=5) == 0, log.read_text()
        assert held() is None


def test_a_restart_of_postgres_is_survived(valkey_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with PostgresServer() as server:
        upgrade(server.url)
        with clock_process(server.url, valkey_url, log) as process:
            until(lambda: told(log, "clock.ticked"), seconds=20, log=log)
            server.kill()
            until(lambda: told(log, "clock.database_error"), seconds=10, log=log)
            server.start()
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute("DELETE FROM ticks")
            until(lambda: len(told(log, "clock.ticked")) > len(set(job_names(log))), seconds=20, log=log)
            process.terminate()
            assert process.wait(timeout=5) == 0, log.read_text()


def job_names(log: Path) -> list[str]:
    return [line["job"] for line in told(log, "clock.ticked")]


def test_a_bad_setting_stops_it_by_name(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with clock_process("postgresql://x@127.0.0.1:1/x", "nonsense", log) as process:
        assert process.wait(timeout=20) == 1
    assert "REDIS_URL" in log.read_text()
