"""Stripe in a world on a clock of its own, its caller, and whoever hears its webhooks."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Flask

from sandbox.inprocess import Reply, call
from sandbox.outbox import Delivery
from sandbox.stripe.app import create_stripe_app
from sandbox.world import World
from tests.support.clockwork import Clock

SECRET_KEY = "sk_test_sandbox0001"
ADDRESS = "0x52aE9d0A11"
ONRAMP = "/v1/crypto/onramp_sessions"
SEED = "/v1/crypto/onramp/sessions"
WISH = {
    "wallet_addresses[ethereum]": ADDRESS,
    "lock_wallet_address": "true",
    "source_currency": "usd",
    "source_amount": "250.00",
    "destination_currency": "usdc",
    "destination_network": "ethereum",
    "metadata[flow]": "dep_1",
}


@dataclass
class Stage:
    """`heard` is every webhook delivered, its body as JSON."""

    world: World
    clock: Clock
    app: Flask
    key: str = SECRET_KEY
    heard: list[dict[str, Any]] = field(default_factory=list)
    tries: list[Delivery] = field(default_factory=list)

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> Reply:
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        return call(self.app, method, target, {name.replace("_", "-"): value for name, value in sent.items()}, body)

    def get(self, target: str, **query: Any) -> Any:
        """The body of a good answer."""
        answer = self.ask("GET", f"{target}?{urlencode(query)}" if query else target)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def send(self, target: str, form: dict[str, Any] | list[tuple[str, str]], key: str | None = None) -> Reply:
        more = {} if key is None else {"Idempotency-Key": key}
        content = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", target, urlencode(form).encode(), **content, **more)

    def post(self, target: str, key: str | None = None, /, **form: Any) -> Any:
        """The body of a good answer."""
        answer = self.send(target, form, key)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def refused(self, target: str, form: dict[str, Any]) -> dict[str, Any]:
        """The error of a bad answer."""
        answer = self.send(target, form)
        assert answer.status >= 400, answer.body
        error: dict[str, Any] = json.loads(answer.body)["error"]
        return error

    def session(self, **more: Any) -> str:
        session_id: str = self.post(ONRAMP, **(WISH | more))["id"]
        return session_id

    def charge(self, amount: str = "250.00", **more: Any) -> str:
        """One that a customer has paid at Checkout."""
        stripe = self.world.stripe
        charge_id = stripe.pay_checkout(stripe.add_checkout_session(amount, **more).id).charge_id
        assert charge_id is not None
        return charge_id

    def run(self, seconds: float = 60.0, answer: Callable[[bytes], int | None] = lambda _: 200) -> list[str]:
        """Let time pass and answer each webhook; the types heard meanwhile, in their order."""
        until, before = self.clock.at + timedelta(seconds=seconds), len(self.heard)
        while (upcoming := self.world.next_happening()) is not None and upcoming <= until:
            self.clock.at = max(self.clock.at, upcoming)
            self.world.tick()
            for delivery in self.world.due_deliveries():
                self.world.delivery_answered(delivery.id, answer(delivery.body))
                self.tries.append(delivery)
                self.heard.append(json.loads(delivery.body))
        self.clock.at = until
        return [event["type"] for event in self.heard[before:]]


def make_stage(seed: int = 0, **config: Any) -> Stage:
    clock = Clock()
    world = World(seed, clock, {"stripe_webhook_url": "http://receiver/webhook/stripe", **config})
    return Stage(world, clock, create_stripe_app(world))


def basic(name: str, password: str = "") -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
