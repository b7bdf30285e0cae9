"""Disputes: a payer's bank takes the money back, and perhaps gives it up again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.stripe.errors import StripeError
from sandbox.stripe.model import Record
from sandbox.stripe.payments import Charge

if TYPE_CHECKING:
    from sandbox.stripe.config import StripeConfig
    from sandbox.world import World

STATUSES = frozenset(
    {
        *("warning_needs_response", "warning_under_review", "warning_closed", "needs_response", "under_review"),
        *("appeal_needs_response", "appeal_under_review", "won", "lost", "prevented"),
    }
)
CLOSED = frozenset({"won", "lost", "warning_closed", "prevented"})
_EVIDENCE_WITHIN = timedelta(days=9)


@dataclass(kw_only=True)
class Dispute(Record):
    """One dispute of one charge."""

    name: ClassVar[str] = "dispute"

    amount: int
    currency: str
    charge_id: str
    intent_id: str
    reason: str
    moved: int = 0  # what it has taken from our balance by now, in minor units
    moves: list[tuple[str, int]] = field(default_factory=list)  # each change of our balance: its id and amount

    def as_json(self, config: StripeConfig) -> dict[str, Any]:  # noqa: ARG002 - others need it
        """As the API shows it."""
        return {
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": [
                {"id": name, "object": "balance_transaction", "amount": amount, "currency": self.currency}
                for name, amount in self.moves
            ],
            "charge": self.charge_id,
            "created": self.created,
            "currency": self.currency,
            "evidence_details": {"due_by": int((self.created_at + _EVIDENCE_WITHIN).timestamp())},
            "is_charge_refundable": self.status.startswith("warning"),
            "livemode": self.livemode,
            "metadata": dict(self.metadata),
            "payment_intent": self.intent_id,
            "reason": self.reason,
            "status": self.status,
        }


class Disputes:
    """Every dispute by id, oldest first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.by_id: dict[str, Dispute] = {}

    def open(
        self,
        charge: Charge,
        amount: int | None = None,
        reason: str = "fraudulent",
        status: str = "needs_response",
        *,
        withdraw: bool = True,
    ) -> Dispute:
        """A payer complains about `amount` in minor units, else all of the charge; the bank takes it at once, or later.

        Raises: ValueError: never paid, disputed already, more than the charge, or a status that does not exist.
        """
        if charge.status != "succeeded" or charge.dispute_id is not None:
            raise ValueError("the charge has not succeeded, or is disputed already")
        if status not in STATUSES or (amount is not None and not 0 < amount <= charge.amount):
            raise ValueError("no such status, or an amount outside the charge")
        world = self._world
        charge.remember(world.config, world.now())
        dispute = Dispute(
            id=world.ids.prefixed("dp"),
            number=len(self.by_id) + 1,
            created_at=world.now(),
            livemode=charge.livemode,
            status=status,
            amount=charge.amount if amount is None else amount,
            currency=charge.currency,
            charge_id=charge.id,
            intent_id=charge.intent_id,
            reason=reason,
        )
        self.by_id[dispute.id] = dispute
        charge.dispute_id = dispute.id
        world.stripe.events.happened(dispute, "charge.dispute.created")
        if withdraw:
            self.withdraw(dispute)
        return dispute

    def withdraw(self, dispute: Dispute) -> None:
        """The money leaves our balance. Raises: ValueError: it has left."""
        if dispute.moved:
            raise ValueError("the money has been withdrawn")
        self._move(dispute, dispute.amount, "charge.dispute.funds_withdrawn")

    def reinstate(self, dispute: Dispute) -> None:
        """The money comes back. Raises: ValueError: it had not left."""
        if not dispute.moved:
            raise ValueError("no money was withdrawn")
        self._move(dispute, -dispute.amount, "charge.dispute.funds_reinstated")

    def update(self, dispute: Dispute, status: str) -> None:
        """Another status on the way. Raises: ValueError: closed already, or no such status."""
        self._take(dispute, status)
        self._world.stripe.events.updated(dispute, "charge.dispute.updated")

    def close(self, dispute: Dispute, status: str = "lost", *, reinstate: bool = True) -> None:
        """The end: `won` brings money that was withdrawn back first, unless told not to.

        Raises: ValueError: closed already, or a status that is no end.
        """
        if status not in CLOSED:
            raise ValueError(f"a dispute closes as one of {', '.join(sorted(CLOSED))}")
        self._take(dispute, status)
        if status != "lost" and dispute.moved and reinstate:
            self.reinstate(dispute)
        self._world.stripe.events.happened(dispute, "charge.dispute.closed")

    def accept(self, dispute: Dispute) -> None:
        """The merchant gives in by API. Raises: StripeError 400: closed already."""
        if dispute.status in CLOSED:
            raise StripeError(400, "This dispute is already closed.", kept=True)
        self.close(dispute, "lost")

    def _take(self, dispute: Dispute, status: str) -> None:
        if dispute.status in CLOSED or status not in STATUSES:
            raise ValueError("the dispute is closed, or there is no such status")
        dispute.remember(self._world.config, self._world.now())
        dispute.status = status

    def _move(self, dispute: Dispute, amount: int, kind: str) -> None:
        dispute.remember(self._world.config, self._world.now())
        dispute.moved += amount
        dispute.moves.append((self._world.ids.prefixed("txn"), -amount))
        self._world.stripe.payments.book(dispute.currency, -amount)
        self._world.stripe.events.happened(dispute, kind)
