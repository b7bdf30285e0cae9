"""What callers had made at Bridge, and how often the same thing more than once: by meaning, never by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.bridge.model import Payment
    from sandbox.bridge.state import BridgeState


def counted(state: BridgeState) -> dict[str, Any]:
    """`made` and `repeated` (beyond the first of each meaning) by kind; canceled transfers are apart.

    Two transfers mean the same if they name one `client_reference_id`, or none and agree in customer, amount and
    both sides. `stray` are payments of the chain to Bridge's addresses that nothing waited for.
    """
    payments = list(state.payments.by_id.values())
    transfers = [one for one in payments if not one.is_drain]
    standing = [one for one in transfers if one.state != "canceled"]
    accounts = state.virtual_accounts.values()
    return {
        "customers": _twice(one.email for one in state.customers.values()),
        "kyc_links": _twice(one.customer_id for one in state.kyc_links.values()),
        "virtual_accounts": _twice(
            (one.customer_id, one.instructions["currency"], one.destination["address"]) for one in accounts
        ),
        "external_accounts": _twice(one.meaning for one in state.external_accounts.values() if not one.deleted),
        "liquidation_addresses": _twice(
            (one.customer_id, one.chain, one.currency, *sorted(one.destination.items()))
            for one in state.liquidation_addresses.values()
        ),
        "transfers": {
            **_twice(map(_meaning, standing)),
            "canceled": len(transfers) - len(standing),
            "funded": sum(one.received is not None for one in transfers),
            "paid_out": sum(one.paid_out for one in transfers),
            "repeated_references": _repeated(one.reference for one in standing),
        },
        "drains": {
            "made": len(payments) - len(transfers),
            "paid_out": sum(one.paid_out for one in payments if one.is_drain),
        },
        "deposits": {
            "made": len(state.deposits.by_id),
            "sent_on_chain": sum(one.sent is not None for one in state.deposits.by_id.values()),
        },
        "stray": [one.hash for one in state.stray],
    }


def _meaning(one: Payment) -> Hashable:
    if one.reference is not None:
        return one.reference
    return (one.customer_id, one.amount, *sorted(one.source.items()), *sorted(one.destination.items()))


def _twice(meanings: Iterable[Hashable]) -> dict[str, Any]:
    counts = Counter(meanings)
    return {"made": sum(counts.values()), "repeated": sum(count - 1 for count in counts.values())}


def _repeated(names: Iterable[str | None]) -> dict[str, int]:
    return {name: count for name, count in Counter(names).items() if name is not None and count > 1}
