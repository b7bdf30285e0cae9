"""Control of Bridge: customers, deposits, and a hand on each payment."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response

from sandbox.bridge.model import Customer, Endpoint, Payment
from sandbox.http import Routes, json_body, reply


class BridgeControl(Routes):
    """What only Bridge's own staff, a customer, a bank or a chain could do.

    Bodies carry the keyword arguments of the method of `BridgeState` they stand for.
    """

    table: ClassVar = (
        ("POST", "/_control/bridge/customers", "add_customer"),
        ("POST", "/_control/bridge/customers/<customer_id>/kyc", "decide"),
        ("POST", "/_control/bridge/virtual_accounts", "add_virtual_account"),
        ("POST", "/_control/bridge/external_accounts", "add_external_account"),
        ("POST", "/_control/bridge/external_accounts/<account_id>", "change_external_account"),
        ("POST", "/_control/bridge/plaid/<link_token>", "finish_link"),
        ("POST", "/_control/bridge/liquidation_addresses", "add_liquidation_address"),
        ("POST", "/_control/bridge/liquidation_addresses/<address_id>/pay", "pay_address"),
        ("GET", "/_control/bridge/webhooks", "list_endpoints"),
        ("POST", "/_control/bridge/webhooks", "add_endpoint"),
        ("POST", "/_control/bridge/deposits", "deposit"),
        ("POST", "/_control/bridge/deposits/<deposit_id>", "force_deposit"),
        ("GET", "/_control/bridge/payments", "list_payments"),
        ("GET", "/_control/bridge/payments/<payment_id>", "get_payment"),
        ("POST", "/_control/bridge/payments/<payment_id>", "force_payment"),
        ("POST", "/_control/bridge/transfers/<transfer_id>/pay", "pay_transfer"),
        ("PUT", "/_control/bridge/return_policy", "set_return_policy"),
    )

    def add_customer(self) -> Response:
        """A customer with a KYC link: `{full_name?, email?, kind?, kyc?, tos?}`."""
        return reply(self._customer(self.world.bridge.add_customer(**_texts(json_body()))), 201)

    def decide(self, customer_id: str) -> Response:
        """KYC or terms get another status: `{kyc?, tos?, reasons?}`."""
        customer = self.world.bridge.customers[customer_id]
        self.world.bridge.people.decide(customer, **json_body())
        return reply(self._customer(customer))

    def _customer(self, customer: Customer) -> dict[str, Any]:
        return {**self.world.bridge.views.of(customer), "kyc": customer.kyc, "tos": customer.tos}

    def add_virtual_account(self) -> Response:
        """`{customer_id?, address, currency?, network?, coin?, developer_fee_percent?}`; without owner, a new one."""
        body = _texts(json_body())
        owner = body.pop("customer_id", None) or self.world.bridge.add_customer().id
        return reply(self.world.bridge.views.of(self.world.bridge.add_virtual_account(owner, **body)), 201)

    def add_external_account(self) -> Response:
        """`{customer_id, bank_name?, account_number?, routing_number?, ...}`."""
        made = self.world.bridge.add_external_account(**_texts(json_body()))
        return reply(self.world.bridge.views.of(made), 201)

    def change_external_account(self, account_id: str) -> Response:
        """The bank closes an account or opens it again: `{active}`."""
        account = self.world.bridge.external_accounts[account_id]
        self.world.bridge.people.change_bank(account, active=bool(json_body().get("active", True)))
        return reply(self.world.bridge.views.of(account))

    def finish_link(self, link_token: str) -> Response:
        """The customer chose a bank at Plaid, and it was told to Bridge."""
        return reply(self.world.bridge.views.of(self.world.bridge.plaid.finish(link_token)), 201)

    def add_liquidation_address(self) -> Response:
        """`{customer_id, external_account_id, payment_rail?, return_address?}`: USDT on Tron, paid out in dollars."""
        body = _texts(json_body())
        bank = self.world.bridge.external_accounts[body["external_account_id"]]
        rail = body.get("payment_rail", "ach")
        destination = {"payment_rail": rail, "currency": bank.currency, "external_account_id": bank.id}
        owner = self.world.bridge.customers[body["customer_id"]].id
        made = self.world.bridge.add_liquidation_address(owner, destination, return_address=body.get("return_address"))
        return reply(self.world.bridge.views.of(made), 201)

    def pay_address(self, address_id: str) -> Response:
        """Someone pays to a liquidation address: `{amount?, sender?}`; its drains as they are then."""
        self.world.bridge.pay_address(address_id, **_texts(json_body()))
        drains = [one for one in self.world.bridge.drains() if one.liquidation_address_id == address_id]
        return reply([self._payment(one) for one in drains], 201)

    def list_endpoints(self) -> Response:
        """Every webhook endpoint, its key as base64 of the DER."""
        return reply([self._endpoint(one) for one in self.world.bridge.endpoints.by_id.values()])

    def add_endpoint(self) -> Response:
        """An active endpoint: `{url, categories?, status?, epoch?}`."""
        made = self.world.bridge.endpoints.add(**{"status": "active", **json_body()})
        return reply(self._endpoint(made), 201)

    def _endpoint(self, endpoint: Endpoint) -> dict[str, Any]:
        key = self.world.bridge.endpoints.key(endpoint.number).der_base64
        shown = {"id": endpoint.id, "url": endpoint.url, "status": endpoint.status, "categories": endpoint.categories}
        return {**shown, "public_key_der": key}

    def deposit(self) -> Response:
        """A bank deposit arrives: `{virtual_account_id, amount?, path?, step_seconds?, rail?, exchange_fee?, ...}`."""
        return reply({"deposit_id": self.world.bridge.deposit(**json_body())}, 201)

    def force_deposit(self, deposit_id: str) -> Response:
        """Another course for a deposit: `{status?, path?, step_seconds?}`."""
        deposit = self.world.bridge.deposits.force(deposit_id, **json_body())
        to_come = [stage for stage, _ in deposit.course.steps]
        return reply({"deposit_id": deposit.id, "status": deposit.state, "to_come": to_come})

    def list_payments(self) -> Response:
        """Every transfer and drain with what only the sandbox knows, newest first."""
        return reply([self._payment(one) for one in reversed(self.world.bridge.payments.by_id.values())])

    def get_payment(self, payment_id: str) -> Response:
        """One transfer or drain with what only the sandbox knows."""
        return reply(self._payment(self.world.bridge.payments.by_id[payment_id]))

    def force_payment(self, payment_id: str) -> Response:
        """Put a hand on a transfer or drain.

        `{state?, path?, step_seconds?}` in place of what was planned; `{funded_path, funded_step_seconds?}` is the
        course it will take once funds are here; `{give_back: true, after_seconds?}` lets its bank return it.
        """
        body, bridge = json_body(), self.world.bridge
        payment = bridge.payments.by_id[payment_id]
        if "funded_path" in body:
            bridge.payments.prepare(payment, body["funded_path"], body.get("funded_step_seconds"))
        if body.get("give_back"):
            bridge.give_back(payment_id, body.get("after_seconds", 0.0))
        if {"state", "path"} & body.keys():
            told = {name: body[name] for name in ("state", "path", "step_seconds") if name in body}
            bridge.payments.force(payment_id, **told)
        return reply(self._payment(payment))

    def pay_transfer(self, transfer_id: str) -> Response:
        """Someone pays for a transfer, by its own rail: `{amount?, sender?}`."""
        self.world.bridge.pay_transfer(transfer_id, **_texts(json_body()))
        return reply(self._payment(self.world.bridge.payments.by_id[transfer_id]), 201)

    def set_return_policy(self) -> Response:
        """Where crypto goes back to, `{address}`; null takes the policy away."""
        address = json_body().get("address")
        self.world.bridge.set_return_policy(None if address is None else str(address))
        return reply({"address": self.world.bridge.return_address})

    def _payment(self, payment: Payment) -> dict[str, Any]:
        return self.world.bridge.payments.summary(payment)


def _texts(body: dict[str, Any]) -> dict[str, Any]:
    """A body whose values are all text. Raises: ValueError."""
    if not all(isinstance(value, str) for value in body.values()):
        raise ValueError("every field is text")
    return body
