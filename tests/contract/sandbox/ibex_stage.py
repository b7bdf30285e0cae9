"""IBEX on a clock that stands still: a caller with a token, and whoever gets its webhooks."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from flask import Flask

from sandbox.ibex.app import create_ibex_app
from sandbox.inprocess import call
from sandbox.outbox import Delivery
from sandbox.world import World
from tests.support.clockwork import Clock

SECRET = "ibx_whsec_7Qm2"
URL = "http://receiver/webhooks/ibex"
TRON = "TDeuy7kpVisCUnthKSJWSEa4YctUzB7Ks4"
ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"


@dataclass
class IbexStage:
    """A world, and one who calls IBEX in it."""

    world: World
    clock: Clock
    app: Flask
    told: list[Delivery] = field(default_factory=list)
    token: str = ""

    @property
    def account(self) -> str:
        return self.world.ibex.first_account_id

    def call(self, method: str, target: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """Status and body; JSON's numbers are read as decimals."""
        headers = {"Authorization": self.token if token is None else token, "Content-Type": "application/json"}
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = call(self.app, method, target, headers, raw)
        is_json = answer.headers.get("Content-Type") == "application/json"
        return answer.status, json.loads(answer.body, parse_float=Decimal) if is_json else answer.body.decode()

    def get(self, target: str) -> Any:
        status, body = self.call("GET", target)
        assert status == 200, body
        return body

    def post(self, target: str, body: Any) -> Any:
        status, answer = self.call("POST", target, body)
        assert status in {200, 201}, answer
        return answer

    def oauth(self, **changes: str) -> tuple[int, Any]:
        ready = self.world.ibex.ready()
        form = {
            "grant_type": "client_credentials",
            "client_id": ready["ibex_client_id"],
            "client_secret": ready["ibex_client_secret"],
            "audience": ready["ibex_audience"],
            **changes,
        }
        raw = "&".join(f"{name}={value}" for name, value in form.items()).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = call(self.app, "POST", "/oauth/token", kind, raw)
        return answer.status, json.loads(answer.body)

    def run(self, seconds: float = 1.0, answer: Callable[[], int | None] = lambda: 200) -> list[dict[str, Any]]:
        """Let time pass, answer each webhook; the bodies told meanwhile."""
        until, bodies = self.clock.at + timedelta(seconds=seconds), []
        while (upcoming := self.world.next_happening()) is not None and upcoming <= until:
            self.clock.at = max(self.clock.at, upcoming)
            self.world.tick()
            for delivery in self.world.due_deliveries():
                self.world.delivery_answered(delivery.id, answer())
                self.told.append(delivery)
                bodies.append(json.loads(delivery.body, parse_float=Decimal))
        self.clock.at = until
        return bodies

    def receive_at(self, network: str = "ethereum") -> str:
        path = f"/accounts/{self.account}/crypto/receive-infos"
        address: str = self.post(path, {"name": "dep_01", "network": network})["data"]["address"]
        return address

    def send_info(self, address: str = ETHEREUM, network: str = "ethereum") -> str:
        needs = self.get(f"/crypto/send/requirements?network={network}&currency-id=29")
        wanted = {"name": "payout_01", "requirementsId": needs["requirementsId"], "data": {"address": address}}
        made: str = self.post("/crypto/send/infos", wanted)["id"]
        return made

    def send(self, amount: float = 25.0, info: str | None = None) -> tuple[int, Any]:
        wanted = {"cryptoSendInfosId": info or self.send_info(), "amount": amount}
        return self.call("POST", f"/accounts/{self.account}/crypto/send", wanted)

    def balance(self) -> Any:
        return self.get(f"/v2/account/{self.account}")["balance"]


def make_ibex(seed: int = 0, **config: Any) -> IbexStage:
    """A stage with a good token; names of the config are without `ibex_`."""
    clock = Clock()
    world = World(seed, clock, {f"ibex_{name}": value for name, value in config.items()})
    stage = IbexStage(world, clock, create_ibex_app(world))
    stage.token = stage.oauth()[1]["access_token"]
    return stage


def listening(**config: Any) -> IbexStage:
    """A stage whose caller subscribed, under the secret of the worked example."""
    stage = make_ibex(**config)
    stage.post(f"/accounts/{stage.account}/webhooks", {"url": URL, "secret": SECRET})
    return stage
