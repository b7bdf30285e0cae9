"""Payment intents and charges: as much of them as refunds and disputes need."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.stripe.model import Record
from sandbox.stripe.onramp_model import signed

if TYPE_CHECKING:
    from sandbox.stripe.config import StripeConfig
    from sandbox.world import World

ZERO_DECIMAL = frozenset(
    {
        *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
        *("pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"),
    }
)


def to_minor(text: str, currency: str) -> int:
    """Text in major units, perhaps negative, as a whole number of the currency's minor unit. Raises: ValueError."""
    return int(signed(text).scaleb(0 if currency in ZERO_DECIMAL else 2))


def to_major(amount: int, currency: str) -> str:
    """The other way."""
    return str(amount) if currency in ZERO_DECIMAL else f"{Decimal(amount).scaleb(-2):.2f}"


@dataclass(kw_only=True)
class PaymentIntent(Record):
    """What a payer is to pay."""

    name: ClassVar[str] = "payment_intent"

    amount: int
    currency: str
    charge_id: str | None = None

    def as_json(self, config: StripeConfig) -> dict[str, Any]:  # noqa: ARG002 - others need it
        """As the API shows it."""
        return {
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_received": self.amount if self.status == "succeeded" else 0,
            "created": self.created,
            "currency": self.currency,
            "latest_charge": self.charge_id,
            "livemode": self.livemode,
            "metadata": dict(self.metadata),
            "status": self.status,
        }


@dataclass(kw_only=True)
class Charge(Record):
    """One try to take the money."""

    name: ClassVar[str] = "charge"
    settled: ClassVar[str] = "succeeded"

    amount: int
    currency: str
    intent_id: str
    amount_refunded: int = 0
    dispute_id: str | None = None
    drifted: bool = False

    @property
    def refundable(self) -> int:
        """What can still be given back."""
        return self.amount - self.amount_refunded

    def drift(self, delta: str) -> None:
        """Be another amount than before."""
        self.amount = max(self.amount + to_minor(delta, self.currency), 0)

    def as_json(self, config: StripeConfig) -> dict[str, Any]:  # noqa: ARG002 - others need it
        """As the API shows it; `amount_refunded` is cumulative."""
        paid = self.status == "succeeded"
        return {
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.amount if paid else 0,
            "amount_refunded": self.amount_refunded,
            "captured": paid,
            "created": self.created,
            "currency": self.currency,
            "disputed": self.dispute_id is not None,
            "livemode": self.livemode,
            "metadata": dict(self.metadata),
            "paid": paid,
            "payment_intent": self.intent_id,
            "refunded": paid and self.amount_refunded >= self.amount,
            "status": self.status,
        }


class Payments:
    """Every payment intent and charge by id, oldest first, and the balance that charges, refunds, disputes move."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.intents: dict[str, PaymentIntent] = {}
        self.charges: dict[str, Charge] = {}
        self.balance: dict[str, int] = {}  # by currency, in minor units

    def begin(self, amount: int, currency: str, metadata: dict[str, str], *, livemode: bool) -> Charge:
        """A payment intent with a charge that is under way."""
        ids, now = self._world.ids, self._world.now()
        intent = PaymentIntent(
            id=ids.prefixed("pi"),
            number=len(self.intents) + 1,
            created_at=now,
            livemode=livemode,
            status="processing",
            metadata=metadata,
            amount=amount,
            currency=currency,
        )
        charge = Charge(
            id=ids.prefixed("ch"),
            number=len(self.charges) + 1,
            created_at=now,
            livemode=livemode,
            status="pending",
            metadata=dict(metadata),
            amount=amount,
            currency=currency,
            intent_id=intent.id,
        )
        intent.charge_id = charge.id
        self.intents[intent.id], self.charges[charge.id] = intent, charge
        return charge

    def settle(self, charge: Charge, *, succeeded: bool) -> None:
        """The charge's end, told for it and its intent."""
        config, now, events = self._world.config, self._world.now(), self._world.stripe.events
        intent = self.intents[charge.intent_id]
        for record in (charge, intent):
            record.remember(config, now)
        charge.status = "succeeded" if succeeded else "failed"
        intent.status = "succeeded" if succeeded else "requires_payment_method"
        if succeeded:
            self.book(charge.currency, charge.amount)
        events.happened(charge, f"charge.{charge.status}")
        events.happened(intent, f"payment_intent.{'succeeded' if succeeded else 'payment_failed'}")

    def book(self, currency: str, amount: int) -> None:
        """Move the balance."""
        self.balance[currency] = self.balance.get(currency, 0) + amount

    def balances(self) -> dict[str, str]:
        """By currency, in major units."""
        return {currency: to_major(amount, currency) for currency, amount in sorted(self.balance.items())}
