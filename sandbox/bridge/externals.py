"""Bridge's routes about customers' own bank accounts."""

from __future__ import annotations

from typing import ClassVar

from flask import Response

from sandbox.bridge.checks import Fields
from sandbox.bridge.found import customer, found
from sandbox.bridge.model import ExternalAccount
from sandbox.bridge.people import routing_is_valid
from sandbox.bridge.reads import listed, shown
from sandbox.http import Routes, json_body, reply

_BASE = "/v0/customers/<customer_id>/external_accounts"
_LONGEST_NUMBER = 17


class ExternalRoutes(Routes):
    """External accounts, told by the caller or linked through Plaid."""

    table: ClassVar = (
        ("POST", _BASE, "create"),
        ("GET", _BASE, "list_all"),
        ("POST", f"{_BASE}/link", "link_in_seed_way"),
        ("GET", f"{_BASE}/<account_id>", "get"),
        ("PUT", f"{_BASE}/<account_id>", "update"),
        ("DELETE", f"{_BASE}/<account_id>", "delete"),
        ("POST", "/v0/customers/<customer_id>/plaid_link_requests", "link"),
        ("POST", "/v0/plaid_exchange_public_token/<link_token>", "exchange"),
    )

    def create(self, customer_id: str) -> Response:
        """A US account; its full number is never shown again."""
        fields = Fields(json_body())
        fields.choice("account_type", {"us"}, "us")
        currency = fields.choice("currency", {"usd"})
        owner, bank = fields.text("account_owner_name"), fields.maybe("bank_name") or "Example Bank"
        number, routing = fields.text("account.account_number"), fields.text("account.routing_number")
        side = fields.choice("account.checking_or_savings", {"checking", "savings"}, "checking")
        if not (number.isascii() and number.isalnum()) or len(number) > _LONGEST_NUMBER:
            fields.problem("account.account_number", "is not an account number")
        if not routing_is_valid(routing):
            fields.problem("account.routing_number", "is not a routing number")
        for name in ("street_line_1", "city", "country"):
            fields.text(f"address.{name}")
        fields.done()
        made = self.world.bridge.people.add_bank(
            customer(self.world, customer_id),
            bank_name=bank,
            owner_name=owner,
            account_number=number,
            routing_number=routing,
            checking_or_savings=side,
            currency=currency,
        )
        return reply(self.world.bridge.views.of(made), 201)

    def list_all(self, customer_id: str) -> Response:
        """The customer's that are not deleted."""
        owner = customer(self.world, customer_id)
        every = self.world.bridge.external_accounts.values()
        return reply(listed(self.world, every, lambda one: one.customer_id == owner.id and not one.deleted))

    def get(self, customer_id: str, account_id: str) -> Response:
        """One external account."""
        return reply(shown(self.world, self._account(customer_id, account_id)))

    def update(self, customer_id: str, account_id: str) -> Response:
        """Another name or kind; numbers cannot be changed."""
        account, fields = self._account(customer_id, account_id), Fields(json_body())
        bank = fields.maybe("bank_name")
        side = fields.choice("account.checking_or_savings", {"checking", "savings"}, account.checking_or_savings)
        fields.done()
        account.bank_name, account.checking_or_savings = bank or account.bank_name, side
        self.world.bridge.people.change_bank(account)
        return reply(self.world.bridge.views.of(account))

    def delete(self, customer_id: str, account_id: str) -> Response:
        """Forget an account; nothing can be paid to it any more."""
        account = self._account(customer_id, account_id)
        self.world.bridge.people.change_bank(account, deleted=True)
        return reply(self.world.bridge.views.of(account))

    def link(self, customer_id: str) -> Response:
        """A token with which the customer links a bank through Plaid."""
        return reply(self.world.bridge.plaid.ask(customer(self.world, customer_id)), 201)

    def link_in_seed_way(self, customer_id: str) -> Response:
        """The first seed's name for it: the same token, and the address of a page that uses it."""
        asked = self.world.bridge.plaid.ask(customer(self.world, customer_id))
        return reply({**asked, "url": f"https://link.example/{asked['link_token']}"}, 201)

    def exchange(self, link_token: str) -> Response:
        """What the customer brought back from Plaid: the bank account is made. Takes no idempotency key."""
        fields = Fields(json_body())
        fields.text("public_token")
        fields.done()
        self.world.bridge.plaid.finish(link_token)
        return reply({"message": "external account created"})

    def _account(self, customer_id: str, account_id: str) -> ExternalAccount:
        owner = customer(self.world, customer_id)
        every = {one.id: one for one in self.world.bridge.external_accounts.values() if not one.deleted}
        return found(self.world, every, account_id, "external account", owner.id)
