"""The whole system on one machine: servers, pretended providers, web, worker and clock, watched by a supervisor."""

import json
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from embedded.instance import Instance, new_instance
from embedded.services import Services, services
from embedded.supervisor import Process, Supervisor
from migrations.run import upgrade

ROOT: Final = Path(__file__).resolve().parents[2]
PRODUCT: Final = ("web", "worker", "clock")


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What runs. `sandbox` holds the addresses and keys of the pretended providers, None when none is pretended."""

    instance: Instance
    services: Services
    supervisor: Supervisor
    environment: Mapping[str, str]
    web: str
    sandbox: Mapping[str, Any] | None

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the sandbox's control API."""
        if self.sandbox is None:
            raise RuntimeError("no provider is pretended here")
        answer = requests.request(method, f"{self.sandbox['control']}/_control/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def running_system(
    kind: str, *, pretend: bool, seed: int, say: Callable[[str], None], more: Mapping[str, str]
) -> Iterator[System]:
    """Start everything, and stop all of it at the end. `more` are settings that come before the made-up ones."""
    with new_instance(ROOT, kind) as instance, services(durable=True) as servers:
        say("migrating the database")
        upgrade(servers.database_url)
        with Supervisor(instance.folder / "logs", say=say) as supervisor:
            sandbox = _sandbox(supervisor, instance, seed) if pretend else None
            port = _free_port()
            environment = {
                **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
                "DATABASE_URL": servers.database_url,
                "REDIS_URL": servers.redis_url,
                "PORT": str(port),
                "WEB_HOST": "127.0.0.1",
                "NOTIFY_ALLOW_PRIVATE": "1",
                **(_credentials(sandbox) if sandbox else {}),
                **more,
            }
            instance.write_environment({name: environment[name] for name in sorted(set(environment) - set(os.environ))})
            web = f"http://127.0.0.1:{port}"
            supervisor.start(
                Process(name="web", command=_module("web"), env=environment, cwd=ROOT, ready=lambda: _ready(web)),
                Process(name="worker", command=_module("workers"), env=environment, cwd=ROOT),
                Process(name="clock", command=_module("scheduler"), env=environment, cwd=ROOT),
            )
            system = System(
                instance=instance,
                services=servers,
                supervisor=supervisor,
                environment=environment,
                web=web,
                sandbox=sandbox,
            )
            if sandbox is not None:
                system.control("POST", "due/webhook_endpoints", {"url": f"{web}/webhooks/due"})
            yield system


def _sandbox(supervisor: Supervisor, instance: Instance, seed: int) -> Mapping[str, Any]:
    config = {"firm_cash": "1000000", "due_signing_seeds": [secrets.token_hex(32)]}
    command = [*_module("sandbox"), "--seed", str(seed), "--config", json.dumps(config)]
    log = instance.folder / "logs" / "sandbox.log"
    supervisor.start(
        Process(name="sandbox", command=command, env=dict(os.environ), cwd=ROOT, ready=lambda: _said(log) is not None)
    )
    said = _said(log)
    if said is None:
        raise RuntimeError("the sandbox did not say where it is")
    return said


def _said(log: Path) -> Mapping[str, Any] | None:
    """The sandbox's line of addresses, once it has written it."""
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        if line.startswith('{"'):
            said: Mapping[str, Any] = json.loads(line)
            return said
    return None


def _credentials(sandbox: Mapping[str, Any]) -> dict[str, str]:
    return {
        "DUE_BASE_URL": sandbox["due"],
        "DUE_API_KEY": sandbox["due_api_key"],
        "DUE_WEBHOOK_PUBLIC_KEYS": sandbox["due_public_key"],
        "ALPACA_BASE_URL": sandbox["alpaca"],
        "ALPACA_KEY_ID": sandbox["alpaca_key_id"],
        "ALPACA_SECRET": sandbox["alpaca_secret"],
        "ALPACA_FIRM_ACCOUNT_ID": sandbox["alpaca_firm_account_id"],
    }


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def _ready(web: str) -> bool:
    try:
        return requests.get(f"{web}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
