"""Databases for tests: one migrated template a run, a clone of it for each test."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

TEST_ROLE = "rampkeeper_test"  # its members may set the database's clock: see the SQL function rk_now()
LOCK_KEY = 7_231_984  # any number: one run's workers take turns at making the template


class Databases:
    """Makes and drops databases on the server at `url`, which must be allowed to."""

    def __init__(self, url: str) -> None:
        self.url = url

    def url_of(self, name: str) -> str:
        """The same server, another database."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def make_template(self, name: str, migrate: Callable[[str], None]) -> None:
        """Make the database `name` and `migrate(url)` it, unless another worker has; waits while one is at it.

        It gets its name only once it is complete, so that a run cut short leaves no half-made template in use.
        """
        with self._admin() as admin:
            admin.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
            if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                return
            self._make_test_role(admin)
            unfinished = f"{name}_unfinished"
            self._drop(admin, unfinished)
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(unfinished)))
            migrate(self.url_of(unfinished))
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            admin.execute(rename.format(sql.Identifier(unfinished), sql.Identifier(name)))

    @contextmanager
    def clone(self, template: str) -> Iterator[str]:
        """A fresh copy of `template`: its url. Dropped afterwards, whoever is still connected."""
        name = f"rk_{secrets.token_hex(8)}"
        with self._admin() as admin:
            self._copy(admin, name, template)
        try:
            yield self.url_of(name)
        finally:
            with self._admin() as admin:
                self._drop(admin, name)

    def replace(self, name: str, template: str) -> None:
        """Make the database `name` a copy of `template`, whatever it held: a restore. Nobody may use the template."""
        with self._admin() as admin:
            self._drop(admin, name)
            self._copy(admin, name, template)

    def drop(self, name: str) -> None:
        """Drop a database if it is there."""
        with self._admin() as admin:
            self._drop(admin, name)

    def _admin(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True)

    @staticmethod
    def _copy(admin: psycopg.Connection, name: str, template: str) -> None:
        # Copying files waits for a checkpoint: the quicker way only where the disk is not waited for.
        quick = admin.execute("SHOW fsync").fetchone() == ("off",)
        strategy = sql.SQL("STRATEGY file_copy" if quick else "STRATEGY wal_log")
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} {}")
        admin.execute(create.format(sql.Identifier(name), sql.Identifier(template), strategy))

    @staticmethod
    def _drop(admin: psycopg.Connection, name: str) -> None:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @staticmethod
    def _make_test_role(admin: psycopg.Connection) -> None:
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [TEST_ROLE]).fetchone():
            admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(TEST_ROLE)))
        admin.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(TEST_ROLE)))
