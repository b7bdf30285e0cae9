"""What is sent: movements of money of every kind, and what is to become of each."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from funding.flows.bridge_on_ramp import State as OnRamp
from funding.flows.bridge_on_ramp import bridge_on_ramp
from funding.flows.bridge_withdrawal import State as Withdrawal
from funding.flows.bridge_withdrawal import bridge_withdrawal
from funding.flows.due_deposit import State as Due
from funding.flows.due_deposit import due_deposit
from funding.flows.stripe_top_up import State as TopUp
from funding.flows.stripe_top_up import stripe_top_up
from ops.cli.demo.cast import Cast, Depositor, Holder

STEPS_S: Final = (0.2, 0.6, 1.5)  # how long a provider takes from one status to the next
KINDS: Final = (due_deposit.name, bridge_on_ramp.name, stripe_top_up.name, bridge_withdrawal.name, due_deposit.name)


class Fate(StrEnum):
    """What is to become of a movement of money."""

    FUNDED = "funded"
    RETURNED = "returned"  # Due gives it back to its sender
    REFUSED = "refused"  # Alpaca's compliance refuses the journal, until it is asked to look again
    UNKNOWN = "unknown"  # its virtual account is nobody's, until somebody adds the link

    CREDITED = "credited"
    REVIEWED = "reviewed"  # Bridge's people look at it first
    REFUNDED = "refunded"  # Bridge gives it back to its sender
    NEWCOMER = "newcomer"  # its virtual account is nobody's, until somebody adds the link
    MISPLACED = "misplaced"  # its virtual account stays nobody's: somebody gives the money to its owner by hand

    PAID_OUT = "paid out"
    ANSWER_LOST = "answer lost"  # IBEX sends the tokens, and nobody hears so
    GIVEN_BACK = "given back"  # the bank returns it, after it was paid out

    BOUGHT = "bought"  # coins, at the onramp
    REJECTED = "rejected"  # Stripe refuses the customer
    PAID = "paid"  # dollars, on a Checkout page
    PART_REFUNDED = "part refunded"
    DISPUTED = "disputed"  # after it was claimed, and the dispute is won
    REVERSED = "reversed"  # all of it is refunded


ENDS: Final[Mapping[Fate, str]] = {
    Fate.FUNDED: Due.BROKER_FUNDED,
    Fate.RETURNED: Due.RETURNED,
    Fate.REFUSED: Due.BROKER_FUNDED,
    Fate.UNKNOWN: Due.BROKER_FUNDED,
    Fate.CREDITED: OnRamp.CREDITED,
    Fate.REVIEWED: OnRamp.CREDITED,
    Fate.REFUNDED: OnRamp.REFUNDED,
    Fate.NEWCOMER: OnRamp.CREDITED,
    Fate.MISPLACED: OnRamp.CREDITED,
    Fate.PAID_OUT: Withdrawal.PAID_OUT,
    Fate.ANSWER_LOST: Withdrawal.PAID_OUT,
    Fate.GIVEN_BACK: Withdrawal.RELEASED,
    Fate.BOUGHT: TopUp.CLAIMED,
    Fate.REJECTED: TopUp.REJECTED,
    Fate.PAID: TopUp.CLAIMED,
    Fate.PART_REFUNDED: TopUp.CLAIMED,
    Fate.DISPUTED: TopUp.CLAIMED,
    Fate.REVERSED: TopUp.REVERSED,
}
# Of each kind one after another, and again from the first: even a handful has several sorts.
FATES: Final[Mapping[str, Sequence[Fate]]] = {
    due_deposit.name: (Fate.FUNDED, Fate.REFUSED, Fate.UNKNOWN, Fate.RETURNED, *[Fate.FUNDED] * 8),
    bridge_on_ramp.name: (
        *(Fate.CREDITED, Fate.NEWCOMER, Fate.REFUNDED, Fate.MISPLACED, Fate.REVIEWED),
        *[Fate.CREDITED] * 7,
    ),
    stripe_top_up.name: (
        *(Fate.BOUGHT, Fate.DISPUTED, Fate.REJECTED, Fate.PART_REFUNDED, Fate.BOUGHT, Fate.REVERSED),
        *(Fate.BOUGHT, Fate.PAID, Fate.BOUGHT, Fate.PAID, Fate.BOUGHT, Fate.PAID),
    ),
    bridge_withdrawal.name: (
        *(Fate.PAID_OUT, Fate.ANSWER_LOST, Fate.PAID_OUT, Fate.GIVEN_BACK),
        *[Fate.PAID_OUT] * 8,
    ),
}
# What becomes of those who need a fault or a person, where there is neither.
QUIETLY: Final[Mapping[Fate, Fate]] = {
    Fate.REFUSED: Fate.FUNDED,
    Fate.UNKNOWN: Fate.FUNDED,
    Fate.NEWCOMER: Fate.CREDITED,
    Fate.MISPLACED: Fate.CREDITED,
    Fate.ANSWER_LOST: Fate.PAID_OUT,
    Fate.GIVEN_BACK: Fate.PAID_OUT,
}
# Whole units, from and to. Tokens go out in smaller amounts than they came in: there are always enough.
AMOUNTS: Final[Mapping[str, tuple[int, int]]] = {
    due_deposit.name: (5, 900),
    bridge_on_ramp.name: (100, 900),
    stripe_top_up.name: (20, 300),
    bridge_withdrawal.name: (10, 25),
}
FILLS: Final = frozenset({Fate.CREDITED, Fate.REVIEWED})  # a wallet that is withdrawn from


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One movement of money to set out. `number` counts those of its kind, from 0."""

    kind: str
    number: int
    fate: Fate
    person: Depositor | Holder
    amount: str
    step_seconds: float

    @property
    def ends(self) -> str:
        """The state in which it is to end."""
        return str(ENDS[self.fate])

    @property
    def reference(self) -> str:
        """Our own name for a customer's wish: the same, however often it is said."""
        return f"{self.kind}-{self.number}"


