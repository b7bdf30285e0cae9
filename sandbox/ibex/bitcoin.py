"""Ibex's routes about Lightning and bitcoin, which this organisation does not have."""

from __future__ import annotations

from typing import ClassVar

from flask import Response

from sandbox.http import Routes
from sandbox.ibex.errors import IbexError, not_found


class BitcoinRoutes(Routes):
    """A caller who strays here is refused in IBEX's own way."""

    table: ClassVar = (
        ("POST", "/v2/invoice/add", "refuse"),
        ("POST", "/v2/invoice/pay", "refuse"),
        ("POST", "/onchain/address", "refuse"),
        ("POST", "/v2/onchain/send", "refuse"),
        ("GET", "/invoice/from-hash/<invoice_hash>", "no_invoice"),
    )

    def refuse(self) -> Response:
        """403."""
        raise IbexError(403, "feature is not enabled for this organization")

    def no_invoice(self, invoice_hash: str) -> Response:
        """404, as of one that was purged."""
        raise not_found(f"invoice {invoice_hash[:8]}")
