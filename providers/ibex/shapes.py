"""The shapes that IBEX's webhooks have been seen in, told apart by the fields that only one of them has.

Sources: IBEX documentation, "Webhooks" (invoice, bitcoin); lnflash/flash, its receiver (flat); read 2026-11. The others
are a live user's finding (account) and the plan that this project began from (envelope).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final


class Shape(StrEnum):
    """A body's shape; its value names the event where IBEX does not."""

    INVOICE = "lightning.invoice"
    BITCOIN = "bitcoin.onchain"
    ACCOUNT = "account.transaction"
    FLAT = "crypto.received"
    ENVELOPE = "envelope"
    POLL = "poll"  # our own: what a listing showed


_ONLY_IN: Final = {
    Shape.INVOICE: ("hash", "receivedMsat", "settledAtUtc"),
    Shape.BITCOIN: ("amountSat", "feeSat", "networkTransactionId", "blockConfirmations", "destinationAddress"),
    Shape.FLAT: ("tx_hash",),
    Shape.ENVELOPE: ("event", "data"),
    Shape.POLL: ("poll",),
}
_HOLD_A_TRANSACTION: Final = {Shape.INVOICE, Shape.BITCOIN}


def shapes_of(event: Mapping[str, Any]) -> set[Shape]:
    """Every shape that this body has a field of: one, unless somebody composed it, or IBEX has a new one."""
    found = {shape for shape, names in _ONLY_IN.items() if any(name in event for name in names)}
    if "transaction" in event and not found & _HOLD_A_TRANSACTION:
        found.add(Shape.ACCOUNT)
    return found
