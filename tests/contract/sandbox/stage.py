"""What the tests of the sandbox hold: callers who know the credentials, a customer, a receiver of webhooks."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from sandbox.server import SandboxServer


def wait_for(fact: Callable[[], Any], within: float = 5.0) -> Any:
    """The first true value of `fact`, or a failure that shows the last one."""
    deadline = time.monotonic() + within
    while not (value := fact()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s; last seen: {value!r}")
        time.sleep(0.01)
    return value


@dataclass
class Caller:
    """One provider's API (or the control) as its user sees it."""

    base: str
    headers: dict[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = None

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        more.setdefault("timeout", 5)
        return requests.request(method, self.base + path, headers=headers, auth=self.auth, **more)  # noqa: S113 - set above

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> requests.Response:
        return self.call("POST", path, json=body, **more)


@dataclass
class Stage:
    """A sandbox with one customer at both providers."""

    server: SandboxServer
    customer: dict[str, Any]
    due: Caller
    alpaca: Caller
    control: Caller

    @property
    def firm(self) -> str:
        return self.server.world.alpaca.firm_account_id

    def fault(self, name: str, **more: Any) -> None:
        answer = self.control.call("PUT", "/_control/faults", json={"name": name, **more})
        assert answer.status_code == 200, answer.text

    def deposit(self, **more: Any) -> str:
        body = {"virtual_account_id": self.customer["virtual_account"], "step_seconds": 0, **more}
        answer = self.control.post("/_control/due/deposits", body)
        assert answer.status_code == 201, answer.text
        transfer_id: str = answer.json()["id"]
        return transfer_id

    def journal(self, amount: str = "100.00", key: str | None = None, **more: Any) -> requests.Response:
        parties = {"from_account": self.firm, "to_account": self.customer["brokerage_account"]}
        wanted = {"entry_type": "JNLC", **parties, "amount": amount, **more}
        return self.alpaca.post("/v1/journals", wanted, headers={"Idempotency-Key": key} if key else {})


def make_stage(server: SandboxServer) -> Stage:
    control = Caller(server.urls["control"])
    customer = control.post("/_control/customers").json()
    ready = server.ready()
    due = {"Authorization": f"Bearer {ready['due_api_key']}", "Due-Account-Id": customer["account"]}
    alpaca = Caller(server.urls["alpaca"], auth=(ready["alpaca_key_id"], ready["alpaca_secret"]))
    return Stage(server, customer, Caller(server.urls["due"], due), alpaca, control)


@dataclass
class Receiver:
    """Takes webhooks on a real socket; `status` is what it answers from now on."""

    url: str = ""
    status: int = 200
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