def orders(cast: Cast, flows: int, draw: random.Random, *, troubled: bool) -> list[Order]:
    """All of them, in the order they are sent; the same for the same `draw`."""
    so_far = dict.fromkeys(KINDS, 0)
    made = []
    for place in range(flows):
        kind = KINDS[place % len(KINDS)]
        number = so_far[kind]
        so_far[kind] += 1
        fate = fate_of(kind, number, troubled=troubled)
        low, high = AMOUNTS[kind]
        made.append(
            Order(
                kind=kind,
                number=number,
                fate=fate,
                person=_person(cast, kind, number, fate),
                amount=f"{draw.randint(low, high)}.{draw.randint(0, 99):02d}",
                step_seconds=draw.choice(STEPS_S),
            )
        )
    return made


def counts(flows: int) -> dict[str, int]:
    """How many of so many are of each kind, in the order in which kinds are told of."""
    return {kind: sum(KINDS[place % len(KINDS)] == kind for place in range(flows)) for kind in dict.fromkeys(KINDS)}


def fate_of(kind: str, number: int, *, troubled: bool) -> Fate:
    """Of the one of that kind and number, from 0."""
    fate = FATES[kind][number % len(FATES[kind])]
    return fate if troubled else QUIETLY.get(fate, fate)


def _person(cast: Cast, kind: str, number: int, fate: Fate) -> Depositor | Holder:
    again = number // len(FATES[kind])  # how often this fate was met before
    match fate:
        case Fate.REFUSED:
            return cast.refused[again % len(cast.refused)]
        case Fate.UNKNOWN:
            return cast.unknown[again % len(cast.unknown)]
        case Fate.NEWCOMER:
            return cast.newcomers[again % len(cast.newcomers)]
        case Fate.MISPLACED | Fate.GIVEN_BACK:
            return cast.movers[again % len(cast.movers)]
        case _ if kind == due_deposit.name:
            return cast.depositors[number % len(cast.depositors)]
        case _ if kind == bridge_withdrawal.name:
            sent = range(
                number, -1, -1
            )  # on-ramps of the same numbers were sent before: the newest that fills a wallet
            return _holder(cast, next(one for one in sent if fate_of(bridge_on_ramp.name, one, troubled=True) in FILLS))
        case _:
            return _holder(cast, number)


def _holder(cast: Cast, number: int) -> Holder:
    return cast.holders[number % len(cast.holders)]
