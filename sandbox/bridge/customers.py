"""Bridge's routes about customers and who they are."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response, request

from sandbox.bridge.checks import Fields
from sandbox.bridge.errors import refused
from sandbox.bridge.found import customer, found
from sandbox.bridge.people import TYPES
from sandbox.bridge.reads import listed, shown
from sandbox.http import Routes, json_body, reply


class CustomerRoutes(Routes):
    """Customers and KYC links."""

    table: ClassVar = (
        ("POST", "/v0/customers", "create"),
        ("GET", "/v0/customers", "list_all"),
        ("GET", "/v0/customers/<customer_id>", "get"),
        ("GET", "/v0/customers/<customer_id>/kyc_link", "get_link_of"),
        ("POST", "/v0/customers/<customer_id>/simulate_kyc_approval", "approve"),
        ("POST", "/v0/kyc_links", "create_link"),
        ("GET", "/v0/kyc_links", "list_links"),
        ("GET", "/v0/kyc_links/<link_id>", "get_link"),
    )

    def create(self) -> Response:
        """A customer; with `signed_agreement_id` the terms are accepted, with papers KYC is under way."""
        fields = Fields(json_body())
        kind = fields.choice("type", TYPES)
        if kind == "business":
            name = fields.text("business_legal_name")
        else:
            name = f"{fields.text('first_name')} {fields.text('last_name')}"
        email, signed = fields.text("email"), fields.maybe("signed_agreement_id")
        fields.done()
        papers = fields.get("identifying_information")
        kyc, tos = "under_review" if papers else "not_started", "approved" if signed else "pending"
        made = self.world.bridge.people.add(name, email, kind, kyc=kyc, tos=tos)
        return reply(self.world.bridge.views.of(made), 201)

    def list_all(self) -> Response:
        """Every customer."""
        return reply(listed(self.world, self.world.bridge.customers.values()))

    def get(self, customer_id: str) -> Response:
        """One customer."""
        return reply(shown(self.world, customer(self.world, customer_id)))

    def get_link_of(self, customer_id: str) -> Response:
        """Where an existing customer goes to prove who they are."""
        one = customer(self.world, customer_id)
        query = f"?endorsement={request.args['endorsement']}" if request.args.get("endorsement") else ""
        return reply({"url": f"https://kyc.example/c/{one.id}{query}"})

    def approve(self, customer_id: str) -> Response:
        """The sandbox's own: KYC is approved at once; the terms are the customer's to accept."""
        one = customer(self.world, customer_id)
        self.world.bridge.people.decide(one, kyc="approved")
        return reply(self.world.bridge.views.of(one))

    def create_link(self) -> Response:
        """A KYC link, and the customer it is for."""
        fields = Fields(json_body())
        name, email = fields.text("full_name"), fields.text("email")
        kind, endorsements = fields.choice("type", TYPES), fields.words("endorsements")
        redirect = fields.maybe("redirect_uri")
        fields.done()
        people = self.world.bridge.people
        self._refuse_second(email)
        made = people.add_link(people.add(name, email, kind, kyc="not_started", tos="pending"), endorsements, redirect)
        return reply(self.world.bridge.views.of(made), 201)

    def _refuse_second(self, email: str) -> None:
        for link in self.world.bridge.kyc_links.values():
            view: dict[str, Any] = self.world.bridge.views.of(link)
            if view["email"] == email:
                error = refused("duplicate_record", "a KYC link for this email exists")
                error.body["existing_kyc_link"] = view
                raise error

    def list_links(self) -> Response:
        """Every KYC link."""
        return reply(listed(self.world, self.world.bridge.kyc_links.values()))

    def get_link(self, link_id: str) -> Response:
        """One KYC link."""
        return reply(shown(self.world, found(self.world, self.world.bridge.kyc_links, link_id, "KYC link")))
