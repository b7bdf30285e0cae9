"""The whole system on one machine: servers, pretended providers, web, worker and clock, watched by a supervisor."""

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import requests
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from embedded.instance import Instance, new_instance
from embedded.ports import free_port
from embedded.services import Services, services
from embedded.supervisor import Process, Supervisor
from migrations.run import upgrade
from ops.actions.passwords import hash_password
from settings import GROUPS, Settings, table

ROOT: Final = Path(__file__).resolve().parents[2]
PRODUCT: Final = ("web", "worker", "clock")
PRETENDED: Final = ("due", "alpaca", "bridge", "ibex", "stripe")
SETTINGS: Final = frozenset(row.name for _, group in (("", Settings), *GROUPS) for _, row in table(group))
CONTROL_S: Final = 10.0  # how long the pretended providers' control has to answer
START_LIMIT: Final = timedelta(minutes=3)  # of a process, on a slow and busy machine
OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What runs. `environment` is that of the product's processes.

    `sandbox` holds the addresses and keys of the pretended providers, None when none is pretended; `metrics` the
    address of each process's figures; `operator` name and password of the user made for /ops, None where OPS_USERS
    names them.
    """

    instance: Instance
    services: Services
    supervisor: Supervisor
    environment: Mapping[str, str]
    web: str
    metrics: Mapping[str, str]
    sandbox: Mapping[str, Any] | None
    operator: tuple[str, str] | None

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the sandbox's control API."""
        if self.sandbox is None:
            raise RuntimeError("no provider is pretended here")
        answer = requests.request(method, f"{self.sandbox['control']}/_control/{path}", json=body, timeout=CONTROL_S)
        answer.raise_for_status()
        return answer.json()

    def addresses(self) -> dict[str, str]:
        """Everything a person may want to open or read, by name."""
        pretended = {} if self.sandbox is None else {"sandbox": f"{self.sandbox['control']}/"}
        signed_in = {"pages": f"{self.web}/ops"} | (
            {"sign in": f"{self.operator[0]}, password {self.operator[1]}"} if self.operator else {}
        )
        return {
            "web": self.web,
            **signed_in,
            **pretended,
            **{f"metrics of {name}": address for name, address in self.metrics.items()},
            "settings": str(self.instance.folder / "env"),
            "logs": str(self.instance.folder / "logs"),
            "commands": f"bin/rampkeeper --instance {self.instance.name} --help",
        }


