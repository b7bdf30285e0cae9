"""Alpaca's JSON and our words for it. Source: Alpaca Broker API docs, "Journals", "Accounts", read 2026-11."""

import json
from collections.abc import Mapping
from typing import Any, Final

from funding.money import Money
from funding.ports.alpaca import BrokerageBalances, CashJournal, JournalOrder, JournalStatus
from providers.fields import Fields

USD: Final = "USD"
_JOURNAL: Final = (
    "id",
    "entry_type",
    "from_account",
    "to_account",
    "status",
    "net_amount",
    "amount",
    "currency",
    "description",
    "system_date",
    "settle_date",
)
_ACTIVITY: Final = ("id", "activity_type", "net_amount", "date", "created_at", "description", "status")


def dump_order(order: JournalOrder, *, firm_account: str) -> str:
    """The exact body that makes a journal: two decimals, fields in a fixed order.

    Raises: ValueError: not dollars, or not above zero.
    """
    if order.amount.asset != USD or order.amount.minor <= 0:
        raise ValueError("a cash journal moves dollars, more than none")
    body = {
        "entry_type": "JNLC",
        "from_account": firm_account,
        "to_account": order.to_account,
        "amount": order.amount.text(),
        "currency": USD,
        "description": f"{order.reference} {order.subject}".strip(),
    }
    return json.dumps(body, separators=(",", ":"))


def reference_of(journal: Mapping[str, Any]) -> str:
    """Our reference in a journal's description: its first word, whatever was written behind it."""
    return str(journal.get("description") or "").partition(" ")[0]


def load_journal(value: Any) -> CashJournal:
    """A cash journal: the reply says `net_amount` where the request says `amount`. Raises: WrongShape."""
    fields = Fields(value)
    raw_status = fields.text("status")
    if (fields.maybe_text("currency") or USD).upper() != USD:
        raise fields.wrong("currency", "is not USD")
    return CashJournal(
        id=fields.id("id"),
        status=status_of(raw_status),
        raw_status=raw_status,
        from_account=fields.id("from_account"),
        to_account=fields.id("to_account"),
        amount=fields.money("net_amount", "amount", asset=USD),
        description=fields.maybe_text("description") or "",
    )


def status_of(text: str) -> JournalStatus:
    """Alpaca's word in ours, whatever its case; an unknown one stays open."""
    try:
        return JournalStatus(text.lower())
    except ValueError:
        return JournalStatus.UNKNOWN


def load_balances(value: Any) -> BrokerageBalances:
    """A trading account's balances, cut to cents. Keys Alpaca may drop fall back to plain cash. Raises: WrongShape."""
    fields = Fields(value)

    def dollars(*names: str) -> Money:
        return fields.signed_floor(*names, asset=USD)[0]

    return BrokerageBalances(
        account=fields.id("id"),
        cash=dollars("cash"),
        buying_power=dollars("buying_power", "non_marginable_buying_power", "cash"),
        cash_transferable=dollars("cash_transferable", "cash_withdrawable", "cash"),
        transfers_blocked=fields.flag("transfers_blocked") or fields.flag("account_blocked"),
    )


def kept_journal(value: Any) -> dict[str, Any]:
    """The parts of a journal that we read; values as they are, right or wrong."""
    return _kept(value, _JOURNAL)


def kept_activity(value: Any) -> dict[str, Any]:
    """The parts of an activity that we read; values as they are, right or wrong."""
    return _kept(value, _ACTIVITY)


def digest_of(kept: Mapping[str, Any]) -> str:
    """What makes a journal or an activity news."""
    names = ("status", "entry_type", "activity_type", "net_amount", "amount", "currency", "description")
    return "|".join("" if kept.get(name) is None else str(kept[name]) for name in names)


def _kept(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value[name] for name in names if name in value} if isinstance(value, dict) else {}
