"""The kinds of flow that `bin/bench flows` measures: how one begins, when it is whole, and whose it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from benchmarks import _events
from benchmarks._events import PEOPLE, Person, person
from benchmarks._feed import feed
from benchmarks._webhooks import request
from db import ledger
from db.customers import NewLink
from db.engine import make_engine, unit_of_work
from funding.ledger import accounts
from funding.ledger.entries import credit, debit, entry
from funding.money import Money
from ops.actions import withdrawals
from ops.actions.customers import add_customer
from ops.actions.desk import Desk
from ops.actions.withdrawals import Wanted

BANK: Final = {"bank_name": "Chase", "last4": "6789"}
WALLET: Final = Money.parse("1000000", "USDT")
WITHDRAWN: Final = "25.00"

Begin = Callable[[int, str, Sequence[int]], None]  # the door's port, the database's URL, which numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`end` is the state in which one is whole, once its customer was told and `last_step`, if any, was made there.

    `begin` sends or asks for those of these numbers. `made` names what providers count once for each: by that name.
    """

    name: str
    end: str
    begin: Begin
    last_step: str | None = None
    made: Sequence[str] = ()


def _deposits(port: int, _database_url: str, numbers: Sequence[int]) -> None:
    feed(port, [request(number) for number in numbers])


def _on_ramps(port: int, _database_url: str, numbers: Sequence[int]) -> None:
    tells = (_events.deposit_processed, _events.tokens_arrived)
    feed(port, [tell(number) for number in numbers for tell in tells])


def _top_ups(port: int, _database_url: str, numbers: Sequence[int]) -> None:
    feed(port, [_events.page_paid(number) for number in numbers])


def _withdrawals(_port: int, database_url: str, numbers: Sequence[int]) -> None:
    """As the command does, one after the other: what it takes is measured with them. They are found when due."""
    engine = make_engine(database_url, pool=1)
    desk = Desk(begin=unit_of_work(engine), by="bench")
    for number in numbers:
        who = person(number % PEOPLE)
        wanted = Wanted(customer=who.name, amount=WITHDRAWN, external_account=who.bank, reference=str(number))
        withdrawals.create(desk, wanted, enabled=True)
    engine.dispose()


DEPOSIT: Final = Kind(name="due_deposit", end="broker_funded", begin=_deposits, last_step="watch_funded")
KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        one.name: one
        for one in (
            DEPOSIT,
            Kind(name="bridge_on_ramp", end="credited", begin=_on_ramps),
            Kind(name="bridge_withdrawal", end="paid_out", begin=_withdrawals, made=("transfers", "sends")),
            Kind(name="stripe_top_up", end="claimable", begin=_top_ups, last_step="watch_credit"),
        )
    }
)


def settings(providers: str) -> dict[str, str]:
    """How Bridge, IBEX and Stripe are reached, at that one address. Nobody polls: calls are counted by the flow."""
    return {
        "POLL_S": "86400",
        "BRIDGE_BASE_URL": providers,
        "BRIDGE_API_KEY": "bridge-key",
        "BRIDGE_WEBHOOK_PUBLIC_KEYS": _events.bridge_public_key(),
        "IBEX_BASE_URL": providers,
        "IBEX_AUTH_URL": providers,
        "IBEX_AUDIENCE": "bench",
        "IBEX_CLIENT_ID": "client",
        "IBEX_CLIENT_SECRET": "secret",
        "IBEX_WEBHOOK_SECRETS": _events.IBEX_SECRET,
        "STRIPE_BASE_URL": providers,
        "STRIPE_SECRET_KEY": "sk_test_bench",
        "STRIPE_WEBHOOK_SECRETS": _events.STRIPE_SECRET,
    }


def add_people(database_url: str, count: int) -> None:
    """The first so many customers, with accounts at Bridge and IBEX, each with a full wallet."""
    engine = make_engine(database_url, pool=1)
    begin = unit_of_work(engine)
    desk = Desk(begin=begin, by="bench")
    for number in range(min(count, PEOPLE)):
        who = person(number)
        add_customer(desk, who.name, level=2, links=_links(who))
        opening = entry(
            f"bench/{who.name}",
            "opening",
            debit(accounts.clearing("ibex", WALLET.asset), WALLET),
            credit(accounts.wallet(who.name, WALLET.asset), WALLET),
        )
        with begin() as connection:
            ledger.post(connection, None, (opening,))
    engine.dispose()


def _links(who: Person) -> list[NewLink]:
    links: Sequence[tuple[str, str, str, Mapping[str, Any]]] = [
        ("bridge", "customer", who.customer, {}),
        ("bridge", "virtual_account", who.virtual_account, {}),
        ("bridge", "external_account", who.bank, BANK),
        ("ibex", "account", who.account, {}),
        ("ibex", "address", who.address, {"network": "ethereum", "asset": WALLET.asset}),
    ]
    return [
        NewLink(customer=who.name, provider=provider, kind=kind, external_id=one, attributes=attributes)
        for provider, kind, one, attributes in links
    ]
