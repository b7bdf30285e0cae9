"""PostgreSQL and Valkey out of their wheels: real, private, and gone without a trace."""

import psycopg
import redis

from embedded.postgres import PostgresServer
from embedded.services import services
from embedded.valkey import ValkeyServer


class TestPostgres:
    def test_keeps_what_was_committed_through_a_kill(self) -> None:
        """Without fsync too: chaos tests kill the server and count on it."""
        with PostgresServer() as server:
            url, pid = server.url, server.pid
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 7 AS n")

            server.kill()
            assert server.pid is None
            server.start()

            assert (server.url, server.pid != pid) == (url, True)
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
