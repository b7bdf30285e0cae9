"""Bridge's JSON about customers' papers and accounts, and our words for it.

Sources: Bridge API docs, "KYC Links", "Virtual Accounts", "External Accounts" and "Plaid", read 2026-11.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from funding.chain_addresses import NoAddress, normal
from funding.ports.bridge_customers import (
    BankAccount,
    BankLinking,
    KycLink,
    KycOrder,
    VirtualAccount,
    VirtualAccountOrder,
)
from providers.fields import Fields

_TOKENS: Final = frozenset({"USDT", "USDC"})
_PERCENT: Final = re.compile(r"\d{1,2}(\.\d{1,4})?")
_ACTIVE: Final = "activated"
_LAST_DIGITS: Final = re.compile(r"\d{4}")


def dump_kyc(order: KycOrder) -> str:
    """The body of POST /kyc_links. Customers are people; businesses are not taken up this way."""
    return _dump({"full_name": order.full_name, "email": order.email, "type": "individual"})


def load_kyc_link(value: Any) -> KycLink:
    """A KYC link, without whom it is for. Raises: WrongShape."""
    fields = Fields(value)
    return KycLink(
        id=fields.id("id"),
        customer=fields.maybe_id("customer_id"),
        page=_web(fields, "kyc_link"),
        terms_page=_web(fields, "tos_link") if fields.has("tos_link") else None,
    )


def load_page_of(value: Any) -> str:
    """The page of an existing customer. Raises: WrongShape."""
    return _web(Fields(value), "url")


def dump_virtual_account(order: VirtualAccountOrder) -> str:
    """The body of POST /customers/{id}/virtual_accounts, always the same bytes for the same order.

    Raises: ValueError: no asset or percent that Bridge takes, or no address of that network.
    """
    if order.asset not in _TOKENS or not _PERCENT.fullmatch(order.fee_percent):
        raise ValueError("a virtual account sends tokens on, less a fee in percent")
    try:
        normal(order.network, order.address)
    except NoAddress as error:
        raise ValueError(str(error)) from None
    destination = {"currency": order.asset.lower(), "payment_rail": order.network.lower(), "address": order.address}
    return _dump(
        {"source": {"currency": "usd"}, "destination": destination, "developer_fee_percent": order.fee_percent}
    )


def load_virtual_account(value: Any) -> VirtualAccount:
    """A virtual account. An unknown status is not active. Raises: WrongShape."""
    fields = Fields(value)
    destination = fields.child("destination")
    return VirtualAccount(
        id=fields.id("id"),
        customer=fields.id("customer_id"),
        active=fields.text("status").lower() == _ACTIVE,
        address=destination.text("address"),
        network=destination.text("payment_rail").lower(),
        asset=destination.text("currency").upper(),
        fee_percent=_percent(fields),
        instructions=_instructions(fields.raw("source_deposit_instructions")),
    )


def load_linking(value: Any) -> BankLinking:
    """A linking of a bank; its page is named by the first seed's shape only. Raises: WrongShape."""
    fields = Fields(value)
    page = next((name for name in ("url", "hosted_link_url") if fields.has(name)), None)
    return BankLinking(
        token=fields.text("link_token"),
        page=None if page is None else _web(fields, page),
        callback=_web(fields, "callback_url") if fields.has("callback_url") else None,
        expires_at=fields.maybe_time("link_token_expires_at"),
    )


def load_bank(value: Any) -> BankAccount:
    """A customer's bank account. More than four digits are never taken over. Raises: WrongShape."""
    fields = Fields(value)
    inner = fields.maybe_child("account") or Fields({})
    last4 = fields.maybe_text("last_4") or inner.maybe_text("last_4")
    if last4 is not None and not _LAST_DIGITS.fullmatch(last4):
        raise fields.wrong("last_4", "is not four digits")
    return BankAccount(
        id=fields.id("id"), bank_name=fields.maybe_text("bank_name"), last4=last4, active=fields.flag("active")
    )


def _percent(fields: Fields) -> str | None:
    """Text in percent, without the zeros that vary: "0.50" is "0.5"."""
    said = fields.maybe_text("developer_fee_percent")
    if said is None:
        return None
    if not _PERCENT.fullmatch(said):
        raise fields.wrong("developer_fee_percent", "is not a percentage")
    return format(Decimal(said).normalize(), "f")


def _instructions(value: Any) -> Mapping[str, str]:
    """Where to pay in, as it is: which fields there are depends on the currency, so none is asked for."""
    if not isinstance(value, dict):
        return {}
    shown = {name: ", ".join(map(str, said)) if isinstance(said, list) else said for name, said in value.items()}
    return {name: said for name, said in shown.items() if isinstance(said, str) and said}


def _web(fields: Fields, name: str) -> str:
    """A page that a customer is sent to: https, or it is none."""
    found = fields.text(name)
    if not found.startswith("https://") or not found.isprintable() or " " in found:
        raise fields.wrong(name, "is no page")
    return found


def _dump(body: Mapping[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))
