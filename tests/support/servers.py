"""The servers of one test run: shared by all of its workers, started once."""

import os
import secrets
from contextlib import ExitStack
from urllib.parse import urlsplit, urlunsplit

import pytest

from embedded.postgres import PostgresServer
from embedded.services import Services
from embedded.valkey import ValkeyServer
from tests.support.databases import Databases


class Servers:
    """Started on first use; `stop` at the end of the run.

    A run in parallel has one PostgreSQL for all workers, started by the process that hands out the tests, and a Valkey
    for each worker, so that a test may empty or restart its own.
    """

    def __init__(self, config: pytest.Config) -> None:
        given = getattr(config, "workerinput", {})
        self._worker: str = given.get("workerid", "")
        self._database_url: str = given.get("database_url", "")
        self.template: str = given.get("template", "") or f"rk_template_{secrets.token_hex(4)}"
        self._services: Services | None = None
        self._stack = ExitStack()

    def database_url(self) -> str:
        """Of the run's server."""
        if not self._database_url:
            self._database_url = os.environ.get("DATABASE_URL", "")
            if self._database_url:
                self._stack.callback(Databases(self._database_url).drop, self.template)
            else:
                self._database_url = self._stack.enter_context(PostgresServer()).url
        return self._database_url

    def share_with(self, workerinput: dict[str, str]) -> None:
        """Tell a worker which server and template are the run's."""
        workerinput["database_url"] = self.database_url()
        workerinput["template"] = self.template

    def services(self) -> Services:
        """For this process."""
        if self._services is None:
            database_url = self.database_url()
            valkey = None
            redis_url = os.environ.get("REDIS_URL", "")
            if redis_url:
                redis_url = _logical_database(redis_url, self._worker)
            else:
                valkey = self._stack.enter_context(ValkeyServer())
                redis_url = valkey.url
            self._services = Services(database_url=database_url, redis_url=redis_url, postgres=None, valkey=valkey)
        return self._services

    def stop(self) -> None:
        self._stack.close()


def _logical_database(redis_url: str, worker: str) -> str:
    """A server of yours has 16 databases: 15 for the run alone, another for each worker."""
    number = int(worker.removeprefix("gw")) if worker else 15
    if not 0 <= number <= 15:
        raise pytest.UsageError("with REDIS_URL set, at most 15 workers: its server has 16 databases")
    return urlunsplit(urlsplit(redis_url)._replace(path=f"/{number}"))
