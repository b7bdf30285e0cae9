"""The sandbox's world on a clock that stands still until it is moved."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.world import World

START = datetime(2026, 1, 1, 10, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Stage:
    """A world with one customer at both providers and one webhook endpoint."""

    world: World
    clock: Clock
    account: str
    virtual_account: str
    brokerage: str

    def run(self, seconds: float, answer: Callable[[bytes], int | None] = lambda _: 200) -> list[dict[str, Any]]:
        """Let time pass from happening to happening, answer each webhook; the bodies delivered."""
        until, bodies = self.clock.at + timedelta(seconds=seconds), []
        while (upcoming := self.world.next_happening()) is not None and upcoming <= until:
            self.clock.at = max(self.clock.at, upcoming)
            self.world.tick()
            for delivery in self.world.due_deliveries():
                self.world.delivery_answered(delivery.id, answer(delivery.body))
                bodies.append(json.loads(delivery.body))
        self.clock.at = until
        return bodies

    def deposit(self, **more: Any) -> str:
        return self.world.due.deposit(self.virtual_account, **more)

    def journal(self, amount: str = "100.00", key: str | None = None, **more: Any) -> Any:
        firm = self.world.alpaca.firm_account_id
        wanted = {"entry_type": "JNLC", "from_account": firm, "to_account": self.brokerage, "amount": amount, **more}
        return self.world.alpaca.journals.create(wanted, key)

    def cash(self, account: str | None = None) -> str:
        return self.world.alpaca.balances()[account or self.world.alpaca.firm_account_id]


def make_stage(seed: int = 0, **config: Any) -> Stage:
    clock = Clock()
    world = World(seed, clock, config)
    account = world.due.add_account()
    recipient = world.due.add_recipient(account.id)
    world.link_firm_recipient(recipient.id)
    virtual = world.due.add_virtual_account(account.id, recipient.id)
    world.due.endpoints.add("http://receiver/webhooks/due")
    return Stage(world, clock, account.id, virtual.id, world.alpaca.add_account())
