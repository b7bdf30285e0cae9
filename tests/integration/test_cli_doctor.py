"""Doctor finds what is wrong and says what to do."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
import redis
from click.testing import CliRunner
from sqlalchemy import Engine, text

from ops.cli.main import cli
from tests.support.rows import add_session

GOOD = {"POLL_S": "60", "DUE_API_KEY": "", "ALPACA_KEY_ID": ""}


def doctor(environment: Mapping[str, str]) -> tuple[int, dict[str, Any]]:

    result = CliRunner().invoke(cli, ["doctor", "--json"], env={**GOOD, **environment}, catch_exceptions=False)
    document = json.loads(result.stdout)
    return result.exit_code, {check["name"]: check for check in document["checks"]} | {"ok": document["ok"]}


@pytest.fixture
def alive(engine: Engine) -> Engine:
    """A fleet with a worker and a clock that leads."""
    with engine.begin() as connection:
        add_session(connection)
        connection.execute(
            text("""
                INSERT INTO clock_leases (name, holder, term, renewed_at, expires_at)
                VALUES ('clock', :holder, 1, rk_now(), rk_now() + interval '1 minute')
            """),
            {"holder": uuid4()},
        )
    return engine


class TestDoctor:
    def test_is_content_with_a_fleet_that_is_well(self, alive: Engine, database_url: str, valkey_url: str) -> None:
        code, checks = doctor({"DATABASE_URL": database_url, "REDIS_URL": valkey_url})

        assert (code, checks["ok"]) == (0, True), checks
        assert "noeviction" in checks["redis"]["detail"]
        assert checks["workers"]["detail"] == "1 alive"

    def test_says_what_to_start(self, database_url: str, valkey_url: str) -> None:
        code, checks = doctor({"DATABASE_URL": database_url, "REDIS_URL": valkey_url})

        assert (code, checks["ok"]) == (1, False)
        assert "python -m workers" in checks["workers"]["mend"]
        assert "python -m scheduler" in checks["clock"]["mend"]

    def test_sends_to_migrate_when_the_schema_is_missing(self, empty_database_url: str, valkey_url: str) -> None:
        code, checks = doctor({"DATABASE_URL": empty_database_url, "REDIS_URL": valkey_url})

        assert code == 1
        assert checks["schema"]["mend"] == "run `rampkeeper migrate`"

    def test_names_bad_settings_without_their_values(self, database_url: str, valkey_url: str) -> None:
        environment = {"DATABASE_URL": database_url, "REDIS_URL": valkey_url, "POLL_S": "sometimes"}

        code, checks = doctor(environment)

        assert code == 1
        assert "sometimes" not in str(checks)
        assert "POLL_S=60" in checks["setting POLL_S"]["mend"]

    def test_tells_unreachable_servers_without_their_passwords(self) -> None:
        code, checks = doctor(
            {"DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/x", "REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"}
        )

        assert code == 1
        assert "hunter2" not in str(checks)
        assert "127.0.0.1:1" in checks["postgres"]["detail"]
        assert checks["redis"]["mend"].startswith("start it")

    def test_notices_a_redis_that_forgets(self, alive: Engine, database_url: str, valkey_url: str) -> None:
        with redis.Redis.from_url(valkey_url) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
            try:
                _, checks = doctor({"DATABASE_URL": database_url, "REDIS_URL": valkey_url})
            finally:
                client.config_set("maxmemory-policy", "noeviction")

        assert "noeviction" in checks["redis"]["mend"]

    def test_notices_a_key_list_whose_windows_are_over(self, alive: Engine, database_url: str, valkey_url: str) -> None:
        keys = {"DUE_API_KEY": "old@2020-01-01/2021-01-01", "DUE_BASE_URL": "http://127.0.0.1:1"}

        code, checks = doctor({"DATABASE_URL": database_url, "REDIS_URL": valkey_url, **keys})

        assert code == 1
        assert "valid now" in checks["setting DUE_API_KEY"]["mend"]
