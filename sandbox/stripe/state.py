"""Everything Stripe remembers, and what customers, merchants and banks do there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox import amounts
from sandbox.stripe.checkout import Checkout, CheckoutSession, Order
from sandbox.stripe.disputes import Dispute, Disputes
from sandbox.stripe.events import Events
from sandbox.stripe.idempotency import IdempotencyKeys
from sandbox.stripe.onramp import PATH, REFUSALS, Onramp, paced
from sandbox.stripe.onramp_model import CRYPTO_PLACES, FINAL, NETWORKS, OnrampSession, Wish, address_key
from sandbox.stripe.payments import Payments, to_minor
from sandbox.stripe.refunds import Refund, Refunds

if TYPE_CHECKING:
    from sandbox.world import World


@dataclass(frozen=True)
class Caller:
    """Who makes the request that runs now."""

    livemode: bool
    request_id: str
    idempotency_key: str | None = None


class StripeState:
    """Stripe's memory, and stories from outside it.

    Only the stories lock the world; they take money as text in major units and answer with the object as it is then.
    Each raises KeyError for an id that does not exist and ValueError for what cannot happen.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.caller: Caller | None = None
        self.keys = IdempotencyKeys(world)
        self.events = Events(world)
        self.onramp = Onramp(world)
        self.payments = Payments(world)
        self.checkout = Checkout(world)
        self.refunds = Refunds(world)
        self.disputes = Disputes(world)

    def ready(self) -> dict[str, Any]:
        """A secret key, the webhook secret, and the first endpoint."""
        config = self._world.config
        return {
            "stripe_secret_key": config.stripe_secret_keys[0],
            "stripe_webhook_secret": config.stripe_webhook_secrets[0],
            "stripe_webhook_endpoint_id": next(iter(self.events.endpoints), None),
        }

    def balances(self) -> dict[str, Any]:
        """The account's own fiat by currency, and what the onramp has delivered to customers, both in major units."""
        delivered: dict[str, Decimal] = {}
        for one in self.onramp.by_id.values():
            if one.transaction_id is not None and one.destination_currency and one.destination_amount:
                currency = one.destination_currency
                delivered[currency] = delivered.get(currency, Decimal(0)) + one.destination_amount
        return {
            "balance": self.payments.balances(),
            "onramp_delivered": {name: amounts.plain(amount) for name, amount in sorted(delivered.items())},
        }

    def effects(self) -> dict[str, Any]:
        """How many objects were made, and of which of the callers' own ids there is more than one of a kind.

        A caller's own id is `metadata[flow]`, at Checkout else `client_reference_id`. `duplicates` counts objects
        beyond the first of each; `unnamed` those whose owner nobody can tell.
        """
        sessions, pages = self.onramp.by_id.values(), self.checkout.by_id.values()
        names = {
            "onramp_sessions": [one.metadata.get("flow") for one in sessions],
            "checkout_sessions": [one.metadata.get("flow") or one.order.client_reference_id for one in pages],
            "refunds": [one.metadata.get("flow") for one in self.refunds.by_id.values()],
        }
        doubled = {kind: _repeated(found) for kind, found in names.items()}
        return {
            **{kind: len(found) for kind, found in names.items()},
            "doubled": doubled,
            "duplicates": sum(count - 1 for found in doubled.values() for count in found.values()),
            "unnamed": sum(name is None for found in names.values() for name in found),
        }

    def add_onramp_session(
        self,
        wallet_address: str | None = None,
        network: str = "ethereum",
        currency: str = "usdc",
        source_amount: str | None = "250.00",
        destination_amount: str | None = None,
        metadata: dict[str, str] | None = None,
        *,
        livemode: bool = False,
    ) -> OnrampSession:
        """A session as a caller would make it, its wallet locked."""
        with self._world.lock:
            if currency not in CRYPTO_PLACES or network not in NETWORKS:
                raise ValueError("no such currency or network")
            address = str(wallet_address or self._world.ids.address())
            paid = None if source_amount is None or destination_amount is not None else amounts.parse(source_amount)
            wish = Wish(
                wallet_addresses={address_key(network): address},
                lock_wallet_address=True,
                source_currency="usd",
                source_amount=paid,
                destination_currency=currency,
                destination_network=network,
                destination_amount=None if destination_amount is None else amounts.parse(destination_amount),
                metadata=_texts(metadata),
            )
            return self.onramp.create(wish, livemode=livemode)

    def pay_onramp(
        self,
        session_id: str,
        path: Sequence[str] | None = None,
        step_seconds: float | Sequence[float] = 0.2,
        **choice: str,
    ) -> OnrampSession:
        """The customer takes the session through `path`, the first status now and each other after its wait.

        Without a path, through what is left of the way to `fulfillment_complete`. `choice`: see `Onramp.choose`.
        """
        with self._world.lock:
            session = self._unfinished(session_id)
            known = PATH.index(session.status) + 1 if session.status in PATH else 0
            steps = list(PATH[known:] if path is None else path)
            if not steps:
                raise ValueError("a path needs at least one status")
            script = paced(steps[1:], step_seconds)
            self.onramp.move(session, str(steps[0]), **choice)
            self.onramp.plan(session, script)
            return session

    def abandon_onramp(self, session_id: str) -> OnrampSession:
        """The customer comes as far as the payment and goes away: nothing follows any more."""
        with self._world.lock:
            return self.pay_onramp(session_id, ("requires_payment",))

    def reject_onramp(self, session_id: str, after_seconds: float = 0.0) -> OnrampSession:
        """KYC, sanctions or fraud: `rejected`, for good."""
        with self._world.lock:
            session = self._unfinished(session_id)
            if session.status == "fulfillment_processing":
                raise ValueError("a session that is being fulfilled is not rejected any more")
            self.onramp.plan(session, paced(("rejected",), after_seconds))
            if after_seconds <= 0:
                self.onramp.advance(session)
            return session

    def force_onramp(self, session_id: str, status: str) -> OnrampSession:
        """Any status now, even one that no diagram has; nothing that was planned remains."""
        with self._world.lock:
            session = self.onramp.by_id[session_id]
            self.onramp.plan(session, ())
            self.onramp.move(session, status)
            return session

    def refuse_customer(self, customer_ip_address: str, refusal: str | None = "unsupportable_customer") -> None:
        """Refuse sessions for this address from now on, as `unsupported_country` or unsupportable; None: no more."""
        with self._world.lock:
            if refusal is not None and refusal not in REFUSALS:
                raise ValueError(f"unknown refusal; known: {', '.join(sorted(REFUSALS))}")
            self.onramp.refused.pop(customer_ip_address, None)
            if refusal is not None:
                self.onramp.refused[customer_ip_address] = refusal

    def add_checkout_session(
        self,
        amount: str = "250.00",
        currency: str = "usd",
        client_reference_id: str | None = None,
        metadata: dict[str, str] | None = None,
        *,
        livemode: bool = False,
    ) -> CheckoutSession:
        """A page as a caller would make it."""
        with self._world.lock:
            order = Order(
                amount=to_minor(amount, currency),
                currency=str(currency),
                client_reference_id=None if client_reference_id is None else str(client_reference_id),
                metadata=_texts(metadata),
                intent_metadata={},
            )
            return self.checkout.create(order, livemode=livemode)

    def pay_checkout(
        self, session_id: str, *, settles_after: float | None = None, succeeds: bool = True
    ) -> CheckoutSession:
        """The customer pays, at once or in a way whose end comes `settles_after` seconds later, good or bad."""
        with self._world.lock:
            session = self.checkout.by_id[session_id]
            seconds = None if settles_after is None else float(settles_after)
            self.checkout.pay(session, seconds=seconds, succeeds=succeeds)
            return session

    def refund(self, charge_id: str, amount: str | None = None) -> Refund:
        """The merchant refunds a part, or all that is left, in the dashboard."""
        with self._world.lock:
            charge = self.payments.charges[charge_id]
            part = None if amount is None else to_minor(amount, charge.currency)
            if part is not None and not 0 < part <= charge.refundable:
                raise ValueError("the amount lies outside what is left of the charge")
            return self.refunds.create(charge, part)

    def fail_refund(self, refund_id: str, reason: str = "lost_or_stolen_card") -> Refund:
        """The bank gives a refund back."""
        with self._world.lock:
            refund = self.refunds.by_id[refund_id]
            self.refunds.fail(refund, str(reason))
            return refund

    def open_dispute(
        self,
        charge_id: str,
        amount: str | None = None,
        reason: str = "fraudulent",
        status: str = "needs_response",
        *,
        withdraw: bool = True,
    ) -> Dispute:
        """The payer's bank disputes a charge and, unless told otherwise, takes the money at once."""
        with self._world.lock:
            charge = self.payments.charges[charge_id]
            part = None if amount is None else to_minor(amount, charge.currency)
            return self.disputes.open(charge, part, str(reason), status, withdraw=withdraw)

    def withdraw_dispute(self, dispute_id: str) -> Dispute:
        """The bank takes the money."""
        with self._world.lock:
            dispute = self.disputes.by_id[dispute_id]
            self.disputes.withdraw(dispute)
            return dispute

    def reinstate_dispute(self, dispute_id: str) -> Dispute:
        """The bank gives the money back."""
        with self._world.lock:
            dispute = self.disputes.by_id[dispute_id]
            self.disputes.reinstate(dispute)
            return dispute

    def close_dispute(self, dispute_id: str, status: str = "lost", *, reinstate: bool = True) -> Dispute:
        """The end, `won` or `lost`; what is won comes back first unless told otherwise."""
        with self._world.lock:
            dispute = self.disputes.by_id[dispute_id]
            self.disputes.close(dispute, status, reinstate=reinstate)
            return dispute

    def _unfinished(self, session_id: str) -> OnrampSession:
        session = self.onramp.by_id[session_id]
        if session.status in FINAL:
            raise ValueError(f"the session is {session.status}")
        return session


def _texts(metadata: dict[str, str] | None) -> dict[str, str]:
    return {str(name): str(value) for name, value in dict(metadata or {}).items()}


def _repeated(names: Iterable[str | None]) -> dict[str, int]:
    return {name: count for name, count in Counter(names).items() if name is not None and count > 1}
