"""Bridge on a clock that stands still until it is moved, called without sockets."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flask import Flask

from sandbox.bridge.app import create_bridge_app
from sandbox.bridge.model import Customer, Payment, VirtualAccount
from sandbox.control import create_control_app
from sandbox.inprocess import Reply, call
from sandbox.outbox import Delivery
from sandbox.world import World
from tests.support.clockwork import Clock

PAYEE = "TPYmHEhy5n8TCEfYGqW2rPxsghSfzghPDn"
HOME = "TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf"


@dataclass
class Answer:
    """What Bridge answered."""

    status: int
    body: Any

    @property
    def code(self) -> str:
        code: str = self.body["code"]
        return code


@dataclass
class Stage:
    """A world with Bridge's app, one customer who may move money, and all that was delivered."""

    world: World
    clock: Clock
    app: Flask
    control: Flask
    customer: Customer
    delivered: list[Delivery] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    def call(self, method: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Answer:
        told = {"Api-Key": self.world.config.bridge_api_keys[0], **headers}
        if key is not None:
            told["Idempotency-Key"] = key
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return _answer(call(self.app, method, f"/v0{path}", told, raw))

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status == 200, answer.body
        return answer.body

    def post(self, path: str, body: Any = None, key: str | None = None) -> Answer:
        return self.call("POST", path, {} if body is None else body, key or f"key-{next(self._numbers)}")

    def steer(self, method: str, path: str, body: Any = None) -> Answer:
        raw = json.dumps(body if body is not None else {}).encode()
        return _answer(call(self.control, method, f"/_control/bridge{path}", {}, raw))

    def run(self, seconds: float, answer: Callable[[Delivery], int | None] = lambda _: 200) -> list[dict[str, Any]]:
        """Let time pass from happening to happening; the webhooks delivered meanwhile."""
        until, first = self.clock.at + timedelta(seconds=seconds), len(self.delivered)
        while (upcoming := self.world.next_happening()) is not None and upcoming <= until:
            self.clock.at = max(self.clock.at, upcoming)
            self.world.tick()
            for delivery in self.world.due_deliveries():
                self.delivered.append(delivery)
                self.world.delivery_answered(delivery.id, answer(delivery))
        self.clock.at = until
        return [json.loads(one.body) for one in self.delivered[first:]]

    def account(self, **more: Any) -> VirtualAccount:
        return self.world.bridge.add_virtual_account(self.customer.id, PAYEE, **more)

    def order(self, amount: str | None = "250.00", key: str | None = None, **more: Any) -> Answer:
        """A withdrawal of USDT on Tron to the customer's bank."""
        bridge = self.world.bridge
        banks = [one.id for one in bridge.external_accounts.values() if one.customer_id == self.customer.id]
        bank = banks[0] if banks else bridge.add_external_account(self.customer.id).id
        body = {
            "amount": amount,
            "on_behalf_of": self.customer.id,
            "source": {"payment_rail": "tron", "currency": "usdt"},
            "destination": {"payment_rail": "ach", "currency": "usd", "external_account_id": bank},
            **more,
        }
        return self.post("/transfers", body, key)

    def withdrawal(self, **more: Any) -> Payment:
        answer = self.order(**more)
        assert answer.status == 201, answer.body
        return self.world.bridge.payments.by_id[answer.body["id"]]

    def states(self, payment: Payment) -> list[str]:
        return [state for state, _ in payment.history]


def make_bridge_stage(seed: int = 0, **config: Any) -> Stage:
    clock = Clock()
    world = World(seed, clock, {"bridge_webhook_url": "https://receiver/webhooks/bridge", **config})
    return Stage(world, clock, create_bridge_app(world), create_control_app(world), world.bridge.add_customer())


def _answer(got: Reply) -> Answer:
    return Answer(got.status, json.loads(got.body))
