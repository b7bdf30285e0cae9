"""Looks that no answer satisfies: refused, or without an end. Each is tried for a while and then left to the polls."""

from datetime import datetime

import pytest
from sqlalchemy import Engine, text

from db import looks
from funding.errors import NotFound, ProviderError, ProviderRejected, UnexpectedAnswer
from funding.ports.listings import Page
from tests.simulation.heard import Heard
from tests.support.moved_time import MovedTime
from tests.support.shelf import MINUTE, NOON, AlwaysOpen, House, Shelf, thing
from workers.polls import LOOKS_AGAIN, Polls
from workers.walks import LOOK_PAGES

WHAT = ("due", "due_transfer", "acct/a")


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    return MovedTime(engine, NOON + 5 * MINUTE)


class Asked:
    """An event has asked for a look at that listing; a worker does it whenever it is due, until it is over."""

    def __init__(self, time: MovedTime, shelf: Shelf) -> None:
        self.time = time
        self.house = House(time)
        self.worker = Polls(
            begin=time,
            walker=self.house.walker,
            wake=Heard(),
            doors=AlwaysOpen(),
            polls={},
            looks={WHAT[:2]: lambda _: shelf},
            chores={},
        )
        with time() as connection:
            looks.ask(connection, *WHAT)

    def once(self) -> list[float]:
        """The seconds until the next look; nothing when it is over."""
        self.worker.run_look(*WHAT)
        with self.time() as connection:
            rows = connection.execute(text("SELECT extract(epoch FROM due_at - rk_now()) FROM looks")).scalars()
            return [float(row) for row in rows]

    def to_the_end(self) -> list[float]:
        """All the waits."""
        waits = []
        while waiting := self.once():
            waits += waiting
            self.time.passes(seconds=waiting[0])
        return waits

    def paused(self) -> list[str]:
        with self.time() as connection:
            return list(connection.execute(text("SELECT provider FROM provider_gates WHERE paused")).scalars())


class Refusing(Shelf):
    """A listing that is refused each time it is asked for."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        super().page(since=since, cursor=cursor)
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        NotFound("due knows none of that id", provider="due", status=404),
        ProviderRejected("due answered 422", provider="due", status=422),
        UnexpectedAnswer("no JSON", provider="due"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_one_that_is_refused_is_over_after_two_minutes_and_pauses_nobody(time: MovedTime, error: ProviderError) -> None:
    """An object may not be shown yet; but a look that is refused must neither last for ever nor stop the provider."""
    shelf = Refusing(error)
    asked = Asked(time, shelf)

    assert asked.to_the_end() == [wait.total_seconds() for wait in LOOKS_AGAIN]

    assert len(shelf.asked) == len(LOOKS_AGAIN) + 1
    assert asked.paused() == []


def test_one_that_is_refused_at_first_still_finds_its_news(time: MovedTime) -> None:
    """The event was quicker than the listing it speaks of."""
    shelf = Shelf(thing("a"))
    shelf.fails[1] = NotFound("due knows none of that id", provider="due", status=404)
    asked = Asked(time, shelf)

    assert asked.to_the_end() == [2]

    assert asked.house.inbox() == ["poll:transfer:a:1"]


def test_one_of_a_listing_without_an_end_stops_and_keeps_what_it_read(time: MovedTime) -> None:
    """A page that always names another would keep a thread, and a place at the provider, for ever."""
    shelf = Shelf(*(thing(f"t{number:03}") for number in range(10 * LOOK_PAGES)))
    asked = Asked(time, shelf)

    assert asked.once() == [2]

    assert len(shelf.asked) == LOOK_PAGES
    assert len(asked.house.inbox()) == LOOK_PAGES * shelf.size
