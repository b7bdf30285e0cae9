"""Replays that are watched: in order per customer, no faster than asked, each letter once however often cut off."""

import threading
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from db import replay_run_listings
from ops.actions import replay_runs
from ops.actions.desk import Refused
from ops.actions.replay_runs import Watch
from tests.support.replaying import Replaying


@pytest.fixture
def house(engine: Engine) -> Replaying:
    return Replaying(engine)


def shown(house: Replaying, watch: Watch) -> dict[str, Any]:
    with house.time() as connection:
        run = replay_run_listings.show_run(connection, watch.run)
    assert run is not None
    return run


def results(house: Replaying, watch: Watch) -> dict[UUID, str]:
    return {UUID(row["letter"]): row["result"] for row in shown(house, watch)["results"]}


class Cut:
    """Lets some rests pass, then the person at the keyboard gives up."""

    def __init__(self, house: Replaying, rests: int) -> None:
        self._house = house
        self._left = rests

    def __call__(self, length: timedelta) -> None:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        self._house.rest(length)


class TestOrder:
    def test_lets_a_customers_next_go_when_the_one_before_has_ended(self, house: Replaying) -> None:
        """Two deposits of one customer may depend on each other; another customer's need not wait."""
        first, second, other = house.park("ana", "ana", "bo")
        watch = house.start()

        watch.turn()
        assert results(house, watch) == {first: "still trying", second: "waiting", other: "still trying"}
        watch.turn()
        assert results(house, watch)[second] == "waiting"
        house.rest(timedelta(seconds=1))
        watch.turn()

        assert results(house, watch) == {first: "resolved", second: "still trying", other: "resolved"}

    def test_holds_the_rest_of_a_customer_back_when_one_comes_back(self, house: Replaying) -> None:
        bad, behind, last, other = house.park("ana", "ana", "ana", "bo")
        house.hopeless = {bad}
        watch = house.start()

        watch.to_the_end(rest=house.rest)

        assert results(house, watch) == {
            bad: "came back", behind: "held back", last: "held back", other: "resolved",
        }  # fmt: skip
        assert shown(house, watch)["status"] == "done"
        assert house.tried == {bad: 1, other: 1}

    def test_lets_letters_without_a_customer_go_at_once(self, house: Replaying) -> None:
        letters = house.park(None, None, None)
        watch = house.start()

        watch.turn()

        assert results(house, watch) == dict.fromkeys(letters, "still trying")


class TestRate:
    def test_is_kept_over_the_whole_run_interruptions_included(self, house: Replaying) -> None:
        letters = house.park(*[None] * 12)
        watch = house.start(rate=4)

        with pytest.raises(KeyboardInterrupt):
            watch.to_the_end(rest=Cut(house, 1))
        replay_runs.resume(house.desk, watch.run).to_the_end(rest=house.rest)

        assert [letter for letter, _ in house.due] == letters
        gaps = [(late - early).total_seconds() for (_, early), (_, late) in pairwise(house.due)]
        assert min(gaps) >= 0.25
        assert sum(gaps) < 4, "no slower than asked, either"


class TestStopAfter:
    def test_lets_no_more_letters_come_back(self, house: Replaying) -> None:
        """The cause is not gone after all: three are enough to know, and no fourth is tried."""
        letters = house.park(*[None] * 20)
        house.hopeless = set(letters)
        watch = house.start(rate=100, stop_after=3)

        counts = watch.to_the_end(rest=house.rest)

        assert (counts.came_back, counts.waiting, sum(house.tried.values())) == (3, 17, 3)
        assert list(results(house, watch).values()) == ["came back"] * 3 + ["not tried"] * 17
        assert shown(house, watch)["status"] == "stopped"
        with pytest.raises(Refused, match="over"):
            replay_runs.resume(house.desk, watch.run)

    def test_goes_on_while_fewer_do(self, house: Replaying) -> None:
        letters = house.park(*[None] * 6)
        house.hopeless = set(letters[:2])
        watch = house.start(rate=100, stop_after=3)

        counts = watch.to_the_end(rest=house.rest)

        assert (counts.came_back, counts.resolved) == (2, 4)


