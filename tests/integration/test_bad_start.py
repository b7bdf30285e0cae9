"""Started wrongly, every process says what to mend in one sentence, exits 1, and has done nothing."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from embedded.ports import free_port
from tests.integration.test_door_process import PATIENCE_S, ask, post, web
from tests.support.door import event

HOME = Path(__file__).parents[2]
PROCESSES = ["web", "workers", "scheduler"]
NOWHERE = "postgresql://nobody:hunter2@127.0.0.1:1/none"


def run(module: str, **environ: str) -> tuple[int, str]:
    """Exit code and all that it said; it must end by itself."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=HOME,
        env={"PATH": os.environ["PATH"], "PORT": str(free_port()), "WEB_HOST": "127.0.0.1", **environ},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("module", PROCESSES)
class TestSettings:
    def test_without_any_it_names_those_it_needs_with_examples(self, module: str) -> None:
        code, told = run(module)
        assert code == 1
        assert "DATABASE_URL: is missing; for example DATABASE_URL=postgresql://" in told
        assert "REDIS_URL: is missing; for example REDIS_URL=redis://" in told
        assert "Traceback" not in told

    def test_with_bad_ones_it_names_all_of_them_and_quotes_none(self, module: str) -> None:
        bad = {"DATABASE_URL": "hunter2://x", "REDIS_URL": "hunter2", "DUE_API_KEY": "hunter2", "POLL_S": "hunter2"}
        code, told = run(module, **bad, ALPACA_ENABLED="1")
        assert code == 1
        for name in [*bad, "DUE_BASE_URL", "ALPACA_KEY_ID", "ALPACA_SECRET"]:
            assert (f"\n  {name}: " in told) == (name != "DUE_API_KEY")
        assert "hunter2" not in told
        assert "Traceback" not in told


@pytest.mark.parametrize("module", ["workers", "scheduler"])
class TestDatabase:
    def test_away_is_one_sentence(self, module: str) -> None:
        code, told = run(module, DATABASE_URL=NOWHERE, REDIS_URL="redis://127.0.0.1:1")
        assert code == 1
        assert "Postgres cannot be used" in told
        assert "check DATABASE_URL" in told
        assert "Traceback" not in told
        assert "hunter2" not in told

    def test_without_a_schema_it_names_the_command(self, module: str, empty_database_url: str, valkey_url: str) -> None:
        code, told = run(module, DATABASE_URL=empty_database_url, REDIS_URL=valkey_url)
        assert code == 1
        assert "has no schema" in told
        assert "rampkeeper migrate" in told
        assert "Traceback" not in told

    def test_at_another_revision_nothing_runs(self, module: str, database_url: str, valkey_url: str) -> None:
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'other'")
            connection.execute(
                "INSERT INTO inbox_events (provider, event_id, route, source, body, body_digest)"
                " VALUES ('due', 'e', '/', 'webhook', '{}', '')"
            )
        code, told = run(module, DATABASE_URL=database_url, REDIS_URL=valkey_url)
        assert code == 1
        assert "stands at revision other" in told
        with psycopg.connect(database_url) as connection:
            found = connection.execute(
                "SELECT (SELECT count(*) FROM worker_sessions), (SELECT count(*) FROM ticks),"
                " (SELECT state FROM inbox_events), (SELECT announced_at FROM inbox_events)"
            ).fetchone()
        assert found == (0, 0, "received", None)


@pytest.mark.parametrize(("module", "setting"), [("web", "PORT"), ("workers", "METRICS_PORT")])
def test_a_port_that_is_taken_is_named(module: str, setting: str, database_url: str, valkey_url: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:  # noqa: S104 - on every address, as the metrics are served
        port = str(taken.getsockname()[1])
        code, told = run(module, DATABASE_URL=database_url, REDIS_URL=valkey_url, **{setting: port})
    assert code == 1
    assert f"{setting}" in told
    assert port in told
    assert "Traceback" not in told


def test_the_door_is_not_ready_and_promises_nothing_until_the_schema_is_at_head(
    database_url: str, valkey_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        (head,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
        connection.execute("UPDATE alembic_version SET version_num = 'other'")
        with web(database_url, valkey_url) as (_, port):
            status, told = ask(port, "GET", "/readyz")
            assert status == 503
            assert b"rampkeeper migrate" in told
            assert ask(port, "GET", "/healthz")[0] == 200
            assert post(port, event())[0] == 503
            assert connection.execute("SELECT count(*) FROM inbox_events").fetchone() == (0,)

            connection.execute("UPDATE alembic_version SET version_num = %s", [head])
            deadline = time.monotonic() + PATIENCE_S
            while ask(port, "GET", "/readyz")[0] != 200:
                assert time.monotonic() < deadline
            assert post(port, event())[0] == 200
