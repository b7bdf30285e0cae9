"""Control of Stripe: what customers, merchants, banks and Stripe's own staff do."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response

from sandbox.http import Routes, json_body, reply
from sandbox.stripe.model import Record
from sandbox.stripe.onramp_model import OnrampSession
from sandbox.times import rfc3339


class StripeControl(Routes):
    """Bodies carry the keyword arguments of the method of `StripeState` they stand for; money is in major units."""

    table: ClassVar = (
        ("GET", "/_control/stripe/onramp_sessions", "list_onramp"),
        ("POST", "/_control/stripe/onramp_sessions", "add_onramp"),
        ("POST", "/_control/stripe/onramp_sessions/<record_id>/pay", "pay_onramp"),
        ("POST", "/_control/stripe/onramp_sessions/<record_id>/abandon", "abandon_onramp"),
        ("POST", "/_control/stripe/onramp_sessions/<record_id>/reject", "reject_onramp"),
        ("POST", "/_control/stripe/onramp_sessions/<record_id>/force", "force_onramp"),
        ("PUT", "/_control/stripe/onramp", "set_onramp"),
        ("PUT", "/_control/stripe/refused_customers", "refuse_customer"),
        ("POST", "/_control/stripe/checkout_sessions", "add_checkout"),
        ("POST", "/_control/stripe/checkout_sessions/<record_id>/pay", "pay_checkout"),
        ("GET", "/_control/stripe/charges", "list_charges"),
        ("POST", "/_control/stripe/charges/<record_id>/refunds", "refund"),
        ("POST", "/_control/stripe/refunds/<record_id>/fail", "fail_refund"),
        ("POST", "/_control/stripe/charges/<record_id>/disputes", "open_dispute"),
        ("POST", "/_control/stripe/disputes/<record_id>/withdraw", "withdraw_dispute"),
        ("POST", "/_control/stripe/disputes/<record_id>/reinstate", "reinstate_dispute"),
        ("POST", "/_control/stripe/disputes/<record_id>/close", "close_dispute"),
        ("POST", "/_control/stripe/webhook_endpoints", "add_endpoint"),
        ("POST", "/_control/stripe/events/<event_id>/resend", "resend"),
        ("PUT", "/_control/stripe/held_keys", "hold_key"),
    )

    def _shown(self, record: Record, status: int = 200) -> Response:
        return reply(record.as_json(self.world.config), status)

    def list_onramp(self) -> Response:
        """Every session with what only the sandbox knows, newest first."""
        return reply([self._told(one) for one in reversed(self.world.stripe.onramp.by_id.values())])

    def _told(self, session: OnrampSession) -> dict[str, Any]:
        history = [{"status": status, "at": rfc3339(at)} for status, at in session.history]
        to_come = [status for status, _ in session.script]
        return {**session.as_json(self.world.config), "history": history, "to_come": to_come}

    def add_onramp(self) -> Response:
        """A session: `{wallet_address?, network?, currency?, source_amount?, destination_amount?, metadata?}`."""
        return self._shown(self.world.stripe.add_onramp_session(**json_body()), 201)

    def pay_onramp(self, record_id: str) -> Response:
        """The customer pays: `{path?, step_seconds?, source_amount?, rate?, wallet_address?, ...}`."""
        return self._shown(self.world.stripe.pay_onramp(record_id, **json_body()))

    def abandon_onramp(self, record_id: str) -> Response:
        """The customer goes away before paying."""
        return self._shown(self.world.stripe.abandon_onramp(record_id))

    def reject_onramp(self, record_id: str) -> Response:
        """Stripe refuses the customer: `{after_seconds?}`."""
        return self._shown(self.world.stripe.reject_onramp(record_id, **json_body()))

    def force_onramp(self, record_id: str) -> Response:
        """Any status at all: `{status}`."""
        return self._shown(self.world.stripe.force_onramp(record_id, str(json_body()["status"])))

    def set_onramp(self) -> Response:
        """The onramp's switches: `{disabled?, merchant_ready?}`."""
        body, onramp = json_body(), self.world.stripe.onramp
        onramp.disabled = bool(body.get("disabled", onramp.disabled))
        onramp.merchant_ready = bool(body.get("merchant_ready", onramp.merchant_ready))
        return reply({"disabled": onramp.disabled, "merchant_ready": onramp.merchant_ready})

    def refuse_customer(self) -> Response:
        """Whom Stripe will not serve: `{customer_ip_address, refusal?}`; a refusal of null ends it."""
        self.world.stripe.refuse_customer(**json_body())
        return reply(dict(self.world.stripe.onramp.refused))

    def add_checkout(self) -> Response:
        """A session: `{amount?, currency?, client_reference_id?, metadata?}`."""
        return self._shown(self.world.stripe.add_checkout_session(**json_body()), 201)

    def pay_checkout(self, record_id: str) -> Response:
        """The customer pays: `{settles_after?, succeeds?}`."""
        return self._shown(self.world.stripe.pay_checkout(record_id, **json_body()))

    def list_charges(self) -> Response:
        """Every charge, newest first."""
        return reply([one.as_json(self.world.config) for one in reversed(self.world.stripe.payments.charges.values())])

    def refund(self, record_id: str) -> Response:
        """The merchant refunds in the dashboard: `{amount?}`."""
        return self._shown(self.world.stripe.refund(record_id, **json_body()), 201)

    def fail_refund(self, record_id: str) -> Response:
        """The bank gives a refund back: `{reason?}`."""
        return self._shown(self.world.stripe.fail_refund(record_id, **json_body()))

    def open_dispute(self, record_id: str) -> Response:
        """A bank disputes a charge: `{amount?, reason?, status?, withdraw?}`."""
        return self._shown(self.world.stripe.open_dispute(record_id, **json_body()), 201)

    def withdraw_dispute(self, record_id: str) -> Response:
        """The bank takes the money."""
        return self._shown(self.world.stripe.withdraw_dispute(record_id))

    def reinstate_dispute(self, record_id: str) -> Response:
        """The bank gives the money back."""
        return self._shown(self.world.stripe.reinstate_dispute(record_id))

    def close_dispute(self, record_id: str) -> Response:
        """The end: `{status?, reinstate?}`."""
        return self._shown(self.world.stripe.close_dispute(record_id, **json_body()))

    def add_endpoint(self) -> Response:
        """Another webhook endpoint: `{url, events?}`."""
        body: dict[str, Any] = json_body()
        endpoint = self.world.stripe.events.add_endpoint(str(body["url"]), tuple(body.get("events", ["*"])))
        return reply({"id": endpoint.id, "url": endpoint.url, "events": list(endpoint.events)}, 201)

    def resend(self, event_id: str) -> Response:
        """Send an event once more to each endpoint that was told."""
        self.world.stripe.events.resend(event_id)
        return reply({})

    def hold_key(self) -> Response:
        """Let a request under an idempotency key run on: `{key, seconds}`; others with it are answered 409."""
        body = json_body()
        self.world.stripe.keys.hold(str(body["key"]), float(body["seconds"]))
        return reply({})