class TestInterrupted:
    def test_twice_and_resumed_tries_each_letter_once(self, house: Replaying) -> None:
        letters = house.park(*(f"cus_{number % 4}" for number in range(15)))
        watch = house.start(rate=3)

        with pytest.raises(KeyboardInterrupt):
            watch.to_the_end(rest=Cut(house, 2))
        assert shown(house, watch)["status"] == "interrupted"
        with pytest.raises(KeyboardInterrupt):
            replay_runs.resume(house.desk, watch.run).to_the_end(rest=Cut(house, 2))
        house.rest(timedelta(minutes=1))
        counts = replay_runs.resume(house.desk, watch.run).to_the_end(rest=house.rest)

        assert counts.resolved == 15
        assert house.tried == dict.fromkeys(letters, 1)
        assert shown(house, watch)["status"] == "done"

    def test_within_a_turn_releases_none_of_its_letters(
        self, house: Replaying, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (letter,) = house.park("ana")
        watch = house.start()

        def cut(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("db.replay_runs.answer", cut)
        with pytest.raises(KeyboardInterrupt):
            watch.to_the_end(rest=house.rest)
        monkeypatch.undo()

        assert results(house, watch) == {letter: "waiting"}
        replay_runs.resume(house.desk, watch.run).to_the_end(rest=house.rest)
        assert house.tried == {letter: 1}

    def test_by_a_kill_can_be_resumed_once_its_hold_has_run_out(self, house: Replaying) -> None:
        """A killed process cannot say that it let go; should it only have stood still, it does nothing more."""
        house.park("ana", "bo")
        killed = house.start(rate=1)
        killed.turn()

        with pytest.raises(Refused, match=r"of ana is under way.*in 15 s"):
            replay_runs.resume(house.desk, killed.run)
        house.rest(timedelta(seconds=16))
        assert shown(house, killed)["status"] == "interrupted"
        replay_runs.resume(house.desk, killed.run).to_the_end(rest=house.rest)

        with pytest.raises(Refused, match="no longer held here"):
            killed.turn()
        assert set(house.tried.values()) == {1}

    def test_and_resumed_by_two_at_once_is_one_of_theirs(self, house: Replaying) -> None:
        letters = house.park(*[None] * 10)
        watch = house.start(rate=100)
        with pytest.raises(KeyboardInterrupt):
            watch.to_the_end(rest=Cut(house, 0))
        start = threading.Barrier(2)
        taken: list[Watch] = []
        refused: list[Refused] = []

        def press() -> None:
            start.wait()
            try:
                taken.append(replay_runs.resume(house.desk, watch.run))
            except Refused as told:
                refused.append(told)

        threads = [threading.Thread(target=press) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert (len(taken), len(refused)) == (1, 1)
        taken[0].to_the_end(rest=house.rest)
        assert house.tried == dict.fromkeys(letters, 1)


class TestOthersAtWork:
    def test_answers_for_what_has_changed_since_it_began(self, house: Replaying) -> None:
        """Frozen is which letters and their order, not how they stand."""
        moved, over = house.park_one("ana"), house.park_one("bo")
        behind = house.park("ana")[0]
        watch = house.start()
        with house.time() as connection:
            unparked = text("UPDATE flows SET parked_at = NULL, due_at = rk_now() WHERE id = :id")
            connection.execute(unparked, {"id": moved.flow})
            abandoned = text("UPDATE dead_letters SET status = 'abandoned' WHERE id = :id")
            connection.execute(abandoned, {"id": over.letter})

        watch.to_the_end(rest=house.rest)

        assert results(house, watch) == {moved.letter: "resolved", over.letter: "abandoned", behind: "resolved"}
        assert [row["answer"] for row in shown(house, watch)["results"]] == ["already moved", "not open", "replaying"]
        assert house.tried == {behind: 1}

    def test_waits_for_a_letter_that_another_replay_tries(self, house: Replaying) -> None:
        first, second = house.park("ana", "ana")
        one, two = house.start(), house.start()

        one.turn()
        two.turn()
        assert results(house, two) == {first: "still trying", second: "waiting"}
        house.rest(timedelta(seconds=1))
        one.to_the_end(rest=house.rest)
        two.to_the_end(rest=house.rest)

        assert results(house, two) == {first: "resolved", second: "resolved"}
        assert house.tried == {first: 1, second: 1}

    def test_a_letter_added_later_is_not_part_of_it(self, house: Replaying) -> None:
        (first,) = house.park("ana")
        watch = house.start()
        house.park("bo")

        watch.to_the_end(rest=house.rest)

        assert house.tried == {first: 1}
