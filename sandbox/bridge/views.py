"""Bridge's objects as its API shows them."""

from __future__ import annotations

from decimal import Decimal
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Any

from sandbox import amounts
from sandbox.bridge.fees import charged
from sandbox.bridge.model import (
    CHAINS,
    Activity,
    Customer,
    ExternalAccount,
    KycLink,
    LiquidationAddress,
    Payment,
    Record,
    VirtualAccount,
)
from sandbox.times import milliseconds

if TYPE_CHECKING:
    from sandbox.bridge.state import BridgeState

STATUS_FIELDS: dict[type[Record], tuple[str, ...]] = {
    Payment: ("state",),
    Activity: ("type",),
    Customer: ("status", "kyc_status"),
    KycLink: ("kyc_status",),
    VirtualAccount: ("status",),
}


def number(amount: Decimal | None, least: int = 2) -> str | None:
    """Decimal text in major units; zeros at the end vary, as at Bridge."""
    return None if amount is None else amounts.plain(amount, least)


class Views:
    """Every object of one Bridge as JSON."""

    def __init__(self, state: BridgeState, *, seed_customers: bool) -> None:
        self._state = state
        self._seed_customers = seed_customers

    @singledispatchmethod
    def of(self, record: Record) -> dict[str, Any]:
        """The whole object, as it is now."""
        raise TypeError(type(record).__name__)

    @of.register
    def _customer(self, one: Customer) -> dict[str, Any]:
        approved = one.kyc == "approved"
        status = {"kyc_status": one.kyc} if self._seed_customers else {"status": "active" if approved else one.kyc}
        first, _, last = one.full_name.partition(" ")
        return {
            "id": one.id,
            "type": one.type,
            "first_name": first,
            "last_name": last,
            "email": one.email,
            **status,
            "has_accepted_terms_of_service": one.tos == "approved",
            "rejection_reasons": [{"developer_reason": reason, "reason": reason} for reason in one.rejection_reasons],
            "endorsements": [{"name": "base", "status": "approved" if approved else "incomplete"}],
            **_times(one),
        }

    @of.register
    def _kyc_link(self, one: KycLink) -> dict[str, Any]:
        customer = self._state.customers[one.customer_id]
        return {
            "id": one.id,
            "full_name": customer.full_name,
            "email": customer.email,
            "type": customer.type,
            "kyc_link": f"https://kyc.example/v/{one.id}",
            "tos_link": f"https://tos.example/t/{one.id}",
            "kyc_status": customer.kyc,
            "tos_status": customer.tos,
            "rejection_reasons": list(customer.rejection_reasons),
            "customer_id": customer.id,
            "created_at": milliseconds(one.created_at),
        }

    @of.register
    def _virtual_account(self, one: VirtualAccount) -> dict[str, Any]:
        return {
            "id": one.id,
            "status": one.status,
            "customer_id": one.customer_id,
            "developer_fee_percent": number(one.fee_percent, 1),
            "created_at": milliseconds(one.created_at),
            "source_deposit_instructions": dict(one.instructions),
            "destination": dict(one.destination),
        }

    @of.register
    def _activity(self, one: Activity) -> dict[str, Any]:
        money = {} if one.amount is None else {"amount": number(one.amount), "currency": one.currency}
        return {
            "id": one.id,
            "customer_id": one.customer_id,
            "virtual_account_id": one.account_id,
            "type": one.type,
            **money,
            "deposit_id": one.deposit_id,
            **one.more,
            "created_at": milliseconds(one.created_at),
        }

    @of.register
    def _external_account(self, one: ExternalAccount) -> dict[str, Any]:
        return {
            "id": one.id,
            "customer_id": one.customer_id,
            "account_type": "us",
            "currency": one.currency,
            "bank_name": one.bank_name,
            "account_owner_name": one.owner_name,
            "last_4": one.number_last_4,
            "account": {
                "last_4": one.number_last_4,
                "routing_number": one.routing,
                "checking_or_savings": one.checking_or_savings,
            },
            "active": one.active,
            "beneficiary_address_valid": True,
            **_times(one),
        }

    @of.register
    def _liquidation_address(self, one: LiquidationAddress) -> dict[str, Any]:
        return {
            "id": one.id,
            "customer_id": one.customer_id,
            "chain": one.chain,
            "currency": one.currency,
            "address": one.address,
            **{name: value for name, value in one.destination.items() if name == "external_account_id"},
            "destination_address": one.destination.get("to_address"),
            "destination_payment_rail": one.destination["payment_rail"],
            "destination_currency": one.destination["currency"],
            "custom_developer_fee_percent": number(one.fee_percent, 1),
            "return_address": one.return_address,
            "state": "active",
            **_times(one),
        }

    @of.register
    def _payment(self, one: Payment) -> dict[str, Any]:
        return self._drain(one) if one.is_drain else self._transfer(one)

    def _drain(self, one: Payment) -> dict[str, Any]:
        return {
            "id": one.id,
            "customer_id": one.customer_id,
            "liquidation_address_id": one.liquidation_address_id,
            "amount": number(one.amount),
            "currency": one.source["currency"],
            "state": one.state,
            "deposit_tx_hash": one.source_hash,
            "destination": dict(one.destination),
            "destination_tx_hash": one.destination_hash,
            "receipt": self._receipt(one),
            **_times(one),
        }

    def _transfer(self, one: Payment) -> dict[str, Any]:
        fiat = one.destination if one.source["payment_rail"] in CHAINS else one.source
        shown: dict[str, Any] = {
            "id": one.id,
            "client_reference_id": one.reference,
            "state": one.state,
            "on_behalf_of": one.customer_id,
            "amount": number(one.amount),
            "currency": fiat["currency"],
            "developer_fee": number(charged(one).developer, 1),
            "source": dict(one.source),
            "destination": dict(one.destination),
            "source_deposit_instructions": {**(one.instructions or {}), "amount": number(one.amount)},
            "receipt": self._receipt(one),
            **_times(one),
        }
        optional = {"developer_fee_percent": number(one.fee_percent, 1), "features": dict(one.features) or None}
        return shown | {name: value for name, value in optional.items() if value is not None}

    def _receipt(self, one: Payment) -> dict[str, Any]:
        taken = charged(one)
        shown = {
            "initial_amount": number(taken.initial),
            "developer_fee": number(taken.developer, 1),
            "exchange_fee": number(one.exchange_fee, 1),
            "gas_fee": number(one.gas_fee, 1),
            "subtotal_amount": number(taken.subtotal),
            "final_amount": number(taken.final),
            "url": f"https://receipt.example/r/{one.id}",
        }
        if one.paid_out:
            shown |= {"exchange_rate": "1.0", "converted_amount": number(taken.subtotal)}
        hashes = {"source_tx_hash": one.source_hash, "destination_tx_hash": one.destination_hash}
        return shown | {name: value for name, value in hashes.items() if value is not None}


def _times(one: Record) -> dict[str, str]:
    return {"created_at": milliseconds(one.created_at), "updated_at": milliseconds(one.updated_at)}
