"""Customers, who they are and what they agreed to, and their own bank accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.bridge.errors import BridgeError, invalid, refused
from sandbox.bridge.model import Customer, ExternalAccount, KycLink

if TYPE_CHECKING:
    from sandbox.bridge.state import BridgeState
    from sandbox.world import World

KYC = frozenset(
    {
        *("not_started", "incomplete", "awaiting_questionnaire", "awaiting_ubo", "under_review"),
        *("approved", "rejected", "paused", "offboarded"),
    }
)
TOS = frozenset({"pending", "approved"})
TYPES = frozenset({"individual", "business"})
_WEIGHTS = (3, 7, 1) * 3


class People:
    """Makes customers and moves them on; every change is announced."""

    def __init__(self, world: World, state: BridgeState) -> None:
        self._world = world
        self._state = state

    def add(self, full_name: str, email: str, kind: str, *, kyc: str, tos: str) -> Customer:
        """A customer. Raises: BridgeError 400."""
        if kyc not in KYC or tos not in TOS or kind not in TYPES:
            raise invalid(status="is not a known one")
        for one in self._state.customers.values():
            if one.email == email:
                raise refused("duplicate_record", "a customer with this email exists")
        made = Customer(
            **self._state.identity("customer", self._state.customers),
            type=kind,
            full_name=full_name,
            email=email,
            kyc=kyc,
            tos=tos,
        )
        made.customer_id = made.id
        self._state.customers[made.id] = made
        view = self._state.views.of(made)
        self._state.endpoints.announce("customer", "created", view, status=view.get("status"))
        return made

    def add_link(self, customer: Customer, endorsements: list[str], redirect_uri: str | None) -> KycLink:
        """A KYC link for a customer who has none yet."""
        identity = self._state.identity("kyc_link", self._state.kyc_links, customer.id)
        link = KycLink(**identity, endorsements=endorsements, redirect_uri=redirect_uri)
        self._state.kyc_links[link.id] = link
        self._state.endpoints.announce("kyc_link", "created", self._state.views.of(link), status=customer.kyc)
        return link

    def link_of(self, customer: Customer) -> KycLink | None:
        """The customer's KYC link, if there is one."""
        return next((one for one in self._state.kyc_links.values() if one.customer_id == customer.id), None)

    def decide(
        self, customer: Customer, kyc: str | None = None, tos: str | None = None, reasons: list[str] | None = None
    ) -> None:
        """Give KYC or terms another status and tell everyone. Raises: BridgeError 400: no such status."""
        if (kyc is not None and kyc not in KYC) or (tos is not None and tos not in TOS):
            raise invalid(status="is not a known one")
        link, before = self.link_of(customer), customer.kyc
        old = self._state.remember(customer)
        old_link = self._state.remember(link) if link else {}
        customer.kyc, customer.tos = kyc or customer.kyc, tos or customer.tos
        customer.rejection_reasons = list(reasons or [])
        mutation = "updated" if customer.kyc == before else "updated.status_transitioned"
        announce = self._state.endpoints.announce
        if link is not None:
            view = self._state.views.of(link)
            announce("kyc_link", mutation, view, status=customer.kyc, changes=changes(old_link, view))
        view = self._state.views.of(customer)
        announce("customer", mutation, view, status=view.get("status"), changes=changes(old, view))
        if customer.kyc != before and customer.kyc in {"approved", "rejected"}:
            data = {"customer_id": customer.id, "kyc_status": customer.kyc}
            self._state.endpoints.announce_in_seed_way("kyc", f"kyc.{customer.kyc}", data)

    def must_be_ready(self, customer: Customer) -> None:
        """Raises: BridgeError 400: terms not accepted, KYC not approved, or the customer is stopped."""
        if customer.kyc in {"paused", "offboarded"}:
            raise refused("frozen", "the customer is stopped")
        if customer.tos != "approved":
            raise refused("has_not_accepted_tos", "the customer has not accepted the terms of service")
        if customer.kyc != "approved":
            raise refused("requires_active_kyc_status", "the customer's KYC is not approved")

    def add_bank(
        self,
        customer: Customer,
        *,
        bank_name: str = "Example Bank",
        owner_name: str | None = None,
        account_number: str | None = None,
        routing_number: str = "021000021",
        checking_or_savings: str = "checking",
        currency: str = "usd",
    ) -> ExternalAccount:
        """A customer's own bank account. Raises: BridgeError 400: a routing number with a wrong check digit."""
        if not routing_is_valid(routing_number):
            raise invalid(account__routing_number="is not a routing number")
        full = account_number or self._world.ids.digits("bridge_bank", 12)
        made = ExternalAccount(
            **self._state.identity("external_account", self._state.external_accounts, customer.id),
            currency=currency,
            bank_name=bank_name,
            owner_name=owner_name or customer.full_name,
            number_last_4=full[-4:],
            routing=routing_number,
            checking_or_savings=checking_or_savings,
            meaning=(customer.id, routing_number, full),
        )
        if any(one.meaning == made.meaning and not one.deleted for one in self._state.external_accounts.values()):
            raise refused("duplicate_record", "this external account exists")
        self._state.external_accounts[made.id] = made
        self._state.endpoints.announce("external_account", "created", self._state.views.of(made))
        return made

    def change_bank(self, bank: ExternalAccount, *, active: bool | None = None, deleted: bool = False) -> None:
        """Close an account at its bank, open it again, or forget it."""
        old = self._state.remember(bank)
        bank.active = (bank.active if active is None else active) and not deleted
        bank.deleted = bank.deleted or deleted
        view = self._state.views.of(bank)
        mutation = "deleted" if deleted else "updated"
        self._state.endpoints.announce("external_account", mutation, view, changes=changes(old, view))

    def bank_for(self, customer_id: str, bank_id: str, field: str) -> ExternalAccount:
        """A customer's bank account that can be paid. Raises: BridgeError 400."""
        bank = self._state.external_accounts.get(bank_id)
        if bank is None or bank.deleted or bank.customer_id != customer_id:
            raise BridgeError(400, "invalid_parameters", "external account not found", field)
        if not bank.active:
            raise refused("deactivated_external_account", "the external account is deactivated")
        return bank


def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, list[Any]]:
    """What differs, each field as `[old, new]`; the moment of the change itself is not told."""
    return {
        name: [old.get(name), value] for name, value in new.items() if old.get(name) != value and name != "updated_at"
    }


def routing_is_valid(text: str) -> bool:
    """Nine digits whose sum under the weights 3, 7, 1 is a multiple of ten; all zeros are refused."""
    if len(text) != len(_WEIGHTS) or not (text.isascii() and text.isdecimal()) or not int(text):
        return False
    return sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text, strict=True)) % 10 == 0
