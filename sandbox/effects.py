"""Effects counted at the providers: for each deposit that should be funded, how often it was.

The count leans on nothing the product says about itself: a journal belongs to a deposit because of where it went, how
much it was and what its description names, never because of its idempotency key.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox import amounts
from sandbox.alpaca.journals import DEAD, Journal

if TYPE_CHECKING:
    from sandbox.world import World


@dataclass
class Intention:
    """One deposit and the journal it should lead to."""

    transfer_id: str
    account_id: str
    amount: Decimal | None  # None: what the transfer's destination gets, in whole cents
    made: list[Journal] = field(default_factory=list)


class Effects:
    """Intentions, and what became of them. Matching is done when asked, over all journals that stand."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._intentions: dict[str, Intention] = {}

    def expect(self, transfer_id: str, account_id: str, amount: Decimal | None = None) -> None:
        """Say that this deposit, once Due has processed it, should be funded once to this account."""
        self._intentions[transfer_id] = Intention(transfer_id, account_id, amount)

    def summary(self) -> dict[str, Any]:
        """How many effects were intended and made, and every one missing, doubled or unexpected.

        A deposit is intended once Due has paid it out. `duplicates` counts journals beyond the first of an intention.
        `wrong_amounts` names journals that belong to a deposit by description but differ in amount; they still count
        as made.
        """
        with self._world.lock:
            intentions = self._fresh_intentions()
            standing = self._standing()
            left = self._match_named(standing, intentions)
            unexpected, doubled = self._match_amounts(left, intentions)
            paid = [one for one in intentions if self._paid_out(one)]
            early = [journal for one in intentions if not self._paid_out(one) for journal in one.made]
            return {
                "intended": len(paid),
                "made": len(standing),
                "duplicates": doubled + sum(max(len(one.made) - 1, 0) for one in intentions),
                "missing": [one.transfer_id for one in paid if not one.made],
                "unexpected": [journal.id for journal in (*unexpected, *early)],
                "wrong_amounts": [
                    journal.id for one in intentions for journal in one.made if self._asked(journal) != self._due(one)
                ],
                "reversals": sum(self._is_reversal(journal) for journal in self._alive()),
                "repeated_descriptions": _repeated(journal.description for journal in standing),
                "repeated_keys": _repeated(journal.key or "" for journal in standing if journal.key_type == "single"),
            }

    def _fresh_intentions(self) -> list[Intention]:
        return [Intention(one.transfer_id, one.account_id, one.amount) for one in self._intentions.values()]

    def _alive(self) -> list[Journal]:
        gone = {*DEAD, "correct"}
        return [journal for journal in self._world.alpaca.journals.by_id.values() if journal.status not in gone]

    def _standing(self) -> list[Journal]:
        return [journal for journal in self._alive() if not self._is_reversal(journal)]

    def _is_reversal(self, journal: Journal) -> bool:
        return journal.to_account == self._world.alpaca.firm_account_id

    def _match_named(self, standing: list[Journal], intentions: list[Intention]) -> list[Journal]:
        """Give each journal whose description names a transfer to that transfer; what is left over."""
        named = {one.transfer_id: one for one in intentions}
        left = []
        for journal in standing:
            words = journal.description.replace("/", " ").replace(":", " ").replace(",", " ").split()
            owner = next((named[word] for word in words if word in named), None)
            if owner is not None and owner.account_id == journal.to_account:
                owner.made.append(journal)
            else:
                left.append(journal)
        return left

    def _match_amounts(self, left: list[Journal], intentions: list[Intention]) -> tuple[list[Journal], int]:
        """Give the rest out by account and amount, one each; journals nobody wanted, and how many came twice."""
        by_place: dict[tuple[str, Decimal], list[Intention]] = {}
        for one in sorted(intentions, key=lambda one: not self._paid_out(one)):
            by_place.setdefault((one.account_id, self._due(one)), []).append(one)
        unexpected, doubled = [], 0
        for journal in left:
            candidates = by_place.get((journal.to_account, self._asked(journal)), [])
            waiting = next((one for one in candidates if not one.made), None)
            if waiting is not None:
                waiting.made.append(journal)
            elif candidates:
                doubled += 1
            else:
                unexpected.append(journal)
        return unexpected, doubled

    def _asked(self, journal: Journal) -> Decimal:
        """The amount the product asked for: a correction by Alpaca does not change what was intended."""
        journals = self._world.alpaca.journals.by_id
        while journal.replaces is not None:
            journal = journals[journal.replaces]
        return journal.amount

    def _due(self, one: Intention) -> Decimal:
        if one.amount is not None:
            return one.amount
        return amounts.floor(self._world.due.transfers[one.transfer_id].destination.amount, "USD")

    def _paid_out(self, one: Intention) -> bool:
        history = self._world.due.transfers[one.transfer_id].history
        return any(status == "payment_processed" for status, _ in history)


def _repeated(values: Any) -> dict[str, int]:
    return {value: count for value, count in Counter(values).items() if count > 1 and value}
