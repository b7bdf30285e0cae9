"""Refunds: money given back in parts or whole, and what comes back from a refund that fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.stripe.errors import StripeError
from sandbox.stripe.model import Record
from sandbox.stripe.payments import Charge, to_major

if TYPE_CHECKING:
    from sandbox.stripe.config import StripeConfig
    from sandbox.world import World

REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_GONE = frozenset({"failed", "canceled"})


@dataclass(kw_only=True)
class Refund(Record):
    """One refund. Statuses: pending, succeeded, failed, canceled, requires_action."""

    name: ClassVar[str] = "refund"

    amount: int
    currency: str
    charge_id: str
    intent_id: str
    reason: str | None = None
    failure_reason: str | None = None

    def as_json(self, config: StripeConfig) -> dict[str, Any]:  # noqa: ARG002 - others need it
        """As the API shows it; `failure_reason` only where there is one."""
        failure = {} if self.failure_reason is None else {"failure_reason": self.failure_reason}
        return {
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "charge": self.charge_id,
            "created": self.created,
            "currency": self.currency,
            **failure,
            "metadata": dict(self.metadata),
            "payment_intent": self.intent_id,
            "reason": self.reason,
            "status": self.status,
        }


class Refunds:
    """Every refund by id, oldest first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.by_id: dict[str, Refund] = {}

    def create(
        self,
        charge: Charge,
        amount: int | None = None,
        reason: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Refund:
        """Give back `amount` in minor units, else all that is left.

        Raises: StripeError 400, which its idempotency key keeps: nothing is left, too much, never paid, disputed.
        """
        self._check(charge, amount)
        world = self._world
        charge.remember(world.config, world.now())
        refund = Refund(
            id=world.ids.prefixed("re"),
            number=len(self.by_id) + 1,
            created_at=world.now(),
            livemode=charge.livemode,
            status="pending" if world.config.stripe_refund_seconds > 0 else "succeeded",
            metadata=metadata or {},
            amount=charge.refundable if amount is None else amount,
            currency=charge.currency,
            charge_id=charge.id,
            intent_id=charge.intent_id,
            reason=reason,
        )
        self.by_id[refund.id] = refund
        charge.amount_refunded += refund.amount
        world.stripe.payments.book(charge.currency, -refund.amount)
        world.stripe.events.happened(refund, "refund.created")
        world.stripe.events.happened(charge, "charge.refunded")
        if refund.status == "pending":
            world.after(world.config.stripe_refund_seconds, lambda: self._succeed(refund))
        return refund

    def fail(self, refund: Refund, reason: str = "lost_or_stolen_card") -> None:
        """The bank did not take it, even after it had succeeded: the money is back here and the charge as before it.

        Raises: ValueError: it has failed already.
        """
        if refund.status in _GONE:
            raise ValueError(f"the refund is {refund.status}")
        world = self._world
        charge = world.stripe.payments.charges[refund.charge_id]
        charge.remember(world.config, world.now())
        refund.remember(world.config, world.now())
        refund.status, refund.failure_reason = "failed", reason
        charge.amount_refunded -= refund.amount
        world.stripe.payments.book(refund.currency, refund.amount)
        world.stripe.events.updated(refund, "refund.updated")
        world.stripe.events.happened(refund, "refund.failed")

    def _succeed(self, refund: Refund) -> None:
        if refund.status == "pending":
            refund.remember(self._world.config, self._world.now())
            refund.status = "succeeded"
            self._world.stripe.events.updated(refund, "refund.updated")

    def _check(self, charge: Charge, amount: int | None) -> None:
        if charge.status != "succeeded":
            raise StripeError(400, f"Charge {charge.id} has not succeeded.", param="charge", kept=True)
        dispute = self._world.stripe.disputes.by_id.get(charge.dispute_id or "")
        if dispute is not None and not dispute.status.startswith("warning"):
            message = f"Charge {charge.id} has been charged back."
            raise StripeError(400, message, code="charge_disputed", param="charge", kept=True)
        if charge.refundable <= 0:
            message = f"Charge {charge.id} has already been refunded."
            raise StripeError(400, message, code="charge_already_refunded", param="charge", kept=True)
        if amount is not None and amount > charge.refundable:
            left, wanted = to_major(charge.refundable, charge.currency), to_major(amount, charge.currency)
            message = f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})"
            raise StripeError(400, message, param="amount", kept=True)
