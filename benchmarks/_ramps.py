"""Customers of a fleet with accounts at Bridge and IBEX, their deposits, and what both sides' books say of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from db.customers import NewLink
from ops.actions.customers import add_customer
from ops.actions.desk import Desk
from tests.support.fleet import Fleet

STAGES: Final = ("funds_received", "payment_submitted", "payment_processed")
MARKUP_PERCENT: Final = "0.5"
BANK: Final = {"bank_name": "Chase", "last4": "6789"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramper:
    """`name` is the customer's id here; the rest are the providers' own. `bank` is an account at Bridge."""

    name: str
    customer: str
    virtual_account: str
    account: str
    bank: str


def rampers(fleet: Fleet, desk: Desk, count: int) -> list[Ramper]:
    """So many customers, each with a virtual account that pays to an account of their own at IBEX."""
    return [_ramper(fleet, desk, f"ramper-{number}") for number in range(count)]


def _ramper(fleet: Fleet, desk: Desk, name: str) -> Ramper:
    control = fleet.system.control
    customer = control("POST", "bridge/customers", {})["id"]
    account = control("POST", "ibex/accounts", {"name": name})["id"]
    address = control("POST", "ibex/receive_infos", {"account_id": account, "network": "tron"})["address"]
    ordered = {"customer_id": customer, "address": address, "developer_fee_percent": MARKUP_PERCENT}
    virtual = control("POST", "bridge/virtual_accounts", ordered)["id"]
    number = {"account_number": f"90010020{BANK['last4']}", "bank_name": BANK["bank_name"]}
    bank = control("POST", "bridge/external_accounts", {"customer_id": customer, **number})["id"]
    links: Sequence[tuple[str, str, str, Mapping[str, Any]]] = [
        ("bridge", "customer", customer, {}),
        ("bridge", "virtual_account", virtual, {}),
        ("bridge", "external_account", bank, BANK),
        ("ibex", "account", account, {}),
        ("ibex", "address", address, {"network": "tron", "asset": "USDT"}),
    ]
    add_customer(
        desk,
        name,
        level=2,
        links=[
            NewLink(customer=name, provider=provider, kind=kind, external_id=one, attributes=attributes)
            for provider, kind, one, attributes in links
        ],
    )
    return Ramper(name=name, customer=customer, virtual_account=virtual, account=account, bank=bank)


def deposit(fleet: Fleet, ramper: Ramper, amount: str, *, step_seconds: float | Sequence[float]) -> str:
    """Dollars arrive at Bridge, and are tokens two steps later; the deposit's id."""
    given = {"virtual_account_id": ramper.virtual_account, "amount": amount, "path": STAGES}
    made: str = fleet.system.control("POST", "bridge/deposits", {**given, "step_seconds": step_seconds})["deposit_id"]
    return made


def wallets(fleet: Fleet) -> dict[str, Decimal]:
    """What each account at IBEX holds by our books, in whole tokens."""
    found = fleet.rows("""
        SELECT l.external_id, coalesce(sum(b.posted), 0) AS posted FROM customer_links l
          LEFT JOIN ledger_accounts a ON a.customer_id = l.customer_id AND a.name = 'wallet'
          LEFT JOIN balances b ON b.account_id = a.id
         WHERE l.provider = 'ibex' AND l.kind = 'account' GROUP BY 1
    """)
    return {row["external_id"]: Decimal(row["posted"]).scaleb(-6) for row in found}


def compared(fleet: Fleet) -> dict[str, int]:
    """`lost`: accounts that hold more at IBEX than here; `doubled`: those that hold less."""
    theirs = {one: Decimal(shown["balance"]) for one, shown in fleet.system.control("GET", "balances")["ibex"].items()}
    ours = wallets(fleet)
    return {
        "lost": sum(theirs[one] > held for one, held in ours.items()),
        "doubled": sum(theirs[one] < held for one, held in ours.items()),
    }
