"""What people do meanwhile: operators at our desk, staff at the providers; and how they mend it all at the end."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final

from sqlalchemy import text

from db.customers import NewLink
from db.engine import UnitOfWork
from db.replay import Filter, Letter
from ops.actions import customers, dead_letters, events, flows, providers, recovery
from ops.actions.desk import Desk, Refused
from sandbox.world import World
from tests.simulation.heard import Heard
from tests.simulation.ramps import Ramps

GIVEN_UP_IN: Final = ("off_ramp_completed", "requested", "held")  # of a deposit at Due; of a withdrawal, unsent
REFUSALS: Final = ("forbidden", "rejected", "refused", "canceled")
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a virtual account at Due and a brokerage account at Alpaca."""

    name: str
    virtual_account: str
    brokerage: str

    def links(self) -> list[NewLink]:
        """What makes them a customer here."""
        return [
            NewLink(
                customer=self.name,
                provider="due",
                kind="virtual_account",
                external_id=self.virtual_account,
                attributes={"mode": "va_auto"},
            ),
            NewLink(
                customer=self.name,
                provider="alpaca",
                kind="brokerage_account",
                external_id=self.brokerage,
                attributes={},
            ),
        ]


class People:
    """Everybody who does something by hand. Every act is the product's own action, at any moment."""

    def __init__(
        self, world: World, begin: UnitOfWork, *, wake: Heard, draw: random.Random, tell: Tell, among: Sequence[str]
    ) -> None:
        self._world = world
        self._providers = among
        self._begin = begin
        self._desk = Desk(begin=begin, by="ana", waker=wake)
        self._draw = draw
        self._tell = tell
        self.ramps = Ramps(world, begin, wake=wake, draw=draw, tell=tell)
        self.known: list[Person] = []
        self.strangers: list[Person] = []

    def arrive(self, most: int, *, strangers: float) -> None:
        """One to `most` somebodies at both providers; a share of them are strangers here, the others customers."""
        due, alpaca = self._world.due, self._world.alpaca
        for number in range(self._draw.randint(1, most)):
            account = due.add_account(name=f"cus_{number}")
            recipient = due.add_recipient(account.id, firm=True)
            person = Person(f"cus_{number}", due.add_virtual_account(account.id, recipient.id).id, alpaca.add_account())
            self.strangers.append(person)
            if self._draw.random() >= strangers:
                self._link(person)

    def act(self, name: str) -> None:
        """One of them does that; what cannot be done just now is refused, and nothing happens."""
        try:
            getattr(self.ramps if hasattr(self.ramps, name) else self, name)()
        except Refused as refused:
            self._tell(f"the desk refused: {refused}")

    def relent(self, share: float) -> None:
        """The providers go on; links are found, a share of them."""
        for account in self._world.alpaca.accounts:
            self._world.alpaca.refuse_account(account, on=False)
        for provider in self._providers:
            if self._paused(provider):
                providers.resume(self._desk, provider)
        for person in tuple(self.strangers):
            if self._draw.random() < share:
                self._link(person)

    def replay(self, share: float) -> bool:
        """A share of the dead letters that are open; whether there were any."""
        letters = [letter for letter in self._letters() if self._draw.random() < share]
        if not letters:
            return False
        for result in dead_letters.replay_letters(self._desk, letters):
            self._tell(f"replay of {result.letter.error} of {result.letter.state}: {result.answer}")
        return True

    # At our desk -----------------------------------------------------------------------------------------------------

    def pause_or_resume(self) -> None:
        """A provider is left alone, or asked again."""
        provider = self._draw.choice(self._providers)
        if self._paused(provider):
            providers.resume(self._desk, provider)
            self._tell(f"{provider} resumed")
        else:
            providers.pause(self._desk, provider, reason="a drill")
            self._tell(f"{provider} paused")

    def _paused(self, provider: str) -> bool:
        with self._begin() as connection:
            query = text("SELECT paused FROM provider_gates WHERE provider = :provider")
            return bool(connection.execute(query, {"provider": provider}).scalar())

    def wake_flow(self) -> None:
        """Any flow, whatever it waits for."""
        with self._begin() as connection:
            found = connection.execute(text("SELECT id FROM flows ORDER BY id")).scalars().all()
        if found:
            state = flows.wake_flow(self._desk, self._draw.choice(found))
            self._tell(f"a flow in {state} was woken")

    def replay_event(self) -> None:
        """Any event, handled or not."""
        with self._begin() as connection:
            found = connection.execute(text("SELECT id FROM inbox_events ORDER BY id")).scalars().all()
        if found:
            _, name = events.replay_event(self._desk, self._draw.choice(found))
            self._tell(f"an event was sent again as its replay number {name.rpartition(':')[2]}")

    def replay_letter(self) -> None:
        """One that is open."""
        if letters := self._letters():
            (result,) = dead_letters.replay_letters(self._desk, [self._draw.choice(letters)])
            self._tell(f"replay of {result.letter.error} of {result.letter.state}: {result.answer}")

    def abandon_letter(self) -> None:
        """Only where nothing more comes of it: what else is given up is a person's to settle."""
        letters = [letter for letter in self._letters() if letter.state in GIVEN_UP_IN]
        if letters and self._draw.random() < 1 / 3:
            (result,) = dead_letters.abandon_letters(self._desk, [self._draw.choice(letters)], reason="a drill")
            self._tell(f"abandoning: {result.refused or 'done'}")

    def find_owner(self) -> None:
        """A stranger becomes a customer."""
        if self.strangers:
            self._link(self._draw.choice(self.strangers))

    def recover(self) -> None:
        """Somebody is not sure that every commit of the last minutes survived."""
        self.recover_since(timedelta(minutes=self._draw.randint(0, 30)))

    def recover_since(self, ago: timedelta) -> None:
        """The runbook's command after a failover."""
        with self._begin() as connection:
            now = connection.execute(text("SELECT rk_now()")).scalar_one()
        found = recovery.recover(self._desk, now - ago)
        self._tell(f"recover --since {ago} ago: {found.flows} flows look first")

    def look_again(self) -> None:
        """Who is a customer, after commits were lost."""
        with self._begin() as connection:
            there = set(connection.execute(text("SELECT id FROM customers")).scalars())
        for ramper in self.ramps.people:
            self.ramps.link(ramper)
        everybody = [*self.known, *self.strangers]
        self.known = [person for person in everybody if person.name in there]
        self.strangers = [person for person in everybody if person.name not in there]

    def _link(self, person: Person) -> None:
        added = customers.add_customer(self._desk, person.name, level=2, links=person.links())
        self.strangers.remove(person)
        self.known.append(person)
        self._tell(f"{person.name} was linked, {len(added.flows_resumed)} deposits went on")

    def _letters(self) -> list[Letter]:
        found = dead_letters.find(self._desk, Filter(statuses=("open",)))
        return sorted(found, key=lambda letter: letter.id)

    # At Alpaca -------------------------------------------------------------------------------------------------------

    def refuse_or_relent(self) -> None:
        """Compliance, about one account."""
        account = self._draw.choice(sorted(person.brokerage for person in (*self.known, *self.strangers)))
        if self._world.alpaca.ledger.account(account).refuses:
            self._world.alpaca.refuse_account(account, on=False)
            self._tell("compliance relented")
        else:
            mode = self._draw.choice(REFUSALS)
            self._world.alpaca.refuse_account(account, mode=mode)
            self._tell(f"compliance: journals to an account are {mode}")

    def settle_journal(self) -> None:
        """One under way ends as it pleases."""
        journals = self._world.alpaca.journals
        opened = [one.id for one in journals.by_id.values() if one.status in ("queued", "sent_to_clearing", "pending")]
        if opened:
            status = self._draw.choice(("rejected", "refused", "executed"))
            journals.force(self._draw.choice(opened), status)
            self._tell(f"Alpaca's staff: a journal is {status}")

    def correct_journal(self) -> None:
        """One that was executed is replaced, by as much or half."""
        journals = self._world.alpaca.journals
        executed = [one for one in journals.by_id.values() if one.status == "executed"]
        if executed:
            journal = self._draw.choice(executed)
            less = (journal.amount / 2).quantize(Decimal("0.01"), rounding=ROUND_DOWN)
            amount = self._draw.choice((journal.amount, less))
            journals.force(journal.id, "correct", amount)
            self._tell(f"Alpaca's staff: a journal of {journal.amount} is corrected to {amount}")
