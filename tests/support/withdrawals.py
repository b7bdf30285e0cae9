"""Who withdraws tokens to a bank: somebody with an account at IBEX, and a bank account that Bridge knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text

from db import ledger
from db.customers import NewLink
from funding.flows.bridge_withdrawal import bridge_withdrawal
from funding.ledger import accounts
from funding.ledger.entries import credit, debit, entry
from funding.money import Money
from ops.actions import withdrawals
from ops.actions.withdrawals import Wanted
from sandbox.bridge.model import Payment
from tests.support.deposit_house import DepositHouse

WALLET = "1000"
SEND = "POST /accounts/{account}/crypto/send"  # the one call that moves tokens
ORDER = "POST /v0/transfers"


@dataclass(frozen=True, slots=True)
class Withdrawer:
    """`name` is the customer's id here; the rest are the providers' own."""

    name: str
    customer: str
    bank: str
    account: str
    address: str


class Withdrawals:
    """Withdrawals in a house."""

    def __init__(self, house: DepositHouse) -> None:
        self.house = house
        self.world = house.world

    def person(
        self,
        name: str = "ana",
        *,
        balance: str = WALLET,
        at_ibex: str | None = None,
        address: bool = True,
        kyc: str = "approved",
        tos: str = "approved",
    ) -> Withdrawer:
        """A customer with tokens. `at_ibex`: another balance there; `address`: one that tokens may come back to."""
        customer = self.world.bridge.add_customer(kyc=kyc, tos=tos).id
        bank = self.world.bridge.add_external_account(customer, bank_name="Chase", account_number="900100206789").id
        account = self.world.ibex.add_account(name, balance=at_ibex or balance)
        own = self.world.ibex.add_receive_info(account, "tron").address
        person = Withdrawer(name, customer, bank, account, own)
        links: list[tuple[str, str, str, Mapping[str, Any]]] = [
            ("bridge", "customer", customer, {}),
            ("bridge", "external_account", bank, {"bank_name": "Chase", "last4": "6789"}),
            ("ibex", "account", account, {}),
        ]
        if address:
            links.append(("ibex", "address", own, {"network": "tron", "asset": "USDT"}))
        self.house.link(
            *(
                NewLink(customer=name, provider=provider, kind=kind, external_id=id_, attributes=attributes)
                for provider, kind, id_, attributes in links
            )
        )
        self.has(name, balance)
        return person

    def has(self, name: str, balance: str) -> None:
        """So many tokens are in the customer's wallet here."""
        amount = Money.parse(balance, "USDT")
        opening = entry(
            f"test/{name}",
            "opening",
            debit(accounts.clearing("ibex", "USDT"), amount),
            credit(accounts.wallet(name, "USDT"), amount),
        )
        with self.house.begin() as connection:
            ledger.post(connection, None, (opening,))

    def ask(self, person: Withdrawer, amount: str = "250.00", reference: str | None = "rent") -> UUID:
        """The customer asks for it, as the command does; the flow. Its steps are not run yet."""
        wanted = Wanted(customer=person.name, amount=amount, external_account=person.bank, reference=reference)
        return withdrawals.create(self.house.desk, wanted, enabled=True)

    def until(self, flow: UUID, state: str) -> None:
        """Let one step after another be made, no other event heard, until the flow is there."""
        runner = self.house.worker.runner
        while self.state(flow) != state:
            step = bridge_withdrawal.step_of(self.state(flow))
            assert step is not None, f"it is {self.state(flow)}"
            runner.stopping.set()  # it goes no further than this step
            runner.run(step, flow)
            runner.stopping.clear()

    def transfer_of(self, flow: UUID) -> Payment:
        """The transfer at Bridge."""
        (found,) = [one for one in self.world.bridge.transfers() if one.reference == str(flow)]
        return found

    def will_go(self, flow: UUID, *path: str, step_seconds: float = 5.0) -> None:
        """What the transfer will do once its tokens are there."""
        self.world.bridge.payments.prepare(self.transfer_of(flow), path, step_seconds)

    def move(self, flow: UUID, *path: str, step_seconds: float = 5.0) -> None:
        """Bridge moves it on: the first state now, each other one later."""
        self.world.bridge.payments.force(self.transfer_of(flow).id, path[0], path[1:], step_seconds)

    def bank_returns(self, flow: UUID) -> None:
        """The bank gives the payout back."""
        self.world.bridge.give_back(self.transfer_of(flow).id)

    def row(self, flow: UUID) -> Mapping[str, Any]:
        """The flow's row, read now."""
        with self.house.begin() as connection:
            return dict(connection.execute(text("SELECT * FROM flows WHERE id = :id"), {"id": flow}).mappings().one())

    def state(self, flow: UUID) -> str:
        """Its state, with a mark if it is parked."""
        row = self.row(flow)
        return str(row["state"]) + (" (parked)" if row["parked_at"] else "")

    def history(self, flow: UUID) -> list[str]:
        """The states it passed, in order, the first included."""
        found = self.house.rows("SELECT to_state FROM transitions WHERE flow_id = :flow ORDER BY id", flow=flow)
        return [state for (state,) in found]

    def wallet(self, person: Withdrawer) -> tuple[int, int]:
        """Posted and available of the customer's wallet, in whole tokens."""
        ((posted, available),) = self.house.rows(
            """
            SELECT b.posted, b.available FROM balances b JOIN ledger_accounts a ON a.id = b.account_id
             WHERE a.name = 'wallet' AND a.customer_id = :customer
            """,
            customer=person.name,
        )
        return int(posted) // 10**6, int(available) // 10**6

    def sends(self) -> int:
        """How many sends stand at IBEX."""
        made: int = self.world.ibex.effects()["sends"]
        return made

    def entries(self, flow: UUID) -> list[str]:
        """What was posted for it, in order."""
        found = self.house.rows("SELECT purpose FROM journal_entries WHERE flow_id = :flow ORDER BY id", flow=flow)
        return [purpose for (purpose,) in found]

    def told(self) -> Sequence[str]:
        """What customers were told, in order."""
        found = self.house.rows("SELECT data ->> 'text' FROM notifications ORDER BY happened_at, type")
        return [said for (said,) in found]

    def disagreements(self) -> list[str]:
        """Where our books do not say what the providers say of themselves, or do not add up."""
        held = Decimal(self.world.bridge.balances()["held"].get("usdt", "0"))
        at_ibex = sum((Decimal(one["balance"]) for one in self.world.ibex.balances().values()), start=Decimal(0))
        owed = sum(self.house.balance(name, "USDT")[0] for name in ("wallet", "payout"))
        ours = {name: self.house.balance(name, "USDT")[0] for name in ("ibex:clearing", "bridge:clearing", "on_chain")}
        compared = {
            "IBEX": (int(at_ibex * 10**6), ours["ibex:clearing"]),
            "Bridge": (int(held * 10**6), ours["bridge:clearing"]),
            "what is owed": (sum(ours.values()), owed),
        }
        return [f"{what}: {theirs} there, {here} here" for what, (theirs, here) in compared.items() if theirs != here]
