"""One movement of money told in any order, with repetitions: how such a telling is drawn, played and compared.

A test file keeps its stories. A story begins the money's way, has it told (`Telling`), and answers how it ended.
Each is first played plainly, everything arriving by itself; that gives its events, and the one ending it may have.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from db import inbox
from db.inbox import Arrival
from tests.simulation.quick import quick_engine
from tests.simulation.stage import empty
from tests.support.databases import Databases
from tests.support.deposit_house import DepositHouse

MOST_EVENTS = 40  # of one story: a larger number leads to one of them again
Order = Sequence[tuple[str, int, bool]]
Ending = Mapping[str, Any]
FLOWS = "SELECT state, status, amount, asset, amount_out, asset_out, parked_reason FROM flows"
REFERENCES = "SELECT provider, kind, external_id FROM flow_references ORDER BY 1, 2, 3"
HEARD = "SELECT provider, event_id, source, body FROM inbox_events ORDER BY id"

told = st.tuples(st.just("told"), st.integers(0, MOST_EVENTS), st.booleans())
passes = st.tuples(st.just("passes"), st.sampled_from((0, 1, 4, 9, 30)), st.just(value=False))  # seconds


@dataclass(frozen=True, slots=True)
class Telling:
    """What a story's house hears: everything, or, with `events`, these in this order and no webhook of its own."""

    house: DepositHouse
    order: Order = ()
    events: Sequence[Arrival] = ()

    def in_order(self) -> None:
        """The events come in as drawn, with time between them; in the plain play nothing happens here."""
        for what, number, again in self.order:
            if what == "passes":
                self.house.pass_time(number)
            else:
                self._tell(self.events[number % len(self.events)], again=again)

    def all_once(self) -> None:
        """At last every event comes in, for what is not told by polls."""
        for event in self.events:
            self._tell(event, again=False)

    def polls(self, rounds: int, *, seconds: float) -> None:
        """So many rounds of polls, and so long after each."""
        for _ in range(rounds):
            self.house.poll()
            self.house.pass_time(seconds)

    def _tell(self, event: Arrival, *, again: bool) -> None:
        """It comes in, or comes `again`: the same bytes under a new name, as an operator's replay has them."""
        with self.house.begin() as connection:
            if again:
                count = connection.execute(text("SELECT count(*) FROM inbox_events")).scalar_one()
                event = replace(event, event_id=f"replay:{count}:1", source="replay")
            inbox.insert_events(connection, [event])
        self.house.pass_time(0)


Story = Callable[[Telling], Ending]


class Plays:
    """Stories played in one database, each plainly at first: `events` and `endings` by the story's name."""

    def __init__(self, engine: Engine, stories: Mapping[str, Story]) -> None:
        self._engine = engine
        self._stories = stories
        plain = {name: self._play(name) for name in stories}
        self.events = {name: events for name, (events, _) in plain.items()}
        self.endings = {name: ending for name, (_, ending) in plain.items()}

    def told(self, name: str, order: Order) -> Ending:
        """How the story ends when its events are told in this order."""
        _, ending = self._play(name, order, self.events[name])
        return ending

    def _play(self, name: str, order: Order = (), events: Sequence[Arrival] = ()) -> tuple[Sequence[Arrival], Ending]:
        """The pretended providers draw their ids from the same seed each time, so that the events fit."""
        empty(self._engine)
        house = DepositHouse(self._engine)
        try:
            if events:
                house.world.faults.set("webhook_dropped")
            ending = self._stories[name](Telling(house, order, events))
            heard = [
                Arrival(provider=provider, event_id=event, route=provider, type=None, source=source, body=bytes(body))
                for provider, event, source, body in house.rows(HEARD)
            ]
            return heard, ending
        finally:
            house.close()


@contextmanager
def plays_of(stories: Mapping[str, Story], services: Any, template: str) -> Iterator[Plays]:
    """The stories in a database of their own, over connections that stay."""
    with Databases(services.database_url).clone(template) as url:
        engine = quick_engine(url)
        yield Plays(engine, stories)
        engine.dispose()


def in_any_order(names: Iterable[str], *, examples: int = 30, longest: int = 16) -> Callable[[Any], Any]:
    """A test of `name` and `order`, the same examples each time."""
    drawn = given(name=st.sampled_from(sorted(names)), order=st.lists(st.one_of(told, told, passes), max_size=longest))
    slow = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    how = settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=slow)
    return lambda test: pytest.mark.timeout(600)(how(drawn(test)))


def whole_ending(house: DepositHouse) -> Ending:
    """All that must be the same. Times are left out: which of them a provider has told depends on what was heard."""
    return {
        "flow": house.rows(FLOWS),
        "transitions": house.rows("SELECT from_state, to_state FROM transitions ORDER BY id"),
        "entries": house.rows("""
            SELECT e.cause, e.purpose, a.owner, a.name, a.asset, p.layer, p.amount
              FROM journal_entries e JOIN postings p ON p.entry_id = e.id JOIN ledger_accounts a ON a.id = p.account_id
             ORDER BY 1, 2, 3, 4, 5, 6, 7
        """),
        "balances": house.rows("""
            SELECT a.owner, a.name, a.asset, b.posted, b.pending, b.available
              FROM balances b JOIN ledger_accounts a ON a.id = b.account_id ORDER BY 1, 2, 3
        """),
        "notifications": house.rows("SELECT type, cause, channel, data FROM notifications ORDER BY 1, 2, 3"),
        "letters": house.letters(),
    }
