"""Money on its way from Due to the firm's account at Alpaca."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox import amounts

if TYPE_CHECKING:
    from sandbox.world import World


class Payouts:
    """What Due has paid out and Alpaca has not received yet, in dollars."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._in_transit: dict[str, Decimal] = {}

    def send(self, transfer_id: str, amount: Decimal, delay_seconds: float) -> None:
        """Let the money arrive after the delay, as cash and as an activity that names the transfer."""
        if delay_seconds <= 0:
            self._arrive(transfer_id, amount)
            return
        self._in_transit[transfer_id] = amount
        self._world.after(delay_seconds, lambda: self._arrive(transfer_id, amount))

    def take_back(self, transfer_id: str, amount: Decimal) -> None:
        """The bank takes a payout back from the firm's account (an ACH return)."""
        ledger = self._world.alpaca.ledger
        ledger.book(self._world.alpaca.firm_account_id, "CSW", -amount, f"ACH RETURN DUE NETWORK {transfer_id}")

    def in_transit(self) -> str:
        """The dollars under way."""
        return amounts.plain(sum(self._in_transit.values(), Decimal(0)))

    def _arrive(self, transfer_id: str, amount: Decimal) -> None:
        self._in_transit.pop(transfer_id, None)
        ledger = self._world.alpaca.ledger
        ledger.book(self._world.alpaca.firm_account_id, "CSD", amount, f"ACH CREDIT DUE NETWORK {transfer_id}")
