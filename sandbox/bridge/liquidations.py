"""Bridge's routes about liquidation addresses and drains."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from flask import Response, request

from sandbox.bridge.accounts import COINS
from sandbox.bridge.checks import Fields
from sandbox.bridge.found import customer, found, ready_customer
from sandbox.bridge.model import CHAINS, Payment
from sandbox.bridge.reads import listed
from sandbox.bridge.transfers import FIAT_RAILS, bare
from sandbox.http import Routes, json_body, reply

_BASE = "/v0/customers/<customer_id>/liquidation_addresses"


class LiquidationRoutes(Routes):
    """Permanent addresses, and what was drained from them."""

    table: ClassVar = (
        ("POST", _BASE, "create"),
        ("GET", _BASE, "list_of_customer"),
        ("GET", f"{_BASE}/<address_id>/drains", "list_drains"),
        ("GET", "/v0/liquidation_addresses", "list_all"),
        ("GET", "/v0/liquidation_addresses/drains", "list_all_drains"),
    )

    def create(self, customer_id: str) -> Response:
        """An address, and where what arrives there goes: to an external account or another address."""
        fields = Fields(json_body())
        chain, currency = fields.choice("chain", CHAINS), fields.choice("currency", COINS)
        rail = fields.choice("destination_payment_rail", FIAT_RAILS | CHAINS)
        told: dict[str, Any] = {"payment_rail": rail, "currency": fields.text("destination_currency")}
        bank, address = fields.maybe("external_account_id"), fields.maybe("destination_address")
        if (bank is None) == (address is None):
            fields.problem("external_account_id", "or destination_address is required, not both")
        told |= {"to_address": address} if bank is None else {"external_account_id": bank}
        if (rail in CHAINS) == (bank is not None):
            fields.problem("destination_payment_rail", "does not fit the destination")
        if note := fields.maybe("destination_ach_reference"):
            told["ach_reference"] = note
        percent = fields.percent("custom_developer_fee_percent") or Decimal(0)
        home = fields.maybe("return_address")
        fields.done()
        owner = ready_customer(self.world, customer_id)
        if bank is not None:
            self.world.bridge.people.bank_for(owner.id, bank, "external_account_id")
        made = self.world.bridge.add_liquidation_address(
            owner.id, told, chain=chain, currency=currency, fee_percent=percent, return_address=home
        )
        return reply(self.world.bridge.views.of(made), 201)

    def list_of_customer(self, customer_id: str) -> Response:
        """The customer's."""
        owner, every = customer(self.world, customer_id), self.world.bridge.liquidation_addresses.values()
        return reply(listed(self.world, every, lambda one: one.customer_id == owner.id))

    def list_all(self) -> Response:
        """Everyone's."""
        return reply(listed(self.world, self.world.bridge.liquidation_addresses.values()))

    def list_drains(self, customer_id: str, address_id: str) -> Response:
        """What was drained from one address."""
        owner, every = customer(self.world, customer_id), self.world.bridge.liquidation_addresses
        place = found(self.world, every, address_id, "liquidation address", owner.id)
        return self._drains(place.id)

    def list_all_drains(self) -> Response:
        """What was drained from every address."""
        return self._drains(None)

    def _drains(self, address_id: str | None) -> Response:
        state, tx_hash = request.args.get("state"), request.args.get("tx_hash")

        def wanted(one: Payment) -> bool:
            return (
                address_id in {None, one.liquidation_address_id}
                and state in {None, one.state}
                and tx_hash in {None, one.source_hash, one.destination_hash}
            )

        drains = self.world.bridge.drains()
        return reply(bare(self.world, listed(self.world, drains, wanted, times=True)))
