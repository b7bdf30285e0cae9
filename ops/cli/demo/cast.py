"""Who takes part: customers of every sort, made at the pretended providers and, by the real import, here."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ops.cli.demo import commands
from ops.cli.system import System

ORDINARY: Final = 5
REFUSALS: Final = ("refused", "rejected")  # how Alpaca ends a journal, one customer each
MARKUP_PERCENT: Final = "0.5"  # ours, of each deposit at Bridge
LAST_DIGITS: Final = 4

Link = tuple[str, str, str, Mapping[str, Any]]  # provider, kind, id there, attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Depositor:
    """Somebody whose stablecoins go by Due to their account at Alpaca: our name for them, and their ids there."""

    name: str
    account: str
    virtual_account: str
    brokerage_account: str

    def links(self) -> list[Link]:
        """All of them."""
        return [
            ("due", "virtual_account", self.virtual_account, {"mode": "va_auto", "account": self.account}),
            ("alpaca", "brokerage_account", self.brokerage_account, {}),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody with dollars at a bank, tokens at IBEX and a wallet of their own: by Bridge and Stripe between them."""

    name: str
    customer: str
    virtual_account: str
    bank: str
    bank_attributes: Mapping[str, str]
    account: str
    address: str
    wallet: str

    def links(self, *, virtual_account: bool = True) -> list[Link]:
        """All of them, or all but the virtual account."""
        own: list[Link] = [("bridge", "virtual_account", self.virtual_account, {})] if virtual_account else []
        return [
            *own,
            ("bridge", "customer", self.customer, {}),
            ("bridge", "external_account", self.bank, self.bank_attributes),
            ("ibex", "account", self.account, {}),
            ("ibex", "address", self.address, {"network": "tron", "asset": "USDT"}),
            ("stripe", "wallet_address", self.wallet, {"network": "ethereum"}),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The customers, by what becomes of their money.

    `unknown` depositors and `newcomers` are nobody here until somebody adds them. `movers` are customers, but nobody
    has linked their virtual accounts, and nobody will.
    """

    depositors: Sequence[Depositor]
    refused: Sequence[Depositor] = ()
    unknown: Sequence[Depositor] = ()
    holders: Sequence[Holder]
    newcomers: Sequence[Holder] = ()
    movers: Sequence[Holder] = ()


def gather(system: System, *, troubled: bool) -> Cast:
    """Make the customers everywhere; those nobody knows yet are left out here. Raises: CommandFailed."""
    cast = Cast(
        depositors=[_depositor(system, f"customer-{number}") for number in range(1, ORDINARY + 1)],
        refused=[_depositor(system, f"refused-{number}") for number in range(1, len(REFUSALS) * troubled + 1)],
        unknown=[_depositor(system, "newcomer")] * troubled,
        holders=[_holder(system, f"holder-{number}") for number in range(1, ORDINARY + 1)],
        newcomers=[_holder(system, "new-holder")] * troubled,
        movers=[_holder(system, "mover")] * troubled,
    )
    file = system.instance.folder / "customers.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(("customer", "level", "provider", "kind", "external_id", "attributes"))
        known = [(one.name, one.links()) for one in (*cast.depositors, *cast.refused)]
        known += [(one.name, one.links()) for one in cast.holders]
        known += [(one.name, one.links(virtual_account=False)) for one in cast.movers]
        rows.writerows((name, 2, *link[:3], json.dumps(link[3])) for name, links in known for link in links)
    commands.acting(system, "customers", "import", str(file))
    for person, mode in zip(cast.refused, REFUSALS, strict=False):
        system.control("POST", f"alpaca/accounts/{person.brokerage_account}/refuse", {"on": True, "mode": mode})
    return cast


def _depositor(system: System, name: str) -> Depositor:
    ids = system.control("POST", "customers", {"name": name})
    return Depositor(
        name=name,
        account=ids["account"],
        virtual_account=ids["virtual_account"],
        brokerage_account=ids["brokerage_account"],
    )


def _holder(system: System, name: str) -> Holder:
    customer = system.control("POST", "bridge/customers", {"full_name": name})["id"]
    account = system.control("POST", "ibex/accounts", {"name": name})["id"]
    address = system.control("POST", "ibex/receive_infos", {"account_id": account, "network": "tron"})["address"]
    virtual = {"customer_id": customer, "address": address, "developer_fee_percent": MARKUP_PERCENT}
    bank = system.control("POST", "bridge/external_accounts", {"customer_id": customer, "bank_name": "Chase"})
    return Holder(
        name=name,
        customer=customer,
        virtual_account=system.control("POST", "bridge/virtual_accounts", virtual)["id"],
        bank=bank["id"],
        bank_attributes={"bank_name": "Chase", "last4": str(bank["last_4"])[-LAST_DIGITS:]},
        account=account,
        address=address,
        wallet=f"0x{customer.replace('-', ''):0>40.40}",  # as good as any, and like no other
    )
