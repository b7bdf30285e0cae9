"""Who takes part: customers of every sort, and the deposits that are sent to them."""

import csv
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ops.cli.demo import commands
from ops.cli.demo.story import Story
from ops.cli.system import System

PAID: Final = ("awaiting_funds", "funds_received", "approved", "payment_submitted", "payment_processed")
GIVEN_BACK: Final = ("funds_received", "manual_review", "refund_submitted", "refund_processed")
STEPS_S: Final = (0.2, 0.6, 1.5)  # how long Due takes from one status to the next
GAP_S: Final = 0.75  # between two deposits
ORDINARY: Final = 5
REFUSALS: Final = ("refused", "rejected")  # how Alpaca ends a journal, one customer each


class Fate(StrEnum):
    """What is to become of a deposit."""

    FUNDED = "funded"
    RETURNED = "returned"  # Due gives it back to its sender
    REFUSED = "refused"  # Alpaca's compliance refuses the journal, until it is asked to look again
    UNKNOWN = "unknown"  # its virtual account is nobody's, until somebody adds the link


PATTERN: Final = {Fate.REFUSED: (10, 1), Fate.UNKNOWN: (30, 2), Fate.RETURNED: (12, 3)}  # every how many-th, from which


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A customer: our name for them, and their ids at the pretended providers."""

    name: str
    account: str
    virtual_account: str
    brokerage_account: str

    def links(self) -> list[tuple[str, str, str, Mapping[str, Any]]]:
        """Provider, kind, id there, attributes."""
        return [
            ("due", "virtual_account", self.virtual_account, {"mode": "va_auto", "account": self.account}),
            ("alpaca", "brokerage_account", self.brokerage_account, {}),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The customers, by what becomes of their deposits."""

    ordinary: Sequence[Person]
    refused: Sequence[Person]
    unknown: Sequence[Person]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One deposit to send."""

    fate: Fate
    person: Person
    amount: str
    step_seconds: float

    def body(self) -> dict[str, Any]:
        """What the sandbox's control is told."""
        return {
            "virtual_account_id": self.person.virtual_account,
            "amount": self.amount,
            "path": GIVEN_BACK if self.fate is Fate.RETURNED else PAID,
            "step_seconds": self.step_seconds,
            "expects_account": self.person.brokerage_account,
        }


def gather(system: System, *, troubled: bool) -> Cast:
    """Make the customers at both providers and, by the real import, here; those nobody knows yet are left out."""
    ordinary = [_made(system, f"customer-{number}") for number in range(1, ORDINARY + 1)]
    refused = [_made(system, f"refused-{number}") for number in range(1, len(REFUSALS) + 1)] if troubled else []
    unknown = [_made(system, "newcomer")] if troubled else []
    file = system.instance.folder / "customers.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(("customer", "level", "provider", "kind", "external_id", "attributes"))
        for person in (*ordinary, *refused):
            rows.writerows((person.name, 2, *link[:3], json.dumps(link[3])) for link in person.links())
    commands.acting(system, "customers", "import", str(file))
    for person, mode in zip(refused, REFUSALS, strict=False):
        system.control("POST", f"alpaca/accounts/{person.brokerage_account}/refuse", {"on": True, "mode": mode})
    return Cast(ordinary=ordinary, refused=refused, unknown=unknown)


def orders(cast: Cast, flows: int, draw: random.Random) -> list[Order]:
    """The deposits, in the order they are sent; the same for the same `draw`."""
    return [_order(cast, fate_of(number, cast), number, draw) for number in range(flows)]


def fate_of(number: int, cast: Cast) -> Fate:
    """Of the deposit of that number, from 0: even a handful has one of each sort."""
    possible = {Fate.REFUSED: bool(cast.refused), Fate.UNKNOWN: bool(cast.unknown), Fate.RETURNED: True}
    for fate, (every, first) in PATTERN.items():
        if possible[fate] and number % every == first:
            return fate
    return Fate.FUNDED


def send(system: System, story: Story, wanted: Sequence[Order]) -> None:
    """Send them one after another, as they would come. Raises: Stopped."""
    for order in wanted:
        system.control("POST", "due/deposits", order.body())
        story.pause(GAP_S)


def _order(cast: Cast, fate: Fate, number: int, draw: random.Random) -> Order:
    match fate:
        case Fate.REFUSED:
            person = cast.refused[number // 10 % len(cast.refused)]
        case Fate.UNKNOWN:
            person = cast.unknown[0]
        case _:
            person = draw.choice(cast.ordinary)
    amount = f"{draw.randint(5, 900)}.{draw.randint(0, 99):02d}"
    return Order(fate=fate, person=person, amount=amount, step_seconds=draw.choice(STEPS_S))


def _made(system: System, name: str) -> Person:
    ids = system.control("POST", "customers", {"name": name})
    return Person(
        name=name,
        account=ids["account"],
        virtual_account=ids["virtual_account"],
        brokerage_account=ids["brokerage_account"],
    )
