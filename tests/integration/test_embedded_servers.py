"""PostgreSQL and Valkey out of their wheels: real, private, and at one address for life."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
import redis

from embedded.ports import free_port, is_listening
from embedded.postgres import PostgresServer
from embedded.private_folder import EmbeddedError
from embedded.services import services
from embedded.valkey import ValkeyServer


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        yield server


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def taken_ports(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """The module's first two choices of a port turn out to be taken."""

    def choose(module: str, taken: int) -> None:
        choices = iter([taken, taken])
        monkeypatch.setattr(f"{module}.free_port", lambda: next(choices, None) or free_port())

    return choose


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


class TestPostgres:
    def kept(self, postgres: PostgresServer) -> object:
        with psycopg.connect(postgres.url) as connection:
            return connection.execute("SELECT n FROM kept").fetchone()

    def test_keeps_what_was_committed_through_a_kill(self, postgres: PostgresServer) -> None:
        """Without fsync too: chaos tests kill the server and count on it."""
        url, pid = postgres.url, postgres.pid

        postgres.kill()
        assert postgres.pid is None
        postgres.start()

        assert (postgres.url, postgres.pid != pid, self.kept(postgres)) == (url, True, (7,))

    def test_restarts_under_open_connections(self, postgres: PostgresServer) -> None:
        url = postgres.url
        with psycopg.connect(url) as connection:
            postgres.restart()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")

        assert (postgres.url, self.kept(postgres)) == (url, (7,))

    def test_lets_nobody_in_without_the_password(self, postgres: PostgresServer) -> None:
        """Whoever else is on this machine can reach a loopback port."""
        user, host = postgres.url.split("@")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"{user[:-3]}xyz@{host}")

    def test_says_what_it_needs_to_be_like_any_other(self, postgres: PostgresServer) -> None:
        """Sorting and times must not depend on the machine the tests run on."""
        names = ("server_encoding", "lc_messages", "TimeZone", "fsync", "synchronous_commit")
        with psycopg.connect(postgres.url) as connection:
            shown = [connection.execute(f"SHOW {name}").fetchone() for name in names]
        assert shown == [("UTF8",), ("C",), ("UTC",), ("off",), ("on",)]

    def test_waits_for_the_disk_where_commits_must_last(self) -> None:
        with PostgresServer(durable=True) as server, psycopg.connect(server.url) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)

    def test_tries_another_port_when_somebody_was_quicker(
        self, postgres: PostgresServer, taken_ports: Callable[[str, int], None]
    ) -> None:
        taken_ports("embedded.postgres", port_of(postgres.url))
        with PostgresServer() as second, psycopg.connect(second.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            assert port_of(second.url) != port_of(postgres.url)

    def test_tells_why_it_cannot_start(self) -> None:
        server = PostgresServer(settings={"shared_buffers": "plenty"})
        with pytest.raises(EmbeddedError, match='invalid value for parameter "shared_buffers"'):
            server.start()
        assert server.pid is None


class TestValkey:
    @pytest.mark.parametrize("blow", ["flush", "restart", "kill"])
    def test_forgets_everything_at_the_same_address(self, valkey: ValkeyServer, blow: str) -> None:
        url = valkey.url
        with redis.Redis.from_url(url) as client:
            client.set("hint", "flow 1")
            client.rpush("queue", "1", "2")

        getattr(valkey, blow)()
        valkey.start()

        assert valkey.url == url
        with redis.Redis.from_url(url) as client:
            assert client.dbsize() == 0

    def test_lets_nobody_in_without_the_password(self, valkey: ValkeyServer) -> None:
        with (
            redis.Redis.from_url("redis://" + valkey.url.partition("@")[2]) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()

    def test_tries_another_port_when_somebody_was_quicker(
        self, valkey: ValkeyServer, taken_ports: Callable[[str, int], None]
    ) -> None:
        taken_ports("embedded.valkey", port_of(valkey.url))
        with ValkeyServer() as second, redis.Redis.from_url(second.url) as client:
            assert client.ping()
            assert port_of(second.url) != port_of(valkey.url)


class TestServices:
    def test_starts_only_what_the_environment_does_not_name(self) -> None:
        yours = {"DATABASE_URL": "postgresql://db.example/yours"}
        with services(durable=False, environment=yours) as found:
            assert (found.database_url, found.postgres) == (yours["DATABASE_URL"], None)
            assert found.valkey is not None
            assert is_listening(port_of(found.redis_url))
        assert not is_listening(port_of(found.redis_url))

    def test_two_run_side_by_side(self) -> None:
        with services(durable=False, environment={}) as one, services(durable=False, environment={}) as other:
            with psycopg.connect(one.database_url, autocommit=True) as connection:
                connection.execute("CREATE DATABASE only_here")
            with psycopg.connect(other.database_url) as connection:
                there = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'only_here'").fetchone()
            assert there is None
            assert one.redis_url != other.redis_url
