"""A real PgBouncer in front of a PostgreSQL, in transaction mode: each transaction may get another connection."""

import os
import shutil
import signal
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg

from embedded.guardian import Guardian
from embedded.ports import free_port

MISSING: Final = "no pgbouncer: install Debian's package, or name it in PGBOUNCER"
START_LIMIT_S: Final = 30.0
STOP_LIMIT: Final = timedelta(seconds=10)
NOBODY: Final = 65534  # it refuses to run as root


def find_pgbouncer() -> str | None:
    """Its path; Debian keeps it where ordinary users do not look."""
    return os.environ.get("PGBOUNCER") or shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


class PgBouncer:
    """Listens on loopback, before the server at `url`, with `connections` to it at most for all clients together."""

    def __init__(self, url: str, *, connections: int) -> None:
        self._there = urlsplit(url)
        self._port = free_port()
        self._connections = connections

    @property
    def url(self) -> str:
        """The same database, through it."""
        user = f"{self._there.username}:{self._there.password}"
        return urlunsplit(self._there._replace(netloc=f"{user}@127.0.0.1:{self._port}"))

    @property
    def pid(self) -> int | None:
        return self._guardian.pid_of("pgbouncer")

    def start(self) -> None:
        """At the address it had."""
        program = find_pgbouncer()
        if program is None:
            raise RuntimeError(MISSING)
        user = (NOBODY, NOBODY) if os.geteuid() == 0 else None
        config = self._config()
        if user:
            for path in (self._folder, config, self._folder / "users.txt"):
                os.chown(path, *user)
        self._guardian.start(
            "pgbouncer", [program, config], env={}, cwd=self._folder, log=self._folder / "log", user=user, umask=0o077
        )
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or self.pid is None:
                    log = (self._folder / "log").read_text()
                    raise RuntimeError(f"PgBouncer does not answer: {error}\n{log}") from error
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._guardian.signal("pgbouncer", signal.SIGKILL)
        self._guardian.wait("pgbouncer", STOP_LIMIT)

    def __enter__(self) -> Self:
        self._temporary = TemporaryDirectory(prefix="rk-pgbouncer-")
        self._folder = Path(self._temporary.name)
        self._guardian = Guardian()
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._guardian.close(grace=STOP_LIMIT)
        self._temporary.cleanup()

    def _config(self) -> Path:
        """Its defaults, but for what makes it a pooler of few connections in transaction mode."""
        there = self._there
        (self._folder / "users.txt").write_text(f'"{there.username}" "{there.password}"\n')
        config = self._folder / "pgbouncer.ini"
        config.write_text(f"""
[databases]
* = host={there.hostname} port={there.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self._port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {self._folder}/users.txt
pool_mode = transaction
default_pool_size = {self._connections}
max_db_connections = {self._connections}
max_client_conn = 200
server_login_retry = 1
""")
        return config
