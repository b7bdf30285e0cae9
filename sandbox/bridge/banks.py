"""The bank details that Bridge gives out to be paid at."""

from __future__ import annotations

from typing import Any

from sandbox.ids import Ids

_RAILS = {"usd": ["ach_push", "wire"], "eur": ["sepa"], "gbp": ["faster_payments"], "mxn": ["spei"], "brl": ["pix"]}
CURRENCIES = frozenset(_RAILS)


class Banks:
    """Draws bank details, new ones each time."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def instructions(self, currency: str, beneficiary: str) -> dict[str, Any]:
        """Where to pay in this currency, in the words of its country."""
        return {"currency": currency, "payment_rails": list(_RAILS[currency]), **self._details(currency, beneficiary)}

    def _details(self, currency: str, beneficiary: str) -> dict[str, Any]:
        digits = self._ids.digits("bridge_instructions", 18)
        if currency == "eur":
            return {"iban": f"IE29{digits}", "bic": "AIBKIE2D", "account_holder_name": beneficiary}
        if currency == "gbp":
            return {"sort_code": "040004", "account_number": digits[:8], "account_holder_name": beneficiary}
        if currency == "mxn":
            return {"clabe": digits, "account_holder_name": beneficiary}
        if currency == "brl":
            return {"br_code": f"00020126{digits}", "account_holder_name": beneficiary}
        return {
            "bank_name": "Example Bank",
            "bank_address": "1 Main St",
            "bank_routing_number": "101000019",
            "bank_account_number": digits[:12],
            "bank_beneficiary_name": beneficiary,
            "bank_beneficiary_address": "2 Elm St",
        }
