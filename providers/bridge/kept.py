"""The parts of Bridge's objects that a reading uses, and no others: a whole one holds names, addresses, bank details.

Values are kept as they are, right or wrong: whoever reads them judges. `digest_of` is what makes one of them news.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from providers.fields import compact

Kept = dict[str, Any]

_ENVELOPE: Final = ("event_id", "event_category", "event_type", "event_object_id", "event_created_at")
_STAGE: Final = (
    *("id", "type", "customer_id", "virtual_account_id", "deposit_id", "amount", "currency", "created_at"),
    "destination_tx_hash",  # read by nothing, but a change of it is news
)
_PAYMENT: Final = ("id", "state", "client_reference_id", "on_behalf_of", "customer_id", "liquidation_address_id")
_AMOUNTS: Final = ("amount", "currency", "created_at")  # read by nothing, but a change of them is news
_RECEIPT: Final = ("final_amount", "developer_fee", "exchange_fee", "gas_fee", "source_tx_hash", "destination_tx_hash")
_CUSTOMER: Final = ("id", "status", "kyc_status")
_KYC_LINK: Final = ("id", "customer_id", "kyc_status", "tos_status")


def kept_stage(value: Any) -> Kept:
    """Of an entry of a virtual account's history. Its `source` names who paid: it is left out."""
    return _some(value, _STAGE)


def kept_payment(value: Any) -> Kept:
    """Of a transfer or a drain. Both sides' addresses and bank instructions are left out."""
    shown = _some(value, (*_PAYMENT, *_AMOUNTS))
    receipt = value.get("receipt") if isinstance(value, dict) else None
    if isinstance(receipt, dict):
        shown["receipt"] = _some(receipt, _RECEIPT)
    return shown


def kept_event(value: Any) -> Kept:
    """Of a past event: its envelope, and of its object what that category's reading uses; else no more than the id."""
    shown = _some(value, _ENVELOPE)
    if isinstance(value, dict) and "event_object" in value:
        of_object = _OBJECTS.get(str(value.get("event_category")), _only_id)
        shown["event_object"] = of_object(value["event_object"])
    return shown


def digest_of(kept: Mapping[str, Any]) -> str:
    """What makes an object news: everything kept of it, in a fixed order."""
    return compact(kept).decode()


def _only_id(value: Any) -> Kept:
    return _some(value, ("id",))


def _customer(value: Any) -> Kept:
    return _some(value, _CUSTOMER)


def _kyc_link(value: Any) -> Kept:
    return _some(value, _KYC_LINK)


_OBJECTS: Final[Mapping[str, Callable[[Any], Kept]]] = {
    "virtual_account.activity": kept_stage,
    "transfer": kept_payment,
    "liquidation_address.drain": kept_payment,
    "customer": _customer,
    "kyc_link": _kyc_link,
}


def _some(value: Any, names: tuple[str, ...]) -> Kept:
    return {name: value[name] for name in names if name in value} if isinstance(value, dict) else {}