@contextmanager
def running_system(
    kind: str,
    *,
    pretend: bool,
    seed: int,
    say: Callable[[str], None],
    more: Mapping[str, str],
    environ: Mapping[str, str] = os.environ,
    pretended: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[System]:
    """Start everything, and stop all of it at the end.

    `more` are settings that come before the made-up ones; `environ` the settings given from outside. A provider whose
    base URL they name is not pretended. `pretended` is told to the sandbox besides (`sandbox.config`).
    Raises: EmbeddedError, SupervisorError.
    """
    with new_instance(ROOT, kind) as instance:
        say("starting Postgres and Valkey")
        with services(durable=True, environment=environ) as servers:
            say("migrating the database")
            upgrade(servers.database_url)
            with Supervisor(instance.folder / "logs", say=say) as supervisor:
                system = _start(
                    instance,
                    servers,
                    supervisor,
                    pretend=pretend,
                    seed=seed,
                    say=say,
                    given=environ,
                    more=more,
                    pretended=pretended,
                )
                try:
                    yield system
                finally:
                    say("stopping everything")


def _start(
    instance: Instance,
    servers: Services,
    supervisor: Supervisor,
    *,
    pretend: bool,
    seed: int,
    say: Callable[[str], None],
    given: Mapping[str, str],
    more: Mapping[str, str],
    pretended: Mapping[str, Any],
) -> System:
    port = given.get("PORT", "").strip() or str(free_port())
    web = f"http://127.0.0.1:{port}"
    names = [name for name in PRETENDED if pretend and not given.get(f"{name.upper()}_BASE_URL", "").strip()]
    sandbox = _sandbox(supervisor, instance, seed, f"{web}/webhooks", pretended) if names else None
    operator = None if given.get("OPS_USERS", "").strip() else (OPERATOR, secrets.token_urlsafe(12))
    environment = {
        **{name: value for name, value in given.items() if not name.startswith("PYTHON")},
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "PORT": port,
        "WEB_HOST": given.get("WEB_HOST", "").strip() or "127.0.0.1",
        "NOTIFY_ALLOW_PRIVATE": "1",
        **({"OPS_USERS": f"{operator[0]}:approver:{hash_password(operator[1])}"} if operator else {}),
        **(_credentials(sandbox, names) if sandbox else {}),
        **more,
    }
    instance.write_environment({name: environment[name] for name in sorted(SETTINGS & environment.keys())})
    ports = {"worker": str(free_port()), "clock": str(free_port())}
    say("starting web, worker and clock")
    supervisor.start(
        Process(
            name="web",
            command=_module("web"),
            env=environment,
            cwd=ROOT,
            ready=lambda: is_ready(web),
            ready_within=START_LIMIT,
        ),
        *(
            Process(name=name, command=_module(module), env={**environment, "METRICS_PORT": ports[name]}, cwd=ROOT)
            for name, module in (("worker", "workers"), ("clock", "scheduler"))
        ),
    )
    return System(
        instance=instance,
        services=servers,
        supervisor=supervisor,
        environment=environment,
        web=web,
        metrics={"web": f"{web}/metrics", **{name: f"http://127.0.0.1:{number}/" for name, number in ports.items()}},
        sandbox=sandbox,
        operator=operator,
    )


def is_ready(web: str) -> bool:
    """Whether the web process at this address can accept events."""
    try:
        return requests.get(f"{web}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def _sandbox(
    supervisor: Supervisor, instance: Instance, seed: int, webhooks: str, pretended: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Start the pretended providers at ports of their own, so that they come back where they were."""
    config = {
        "firm_cash": "1000000",
        "due_signing_seeds": [secrets.token_hex(32)],
        "due_webhook_url": f"{webhooks}/due",
        "due_legacy_webhook_url": f"{webhooks}/due/deposit",
        "bridge_signing_keys": [_rsa_key()],
        "bridge_webhook_url": f"{webhooks}/bridge",
        "ibex_webhook_url": f"{webhooks}/ibex",
        "ibex_webhook_secret": secrets.token_urlsafe(24),
        "stripe_webhook_url": f"{webhooks}/stripe",
        "stripe_webhook_secrets": [f"whsec_{secrets.token_urlsafe(24)}"],
        **pretended,
    }
    ports = [f"{name}={free_port()}" for name in ("--port", *(f"--{provider}-port" for provider in PRETENDED))]
    command = [*_module("sandbox"), "--seed", str(seed), *ports, "--config", json.dumps(config)]
    log = instance.folder / "logs" / "sandbox.log"
    plain = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    supervisor.start(
        Process(
            name="sandbox",
            command=command,
            env=plain,
            cwd=ROOT,
            ready=lambda: _said(log) is not None,
            ready_within=START_LIMIT,
        )
    )
    said = _said(log)
    if said is None:
        raise RuntimeError("the sandbox did not say where it is")
    return said


def _rsa_key() -> str:
    """A private key that nobody has, as the sandbox takes it."""
    key = generate_private_key(public_exponent=65_537, key_size=2048)
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def _said(log: Path) -> Mapping[str, Any] | None:
    """The sandbox's line of addresses, once it has written it."""
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        if line.startswith('{"'):
            said: Mapping[str, Any] = json.loads(line)
            return said
    return None


def _credentials(sandbox: Mapping[str, Any], names: list[str]) -> dict[str, str]:
    """The settings of the providers that are pretended."""
    settings = {
        "DUE_BASE_URL": sandbox["due"],
        "DUE_API_KEY": sandbox["due_api_key"],
        "DUE_WEBHOOK_PUBLIC_KEYS": sandbox["due_public_key"],
        "DUE_LEGACY_WEBHOOK_SECRET": sandbox["due_legacy_secret"],
        "ALPACA_BASE_URL": sandbox["alpaca"],
        "ALPACA_KEY_ID": sandbox["alpaca_key_id"],
        "ALPACA_SECRET": sandbox["alpaca_secret"],
        "ALPACA_FIRM_ACCOUNT_ID": sandbox["alpaca_firm_account_id"],
        "BRIDGE_BASE_URL": sandbox["bridge"],
        "BRIDGE_API_KEY": sandbox["bridge_api_key"],
        "BRIDGE_WEBHOOK_PUBLIC_KEYS": sandbox["bridge_public_key"],
        "IBEX_BASE_URL": sandbox["ibex"],
        "IBEX_CLIENT_ID": sandbox["ibex_client_id"],
        "IBEX_CLIENT_SECRET": sandbox["ibex_client_secret"],
        "IBEX_AUTH_URL": sandbox["ibex"],
        "IBEX_AUDIENCE": sandbox["ibex_audience"],
        "IBEX_WEBHOOK_SECRETS": sandbox["ibex_webhook_secret"],
        "STRIPE_BASE_URL": sandbox["stripe"],
        "STRIPE_SECRET_KEY": sandbox["stripe_secret_key"],
        "STRIPE_WEBHOOK_SECRETS": sandbox["stripe_webhook_secret"],
    }
    return {setting: value for setting, value in settings.items() if setting.partition("_")[0].lower() in names}


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]
