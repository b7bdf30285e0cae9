"""The life of a transfer at Due: its statuses, in their order, at their moments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox import amounts
from sandbox.due import views
from sandbox.due.model import Side, Transfer
from sandbox.times import rfc3339

if TYPE_CHECKING:
    from sandbox.due.state import DueState
    from sandbox.world import World

STATUSES = (
    "awaiting_funds",
    "funds_received",
    "approved",
    "manual_review",
    "action_required",
    "payment_submitted",
    "payment_processed",
    "refund_submitted",
    "refund_processed",
    "canceled",
    "failed",
)
FINAL = frozenset({"payment_processed", "refund_processed", "canceled", "failed"})
FUND_WITHIN = timedelta(minutes=5)
_UNFUNDED = frozenset({"awaiting_funds"})
_RETURNED = frozenset({"refund_processed", "canceled"})
_CHAINS = frozenset({"ethereum", "base", "arbitrum", "polygon", "optimism", "avalanche", "solana", "tron"})


class TransferLife:
    """Makes transfers and moves them on; every change is announced by webhook."""

    def __init__(self, world: World, due: DueState) -> None:
        self._world = world
        self._due = due

    def create(
        self,
        owner_id: str,
        source: Side,
        destination: Side,
        *,
        fx_rate: Decimal = Decimal(1),
        payout_delay: float | None = None,
    ) -> Transfer:
        """A transfer that has no status yet; `begin` gives it a course."""
        now = self._world.now()
        transfer = Transfer(
            id=self._world.ids.prefixed("tf"),
            owner_id=owner_id,
            number=len(self._due.transfers) + 1,
            status="",
            source=source,
            destination=destination,
            fx_rate=fx_rate,
            instructions={"kind": "transfer_intent"},
            created_at=now,
            expires_at=now + FUND_WITHIN,
            payout_delay=self._world.config.payout_delay_seconds if payout_delay is None else payout_delay,
        )
        if self._world.config.amount_style == "varied":
            dice = self._world.ids.stream("amount_style")
            for side in (source, destination):
                stable = amounts.places(side.currency) == 6  # noqa: PLR2004 - USDC's and USDT's own precision
                side.style = dice.choice(("plain", "trimmed", "six") if stable else ("plain", "trimmed"))
        self._due.transfers[transfer.id] = transfer
        self._due.transfers_of.setdefault(owner_id, []).append(transfer)
        return transfer

    def begin(self, transfer: Transfer, path: Sequence[str], waits: Sequence[float]) -> None:
        """Take the first status now and plan the rest: `waits[i]` seconds between status i and i + 1."""
        self.move(transfer, path[0])
        self.plan(transfer, path[1:], waits)

    def plan(self, transfer: Transfer, path: Sequence[str], waits: Sequence[float]) -> None:
        """Replace what is still to come."""
        transfer.script.clear()
        transfer.script.extend(zip(path, waits, strict=False))
        self._plan_next(transfer)

    def move(self, transfer: Transfer, status: str) -> None:
        """Give a transfer this status now, whatever it was, and tell everyone."""
        self.remember(transfer)
        transfer.status = status
        transfer.reads = 0
        transfer.history.append((status, self._world.now()))
        was_received = transfer.received
        transfer.received = transfer.received or status not in _UNFUNDED
        if transfer.received and not was_received:
            transfer.source.confirmation = self._confirmation(transfer.source)
        if status == "payment_processed" and not transfer.paid_out:
            transfer.paid_out = True
            transfer.destination.confirmation = self._confirmation(transfer.destination)
            self._pay_out(transfer)
        elif status == "refund_submitted":
            transfer.paid_out = False  # a payout that came back is with Due again until the refund is through
        elif status in _RETURNED:
            transfer.paid_out, transfer.settled_back = False, True
        self._due.endpoints.announce_transfer(transfer)

    def advance(self, transfer: Transfer) -> bool:
        """Take the next planned step now instead of later; False if none is planned."""
        if not transfer.script:
            return False
        status, _ = transfer.script.popleft()
        self.move(transfer, status)
        self._plan_next(transfer)
        return True

    def remember(self, transfer: Transfer) -> None:
        """Keep how it looked until now, for stale reads."""
        if transfer.status:
            transfer.before = views.transfer(transfer, self._world.config.time_digits)
            transfer.changed_at = self._world.now()

    def _plan_next(self, transfer: Transfer) -> None:
        if transfer.coming is not None:
            transfer.coming.cancelled = True
            transfer.coming = None
        if transfer.script:
            _, wait = transfer.script[0]
            transfer.coming = self._world.after(wait, lambda: self._step(transfer))

    def _step(self, transfer: Transfer) -> None:
        self.advance(transfer)

    def _pay_out(self, transfer: Transfer) -> None:
        if transfer.destination.recipient_id in self._due.firm_recipients:
            self._world.payouts.send(transfer.id, transfer.destination.amount, transfer.payout_delay)

    def _confirmation(self, side: Side) -> dict[str, str] | None:
        if side.rail not in _CHAINS:
            return None
        return {"kind": "transaction_hash", "network": side.rail, "hash": self._world.ids.chain_hash()}

    def summary(self, transfer: Transfer) -> dict[str, Any]:
        """The transfer with what only the sandbox knows of it."""
        digits = self._world.config.time_digits
        return {
            **views.transfer(transfer, digits),
            "received": transfer.received,
            "paidOut": transfer.paid_out,
            "returned": transfer.settled_back,
            "toCome": [status for status, _ in transfer.script],
            "history": [{"status": status, "at": rfc3339(at, digits)} for status, at in transfer.history],
        }
