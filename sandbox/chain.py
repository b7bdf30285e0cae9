"""Tokens on their way over a chain, from one pretended provider's address to another's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.world import World


@dataclass(frozen=True)
class Movement:
    """One payment on a chain; `amount` in whole tokens. One hash may pay several addresses."""

    hash: str
    network: str  # "tron", "ethereum"
    asset: str  # "USDT"
    sender: str
    recipient: str
    amount: Decimal
    sent_at: datetime


class Chain:
    """Every payment of a world, oldest first. Whoever has addresses listens, and knows its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._listeners: list[Callable[[Movement], None]] = []
        self.movements: list[Movement] = []

    def listen(self, arrived: Callable[[Movement], None]) -> None:
        """Be told of each payment when it arrives, to whatever address."""
        self._listeners.append(arrived)

    def send(
        self, network: str, asset: str, *, sender: str, recipient: str, amount: Decimal, seconds: float = 0.0
    ) -> Movement:
        """Pay an address; it arrives after so many seconds, or at once."""
        moment = self._world.now()
        movement = Movement(self._world.ids.chain_hash(), network, asset, sender, recipient, amount, moment)
        self.movements.append(movement)
        if seconds > 0:
            self._world.after(seconds, lambda: self._arrive(movement))
        else:
            self._arrive(movement)
        return movement

    def _arrive(self, movement: Movement) -> None:
        for arrived in self._listeners:
            arrived(movement)
