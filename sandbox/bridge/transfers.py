"""Bridge's routes about transfers, with the first seed's beside them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from flask import Response, request

from sandbox.bridge.banks import CURRENCIES
from sandbox.bridge.checks import Fields
from sandbox.bridge.found import customer, found, ready_customer
from sandbox.bridge.model import CHAINS, Payment
from sandbox.bridge.reads import listed, shown
from sandbox.http import Routes, json_body, reply
from sandbox.world import World

FIAT_RAILS = frozenset({"ach", "ach_push", "ach_same_day", "wire", "sepa", "spei", "pix", "faster_payments"})
_FEATURES = frozenset({"flexible_amount", "static_template", "allow_any_from_address"})


class TransferRoutes(Routes):
    """Ordering, reading and calling off transfers."""

    table: ClassVar = (
        ("POST", "/v0/transfers", "create"),
        ("GET", "/v0/transfers", "list_all"),
        ("GET", "/v0/transfers/<transfer_id>", "get"),
        ("DELETE", "/v0/transfers/<transfer_id>", "delete"),
        ("GET", "/v0/customers/<customer_id>/transfers", "list_of_customer"),
        ("POST", "/v0/customers/<customer_id>/transfers", "create_in_seed_way"),
        ("GET", "/v0/customers/<customer_id>/transfers/<transfer_id>", "get_in_seed_way"),
    )

    def create(self) -> Response:
        """A transfer for the customer in `on_behalf_of`."""
        fields = Fields(json_body())
        return self._create(fields, fields.text("on_behalf_of"))

    def create_in_seed_way(self, customer_id: str) -> Response:
        """The same for the customer in the path."""
        return self._create(Fields(json_body()), customer_id)

    def _create(self, fields: Fields, customer_id: str) -> Response:
        features = fields.flags("features")
        if unknown := sorted(set(features) - _FEATURES):
            fields.problem("features", f"has no {', '.join(unknown)}")
        if features.get("static_template"):
            fields.problem("features", "static_template is not pretended")
        source = _side(fields, "source", ("from_address", "external_account_id"))
        destination = _side(fields, "destination", ("to_address", "external_account_id", "ach_reference"))
        wanted = "to_address" if destination["payment_rail"] in CHAINS else "external_account_id"
        if wanted not in destination:
            fields.problem(f"destination.{wanted}", "is required")
        amount, fee, percent = _amounts(fields, flexible=features.get("flexible_amount", False))
        reference, home = fields.maybe("client_reference_id"), fields.maybe("return_instructions.address")
        if home is not None and not self.world.config.bridge_takes_return_address:
            fields.problem("return_instructions", "is not a field of a transfer")
        fields.done()
        owner = ready_customer(self.world, customer_id)
        if wanted == "external_account_id":
            self.world.bridge.people.bank_for(owner.id, destination[wanted], "destination.external_account_id")
        made = self.world.bridge.payments.order(
            owner.id,
            amount=amount,
            fee=fee or Decimal(0),
            fee_percent=percent,
            source=source,
            destination=destination,
            reference=reference,
            features=features,
            return_address=home,
        )
        return reply(self.world.bridge.views.of(made), 201)

    def list_all(self) -> Response:
        """Everyone's."""
        return self._list(None)

    def list_of_customer(self, customer_id: str) -> Response:
        """The customer's."""
        return self._list(customer(self.world, customer_id).id)

    def _list(self, owner: str | None) -> Response:
        state, tx_hash = request.args.get("state"), request.args.get("tx_hash")

        def wanted(one: Payment) -> bool:
            return (
                owner in {None, one.customer_id}
                and state in {None, one.state}
                and tx_hash in {None, one.source_hash, one.destination_hash}
            )

        page = listed(self.world, self.world.bridge.transfers(), wanted, times=True, exclusive=True)
        return reply(bare(self.world, page))

    def get(self, transfer_id: str) -> Response:
        """One transfer."""
        return reply(shown(self.world, self._transfer(transfer_id)))

    def get_in_seed_way(self, customer_id: str, transfer_id: str) -> Response:
        """One transfer of this customer."""
        return reply(shown(self.world, self._transfer(transfer_id, customer_id)))

    def delete(self, transfer_id: str) -> Response:
        """Call off a transfer whose funds have not arrived."""
        transfer = self._transfer(transfer_id)
        self.world.bridge.payments.cancel(transfer)
        return reply(self.world.bridge.views.of(transfer))

    def _transfer(self, transfer_id: str, customer_id: str | None = None) -> Payment:
        every = {one.id: one for one in self.world.bridge.transfers()}
        return found(self.world, every, transfer_id, "transfer", customer_id)


def bare(world: World, page: Mapping[str, Any]) -> Any:
    """A page, or only its array where the world was told to speak as older documents do."""
    return page["data"] if world.config.bridge_bare_lists else page


def _side(fields: Fields, name: str, optional: tuple[str, ...]) -> dict[str, Any]:
    rail = fields.choice(f"{name}.payment_rail", FIAT_RAILS | CHAINS)
    currency = fields.text(f"{name}.currency")
    if rail in FIAT_RAILS and currency not in CURRENCIES:
        fields.problem(f"{name}.currency", "does not go over this rail")
    told = {other: fields.maybe(f"{name}.{other}") for other in optional}
    return {"payment_rail": rail, "currency": currency} | {key: value for key, value in told.items() if value}


def _amounts(fields: Fields, *, flexible: bool) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    amount, fee = fields.amount("amount"), fields.amount("developer_fee")
    percent = fields.percent("developer_fee_percent")
    if amount is None and not flexible:
        fields.problem("amount", "is required")
    if amount == 0:
        fields.problem("amount", "must be above zero")
    if fee is not None and (percent is not None or fee >= (amount or fee + 1)):
        fields.problem("developer_fee", "must be below the amount, and alone")
    return amount, fee, percent
