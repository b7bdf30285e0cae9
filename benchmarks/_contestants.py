"""Who is compared in `bin/bench flows`: how each is started, and what its database must hold before and after.

All three keep tables of the same names for the same things, so what they have done is asked with the same statements.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import make_url

from benchmarks._instant import FIRM, HOOK, brokerage_account
from benchmarks._kinds import DEPOSIT, Kind
from benchmarks._processes import Processes
from benchmarks._webhooks import ACCOUNTS, public_key
from benchmarks.receiver import new_database
from db.customers import NewLink
from db.engine import make_engine, unit_of_work
from ops.actions.customers import add_customer
from ops.actions.desk import Desk

PEERS: Final = Path(__file__).with_name("peers")


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A system: its door, its other processes by name, the settings all of them get. `prepare` runs once before."""

    name: str
    database_url: str
    door: Sequence[str]
    others: Mapping[str, Sequence[str]]
    settings: Mapping[str, str]
    prepare: Sequence[str] | None = None
    kind: Kind = DEPOSIT


def settings(*, redis_url: str, providers: str, threads: int) -> dict[str, str]:
    """What each contestant is told, under the product's names; `providers` is the address of the instant ones."""
    return {
        "REDIS_URL": redis_url,
        "WEB_HOST": "127.0.0.1",
        "WORKER_THREADS": str(threads),
        "LOG_LEVEL": "warning",
        "DUE_BASE_URL": providers,
        "DUE_API_KEY": "due-key",
        "DUE_WEBHOOK_PUBLIC_KEYS": public_key(),
        "ALPACA_BASE_URL": providers,
        "ALPACA_KEY_ID": "key-id",
        "ALPACA_SECRET": "secret",
        "ALPACA_FIRM_ACCOUNT_ID": FIRM,
        "NOTIFY_WEBHOOK_URL": providers + HOOK,
        "NOTIFY_WEBHOOK_SECRETS": "whsec_" + "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
        "NOTIFY_ALLOW_PRIVATE": "1",
    }


def ours(
    server_url: str, shared: Mapping[str, str], *, workers: int, runner: Sequence[str], name: str = "ours"
) -> Contestant:
    """The product, as in the Procfile; `runner` is the worker's command. Its customers are added here."""
    database_url = new_database(server_url, name)
    engine = make_engine(database_url, pool=1)
    desk = Desk(begin=unit_of_work(engine), by="bench")
    for whose in range(ACCOUNTS):
        customer, account = f"customer-{whose:04d}", f"acct_{whose:04d}"
        links = [
            NewLink(
                customer=customer,
                provider="due",
                kind="virtual_account",
                external_id=f"va_{whose:04d}",
                attributes={"mode": "va_auto", "account": account},
            ),
            NewLink(
                customer=customer,
                provider="alpaca",
                kind="brokerage_account",
                external_id=brokerage_account(whose),
                attributes={},
            ),
        ]
        add_customer(desk, customer, level=2, links=links)
    engine.dispose()
    python = [sys.executable, "-P", "-m"]
    return Contestant(
        name=name,
        database_url=database_url,
        door=[*python, "web"],
        others={**_numbered(workers, runner), "clock": [*python, "scheduler"]},
        settings={**shared, "DATABASE_URL": database_url},
    )


def peer(
    name: str, server_url: str, shared: Mapping[str, str], *, python: Path, workers: int, redis_database: int
) -> Contestant:
    """DBOS or Celery, on a database and a Valkey database of its own."""
    database_url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    with psycopg.connect(database_url) as connection:
        connection.execute((PEERS / "tables.sql").read_bytes())
        connection.cursor().executemany(
            "INSERT INTO customers (id, virtual_account, brokerage_account) VALUES (%s, %s, %s)",
            [(f"customer-{whose:04d}", f"va_{whose:04d}", brokerage_account(whose)) for whose in range(ACCOUNTS)],
        )
    module = [str(python), "-m", f"benchmarks.peers.{name}_deposits"]
    redis_url = shared["REDIS_URL"].rpartition("/")[0] + f"/{redis_database}"
    return Contestant(
        name=name,
        database_url=database_url,
        door=[*module, "door"],
        others=_numbered(workers, [*module, "worker"]),
        settings={**shared, "DATABASE_URL": database_url, "REDIS_URL": redis_url},
        prepare=[*module, "prepare"],
    )


def _numbered(workers: int, command: Sequence[str]) -> dict[str, Sequence[str]]:
    return {f"worker-{number}": command for number in range(1, workers + 1)}


class Running:
    """A contestant's processes while they run; `port` is its door's."""

    def __init__(self, contestant: Contestant, processes: Processes) -> None:
        self.contestant = contestant
        self._processes = processes
        self.names = [f"{contestant.name}-{name}" for name in (*contestant.others, "door")]
        for name, command in contestant.others.items():
            processes.start(f"{contestant.name}-{name}", command, contestant.settings)
        self.port = processes.serve(f"{contestant.name}-door", contestant.door, contestant.settings)

    def stop(self) -> None:
        """End them as a platform does. Raises: BenchmarkFailed."""
        self._processes.stop(self.names)

    @property
    def pids(self) -> list[int]:
        """Of those that run."""
        return self._processes.pids(self.names)

    def fault(self) -> str | None:
        """What the first of them said that has ended."""
        for name in self.names:
            if not self._processes.alive([name]):
                return f"{name} has ended:\n{self._processes.said(name)}"
        return None

    def said(self) -> str:
        """The last words of all of them."""
        return "\n".join(f"--- {name}\n{self._processes.said(name)}" for name in self.names)
