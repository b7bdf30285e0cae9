"""A whole system of real processes for a benchmark, on servers of its own, and what it must not have done."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from embedded.postgres import PostgresServer
from embedded.supervisor import Process
from embedded.valkey import ValkeyServer
from ops.cli.signals import ended_by_signals
from ops.cli.system import ROOT, SETTINGS, running_system
from tests.support.fleet import Fleet

CONNECTIONS: Final = 400  # several workers of many threads


@contextmanager
def running_fleet(
    *,
    seed: int,
    customers: int,
    more: Mapping[str, str],
    pretended: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[Fleet]:
    """Web, worker, clock and pretended providers. None of the environment's own settings count.

    `more` are settings, `pretended` the sandbox's; `customers`: so many depositors at Due.
    """
    with (
        ended_by_signals(),
        PostgresServer(durable=True, max_connections=CONNECTIONS) as postgres,
        ValkeyServer() as valkey,
    ):
        environ = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        environ |= {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url}
        quiet = {"LOG_LEVEL": "warning", **more}
        with running_system(
            "bench", pretend=True, seed=seed, say=say, more=quiet, environ=environ, pretended=pretended
        ) as system:
            ours = replace(system.services, postgres=postgres, valkey=valkey)
            yield Fleet(replace(system, services=ours), customers=customers)


def add_unlimited(fleet: Fleet, name: str) -> None:
    """One more worker, but for the rates we assume of providers: else its places would fill at those."""
    command = [sys.executable, "-m", "benchmarks._worker"]
    fleet.system.supervisor.start(Process(name=name, command=command, env=fleet.system.environment, cwd=ROOT))


def say(text: str) -> None:
    """Tell whoever waits."""
    print(text, file=sys.stderr, flush=True)


def doubled_and_lost(fleet: Fleet) -> dict[str, int]:
    """`doubled`: journals beyond the one a deposit should lead to. `lost`: deposits without theirs.

    Counted at the sandbox, once everything is finished. Raises: AssertionError: something else is untrue.
    """
    fleet.wait(lambda: not fleet.untrue(), "nothing untrue", why=fleet.untrue)
    effects = fleet.system.control("GET", "effects")
    return {
        "doubled": effects["duplicates"] + len(effects["unexpected"]),
        "lost": len(effects["missing"]),
    }
