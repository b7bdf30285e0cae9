"""Due's objects as its API shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox import amounts
from sandbox.due.model import Account, Endpoint, Quote, Recipient, Side, Transfer, VirtualAccount, Wallet
from sandbox.times import rfc3339


def amount_text(amount: Decimal, style: str) -> str:
    """Decimal text in one of Due's precisions: "250.00", "250" or "250.000000"; always the exact value."""
    return amounts.plain(amount, {"plain": 2, "trimmed": 0, "six": 6}[style])


def account(one: Account, digits: int) -> dict[str, Any]:
    """An account with its KYC and terms."""
    active = one.kyc == "passed" and one.tos == "accepted"
    return {
        "id": one.id,
        "type": one.type,
        "name": one.name,
        "email": one.email,
        "country": one.country,
        "externalId": one.external_id,
        "status": "active" if active else "onboarding",
        "statusLog": [{"status": status, "timestamp": rfc3339(at, digits)} for status, at in one.status_log],
        "kyc": {"status": one.kyc, "link": f"/api/kyc/{one.tos_token}"},
        "tos": {
            "id": one.tos_id,
            "status": one.tos,
            "link": f"/tos/{one.tos_token}",
            "token": one.tos_token,
            "entityName": "Due Ltd",
            "acceptedAt": rfc3339(one.created_at, digits) if one.tos == "accepted" else None,
        },
    }


def wallet(one: Wallet) -> dict[str, Any]:
    """A wallet."""
    return {"id": one.id, "address": one.address}


def recipient(one: Recipient) -> dict[str, Any]:
    """A recipient."""
    return {"id": one.id, "name": one.name, "isExternal": one.is_external, "details": one.details, "isActive": True}


def virtual_account(one: VirtualAccount, digits: int) -> dict[str, Any]:
    """A virtual account; `details` may still be null."""
    return {
        "id": one.id,
        "key": one.key,
        "ownerId": one.owner_id,
        "destination": one.destination,
        "schemaIn": one.schema_in,
        "currencyIn": one.currency_in,
        "railOut": one.rail_out,
        "currencyOut": one.currency_out,
        "reference": one.reference,
        "applicationFeeBps": one.fee_bps,
        "applicationFeeAmount": one.fee_amount,
        "details": one.details,
        "isActive": True,
        "createdAt": rfc3339(one.created_at, digits),
    }


def transfer(one: Transfer, digits: int) -> dict[str, Any]:
    """A whole transfer; `fxRate` is a JSON float, as at Due, and good for display only."""
    source = {**_side(one.source), "totalFee": amount_text(one.source.fee, "plain")}
    return {
        "id": one.id,
        "ownerId": one.owner_id,
        "status": one.status,
        "source": source,
        "destination": _side(one.destination),
        "fxRate": float(one.fx_rate),
        "fxMarkup": 0,
        "transferInstructions": one.instructions,
        "createdAt": rfc3339(one.created_at, digits),
        "expiresAt": rfc3339(one.expires_at, digits),
    }


def quote(one: Quote, digits: int) -> dict[str, Any]:
    """A quote with its token."""
    keep = ("rail", "currency", "amount", "fee")
    return {
        "token": one.token,
        "source": {name: value for name, value in _side(one.source).items() if name in keep},
        "destination": {name: value for name, value in _side(one.destination).items() if name in keep},
        "fxRate": float(one.fx_rate),
        "fxMarkup": 0,
        "expiresAt": rfc3339(one.expires_at, digits),
    }


def endpoint(one: Endpoint) -> dict[str, Any]:
    """A webhook endpoint with its public key."""
    return {
        "id": one.id,
        "url": one.url,
        "enabled": one.enabled,
        "subscribedEvents": one.events,
        "publicKey": one.key.pem,
        "description": one.description,
        "ownerId": one.owner_id,
    }


def _side(side: Side) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "amount": amount_text(side.amount, side.style),
        "fee": amount_text(side.fee, "plain"),
        "currency": side.currency,
        "rail": side.rail,
    }
    optional = {
        "virtualAccountId": side.virtual_account_id,
        "id": side.recipient_id,
        "label": side.label,
        "details": side.details,
        "memo": side.memo,
        "confirmation": side.confirmation,
    }
    return shown | {name: value for name, value in optional.items() if value is not None}
