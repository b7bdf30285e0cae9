"""Who deposits dollars by bank: somebody with a virtual account at Bridge that pays to their account at IBEX."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from db.customers import NewLink
from tests.support.deposit_house import DepositHouse

HAPPY = ("funds_received", "payment_submitted", "payment_processed")
MARKUP_PERCENT = "0.5"


@dataclass(frozen=True, slots=True)
class Ramper:
    """`name` is the customer's id here; the rest are the providers' own."""

    name: str
    customer: str
    virtual_account: str
    account: str
    address: str

    def bridge_link(self) -> NewLink:
        return self._link("bridge", "virtual_account", self.virtual_account)

    def ibex_link(self) -> NewLink:
        return self._link("ibex", "account", self.account)

    def _link(self, provider: str, kind: str, external_id: str) -> NewLink:
        return NewLink(customer=self.name, provider=provider, kind=kind, external_id=external_id, attributes={})


class OnRamps:
    """Deposits at Bridge in a house. `books_differ`: why our books may not agree with the providers' at the end."""

    def __init__(self, house: DepositHouse) -> None:
        self.house = house
        self.world = house.world
        self.books_differ: str | None = None

    def person(
        self, name: str = "ana", *, bridge: bool = True, ibex: bool = True, address: str | None = None
    ) -> Ramper:
        """A person at both providers; a customer here with the links asked for. `address`: where the tokens go."""
        customer = self.world.bridge.add_customer()
        account = self.world.ibex.add_account(name)
        own = self.world.ibex.add_receive_info(account, "tron").address
        virtual = self.world.bridge.add_virtual_account(
            customer.id, address or own, developer_fee_percent=MARKUP_PERCENT
        )
        person = Ramper(name, customer.id, virtual.id, account, own)
        links = [person.bridge_link()] * bridge + [person.ibex_link()] * ibex
        if links:
            self.house.link(*links)
        return person

    def deposit(self, person: Ramper, path: Sequence[str] = HAPPY, **more: Any) -> str:
        """Dollars arrive at Bridge; the deposit's id. By default a step of it takes five seconds."""
        return self.world.bridge.deposit(person.virtual_account, path=path, **{"step_seconds": 5.0, **more})

    def move(self, deposit: str, *path: str, step_seconds: float = 5.0) -> None:
        """Bridge moves it on: the first stage now, each other one later."""
        self.world.bridge.deposits.force(deposit, path[0], path[1:], step_seconds)

    def flow_of(self, deposit: str) -> Mapping[str, Any]:
        """The row of the deposit's flow, read now."""
        query = """
            SELECT f.* FROM flows f JOIN flow_references r ON r.flow_id = f.id
             WHERE r.provider = 'bridge' AND r.kind = 'deposit' AND r.external_id = :deposit
        """
        with self.house.begin() as connection:
            return dict(connection.execute(text(query), {"deposit": deposit}).mappings().one())

    def state_of(self, deposit: str) -> str:
        return str(self.flow_of(deposit)["state"])

    def is_parked(self, deposit: str) -> bool:
        return self.flow_of(deposit)["parked_at"] is not None

    def history_of(self, deposit: str) -> list[str]:
        """The states it passed, in order, the first included."""
        flow = self.flow_of(deposit)["id"]
        found = self.house.rows("SELECT to_state FROM transitions WHERE flow_id = :flow ORDER BY id", flow=flow)
        return [state for (state,) in found]

    def texts(self) -> list[str]:
        """What customers were told, in order."""
        found = self.house.rows("SELECT data ->> 'text' FROM notifications ORDER BY happened_at, type")
        return [said for (said,) in found]

    def disagreements(self) -> list[str]:
        """Where our books do not say what the providers say of themselves."""
        at_bridge = Decimal(self.world.bridge.balances()["held"].get("usd", "0")) * 100
        at_ibex = {one: Decimal(shown["balance"]) * 10**6 for one, shown in self.world.ibex.balances().items()}
        wallets = dict(
            self.house.rows("""
                SELECT l.external_id, coalesce(sum(b.posted), 0)
                  FROM customer_links l
                  LEFT JOIN ledger_accounts a ON a.customer_id = l.customer_id AND a.name = 'wallet'
                  LEFT JOIN balances b ON b.account_id = a.id
                 WHERE l.provider = 'ibex' AND l.kind = 'account' GROUP BY 1
            """)
        )
        compared = {
            "dollars at Bridge": (at_bridge, self.house.balance("bridge:clearing", "USD")[0]),
            "tokens at IBEX": (sum(at_ibex.values()), self.house.balance("ibex:clearing", "USDT")[0]),
            **{f"the wallet of {account}": (at_ibex[account], int(ours)) for account, ours in wallets.items()},
            **{f"exchange of {asset}": (0, self.house.balance("exchange", asset)[0]) for asset in ("USD", "USDT")},
        }
        return [f"{what}: {theirs} there, {ours} here" for what, (theirs, ours) in compared.items() if theirs != ours]
