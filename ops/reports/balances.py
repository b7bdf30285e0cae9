"""Customers' balances with what their broker shows beside them."""

from collections.abc import Sequence
from typing import Any, Final

from ops.reports.cells import Row

BROKERAGE: Final = "brokerage"


def with_readings(booked: Sequence[Row], readings: Sequence[Row]) -> list[dict[str, Any]]:
    """The booked balances, each customer's brokerage account followed by its readings as rows of their own.

    The brokerage row names them too (`brokerage_buying_power`, `brokerage_cash`), so that one row tells all. They are
    what the broker last said, not booked: no sum includes them.
    """
    shown: dict[tuple[str, str], list[Row]] = {}
    for reading in readings:
        shown.setdefault((reading["customer"], reading["asset"]), []).append(reading)
    rows: list[dict[str, Any]] = []
    for balance in booked:
        found = shown.pop((balance["customer"], balance["asset"]), []) if balance["account"] == BROKERAGE else []
        rows.append({**balance, **{reading["account"]: reading["amount"] for reading in found}})
        rows += map(_row, found)
    return rows + [_row(reading) for left in shown.values() for reading in left]


def _row(reading: Row) -> dict[str, Any]:
    return {
        "customer": reading["customer"],
        "account": reading["account"],
        "asset": reading["asset"],
        "posted": reading["amount"],
        "pending": 0,
        "available": reading["amount"],
        "read_at": reading["read_at"],
    }
