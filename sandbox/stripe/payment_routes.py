"""Stripe's routes about what becomes of a payment: intents, charges, refunds, disputes."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response

from sandbox.http import reply
from sandbox.stripe.disputes import Dispute
from sandbox.stripe.errors import StripeError, invalid, required
from sandbox.stripe.form import Params
from sandbox.stripe.payments import Charge, PaymentIntent
from sandbox.stripe.reads import shown
from sandbox.stripe.refunds import REASONS, Refund
from sandbox.stripe.routes import StripeRoutes

_OF_CHARGE: dict[str, Any] = {
    "charge": lambda one: one.charge_id,
    "payment_intent": lambda one: one.intent_id,
}


class PaymentRoutes(StripeRoutes):
    """Only refunds are made here by a caller: payments begin at Checkout, disputes at a bank."""

    table: ClassVar = (
        ("GET", "/v1/payment_intents", "list_intents"),
        ("GET", "/v1/payment_intents/<record_id>", "get_intent"),
        ("GET", "/v1/charges", "list_charges"),
        ("GET", "/v1/charges/<record_id>", "get_charge"),
        ("POST", "/v1/refunds", "create_refund"),
        ("GET", "/v1/refunds", "list_refunds"),
        ("GET", "/v1/refunds/<record_id>", "get_refund"),
        ("GET", "/v1/disputes", "list_disputes"),
        ("GET", "/v1/disputes/<record_id>", "get_dispute"),
        ("POST", "/v1/disputes/<record_id>/close", "accept_dispute"),
    )

    def list_intents(self) -> Response:
        """Newest first."""
        return self._list(self.world.stripe.payments.intents, {})

    def get_intent(self, record_id: str) -> Response:
        """One payment intent."""
        self._query()
        return reply(shown(self.world, self._found(self.world.stripe.payments.intents, record_id, PaymentIntent)))

    def list_charges(self) -> Response:
        """Newest first."""
        return self._list(self.world.stripe.payments.charges, {"payment_intent": lambda one: one.intent_id})

    def get_charge(self, record_id: str) -> Response:
        """One charge."""
        self._query()
        return reply(shown(self.world, self._found(self.world.stripe.payments.charges, record_id, Charge)))

    def create_refund(self) -> Response:
        """Of a charge or of a payment intent, whole or in part."""
        return self._once(("charge", "payment_intent", "amount", "reason", "metadata"), self._create_refund)

    def _create_refund(self, params: Params) -> dict[str, Any]:
        charge = self._charge(params.text("charge"), params.text("payment_intent"))
        amount, reason = params.whole("amount", 1), params.choice("reason", REASONS)
        refund = self.world.stripe.refunds.create(charge, amount, reason, params.metadata())
        return refund.as_json(self.world.config)

    def _charge(self, charge_id: str | None, intent_id: str | None) -> Charge:
        payments = self.world.stripe.payments
        if charge_id is not None and intent_id is not None:
            raise invalid("Give one of charge and payment_intent, not both.", "charge")
        if charge_id is not None:
            return self._found(payments.charges, charge_id, Charge, "charge")
        if intent_id is None:
            raise required("charge")
        intent = self._found(payments.intents, intent_id, PaymentIntent, "payment_intent")
        charge = payments.charges.get(intent.charge_id or "")
        if charge is None:
            raise StripeError(400, "This PaymentIntent has no charge to refund.", param="payment_intent")
        return charge

    def list_refunds(self) -> Response:
        """Newest first."""
        return self._list(self.world.stripe.refunds.by_id, _OF_CHARGE)

    def get_refund(self, record_id: str) -> Response:
        """One refund."""
        self._query()
        return reply(shown(self.world, self._found(self.world.stripe.refunds.by_id, record_id, Refund)))

    def list_disputes(self) -> Response:
        """Newest first."""
        return self._list(self.world.stripe.disputes.by_id, _OF_CHARGE)

    def get_dispute(self, record_id: str) -> Response:
        """One dispute."""
        self._query()
        return reply(shown(self.world, self._found(self.world.stripe.disputes.by_id, record_id, Dispute)))

    def accept_dispute(self, record_id: str) -> Response:
        """Give in: lost."""

        def act(_: Params) -> dict[str, Any]:
            dispute = self._found(self.world.stripe.disputes.by_id, record_id, Dispute)
            self.world.stripe.disputes.accept(dispute)
            return dispute.as_json(self.world.config)

        return self._once((), act)
