"""Checkout sessions: a page where a customer pays, at once or over days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.schedule import Happening
from sandbox.stripe.errors import StripeError
from sandbox.stripe.model import Record
from sandbox.stripe.payments import to_minor

if TYPE_CHECKING:
    from sandbox.stripe.config import StripeConfig
    from sandbox.world import World


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is sold: `amount` in minor units."""

    amount: int
    currency: str
    client_reference_id: str | None = None
    customer_email: str | None = None
    success_url: str | None = None
    metadata: dict[str, str]
    intent_metadata: dict[str, str]
    lives: timedelta = timedelta(hours=24)


@dataclass(kw_only=True)
class CheckoutSession(Record):
    """One page. Statuses: open, complete, expired; beside it `payment_status`."""

    name: ClassVar[str] = "checkout session"
    settled: ClassVar[str] = "complete"

    order: Order
    amount_total: int
    url: str
    expires_at: datetime
    payment_status: str = "unpaid"
    intent_id: str | None = None
    charge_id: str | None = None
    expiring: Happening | None = None
    drifted: bool = False

    def drift(self, delta: str) -> None:
        """Be another amount than before."""
        self.amount_total = max(self.amount_total + to_minor(delta, self.order.currency), 0)

    def as_json(self, config: StripeConfig) -> dict[str, Any]:  # noqa: ARG002 - others need it
        """As the API shows it."""
        is_open, order = self.status == "open", self.order
        return {
            "id": self.id,
            "object": "checkout.session",
            "amount_subtotal": self.amount_total,
            "amount_total": self.amount_total,
            "client_reference_id": order.client_reference_id,
            "created": self.created,
            "currency": order.currency,
            "customer_email": order.customer_email,
            "expires_at": int(self.expires_at.timestamp()),
            "livemode": self.livemode,
            "metadata": dict(self.metadata),
            "mode": "payment",
            "payment_intent": self.intent_id,
            "payment_status": self.payment_status,
            "status": self.status,
            "success_url": order.success_url,
            "url": self.url if is_open else None,
        }


class Checkout:
    """Every Checkout session by id, oldest first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.by_id: dict[str, CheckoutSession] = {}

    def create(self, order: Order, *, livemode: bool = False) -> CheckoutSession:
        """An open page that expires by itself; no event tells of it."""
        ids, now = self._world.ids, self._world.now()
        session_id = ids.prefixed("cs_live" if livemode else "cs_test")
        session = CheckoutSession(
            id=session_id,
            number=len(self.by_id) + 1,
            created_at=now,
            livemode=livemode,
            status="open",
            metadata=order.metadata,
            order=order,
            amount_total=order.amount,
            url=f"https://checkout.stripe.example/c/pay/{session_id}",
            expires_at=now + order.lives,
        )
        self.by_id[session_id] = session
        session.expiring = self._world.after(order.lives.total_seconds(), lambda: self.expire(session))
        return session

    def pay(self, session: CheckoutSession, *, seconds: float | None = None, succeeds: bool = True) -> None:
        """The customer pays: at once, or with `seconds` by a way that takes so long and may then fail.

        Raises: ValueError: the session is not open, or a payment at once that fails (the page just stays open then).
        """
        if session.status != "open":
            raise ValueError(f"the session is {session.status}")
        if seconds is None and not succeeds:
            raise ValueError("a card that is refused leaves the session as it is")
        self._complete(session)
        payments, events = self._world.stripe.payments, self._world.stripe.events
        if not session.amount_total:
            session.payment_status = "no_payment_required"
            events.happened(session, "checkout.session.completed")
            return
        order = session.order
        charge = payments.begin(session.amount_total, order.currency, order.intent_metadata, livemode=session.livemode)
        session.intent_id, session.charge_id = charge.intent_id, charge.id
        if seconds is None:
            payments.settle(charge, succeeded=True)
            session.payment_status = "paid"
            events.happened(session, "checkout.session.completed")
            return
        events.happened(session, "checkout.session.completed")
        self._world.after(seconds, lambda: self._settle(session, succeeds))

    def expire(self, session: CheckoutSession) -> None:
        """Close an open page. Raises: StripeError 400: it is not open."""
        if session.status != "open":
            raise StripeError(400, f"Only open sessions can be expired; this one is {session.status}.", kept=True)
        session.remember(self._world.config, self._world.now())
        session.status = "expired"
        self._call_off(session)
        self._world.stripe.events.happened(session, "checkout.session.expired")

    def _complete(self, session: CheckoutSession) -> None:
        session.remember(self._world.config, self._world.now())
        session.status = "complete"
        self._call_off(session)

    def _call_off(self, session: CheckoutSession) -> None:
        if session.expiring is not None:
            session.expiring.cancelled = True

    def _settle(self, session: CheckoutSession, succeeds: bool) -> None:  # noqa: FBT001 - how it ends
        charge = self._world.stripe.payments.charges[session.charge_id or ""]
        session.remember(self._world.config, self._world.now())
        self._world.stripe.payments.settle(charge, succeeded=succeeds)
        session.payment_status = "paid" if succeeds else "unpaid"
        kind = f"checkout.session.async_payment_{'succeeded' if succeeds else 'failed'}"
        self._world.stripe.events.happened(session, kind)
