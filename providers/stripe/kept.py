"""The parts of Stripe's objects that a reading uses, and no others: a whole one holds secrets, names and cards.

Values are kept as they are, right or wrong: whoever reads them judges.
"""

from collections.abc import Mapping
from typing import Any, Final

from providers.stripe.wire import FLOW

_EVENT: Final = ("id", "type", "created")
_OBJECT: Final = (
    *("id", "object", "status", "payment_status", "client_reference_id", "payment_intent", "charge"),
    *("amount", "amount_refunded", "currency"),  # read by nothing, but a change of them is news
)
_WITHIN: Final[Mapping[str, tuple[str, ...]]] = {
    "metadata": (FLOW,),
    "transaction_details": ("destination_amount", "destination_currency", "destination_network"),
    "destination": ("amount", "currency", "network"),
    "payment_intent": ("id",),  # shown whole only where somebody asked for it
    "charge": ("id",),
}


def kept(value: Any) -> dict[str, Any]:
    """Of a session, charge, refund or dispute."""
    if not isinstance(value, dict):
        return {}
    shown = _some(value, _OBJECT)
    for name, within in _WITHIN.items():
        if isinstance(value.get(name), dict):
            shown[name] = _some(value[name], within)
    return shown


def kept_event(value: Any) -> dict[str, Any]:
    """Of an event, with the object it tells of."""
    if not isinstance(value, dict):
        return {}
    data = value.get("data")
    told = kept(data.get("object")) if isinstance(data, dict) else {}
    return {**_some(value, _EVENT), "data": {"object": told}}


def _some(value: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value[name] for name in names if name in value}
