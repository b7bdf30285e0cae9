"""Polls: what is new enters once by the one door, a walk keeps its place, and what a listing leaves out is noticed."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from db.poll_turns import Subject
from funding.errors import Misconfigured, NotFound, ProviderThrottled, ProviderUnavailable
from funding.ports.listings import Page
from tests.support.moved_time import MovedTime
from tests.support.rows import add_event
from tests.support.shelf import MINUTE, NOON, House, Shelf, thing
from workers.walks import OWN_LIMIT_WAITS, Polled, Superseded


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    return MovedTime(engine, NOON + 5 * MINUTE)


class TestFindings:
    def test_enter_the_inbox_once_and_are_announced(self, time: MovedTime) -> None:
        house = House(time, acct=Shelf(thing("a"), thing("b"), thing("c")))

        assert house.poll().news == 3
        assert house.inbox() == ["poll:transfer:a:1", "poll:transfer:b:1", "poll:transfer:c:1"]
        assert len(house.woken.ids) == 3
        assert (house.poll().findings, house.poll().news) == (3, 0)
        assert len(house.inbox()) == 3

    def test_enter_again_when_what_we_read_of_them_changes(self, time: MovedTime) -> None:
        shelf = Shelf(thing("a"), thing("b"))
        house = House(time, acct=shelf)
        house.poll()
        shelf.things[0] = thing("a", status="paid")
        house.poll()
        shelf.things[0] = thing("a", status="new")
        house.poll()

        assert house.inbox()[2:] == ["poll:transfer:a:2", "poll:transfer:a:3"]

    def test_that_are_events_bear_the_provider_s_own_id(self, time: MovedTime) -> None:
        """A delivery the webhook has told us of is the same event: stored once, handled once."""
        house = House(time, acct=Shelf(thing("a", event_id="evt_1"), thing("b", event_id="evt_2")))
        with time() as connection:
            add_event(connection, "evt_1")
        house.poll()

        assert house.inbox() == ["evt_1", "evt_2"]
        assert len(house.woken.ids) == 1

    def test_listed_twice_on_a_page_count_once(self, time: MovedTime) -> None:
        house = House(time, acct=Shelf(thing("a"), thing("a", status="paid")))
        assert house.poll().news == 1
        assert house.inbox() == ["poll:transfer:a:1"]

    def test_of_a_page_are_kept_with_its_place_or_not_at_all(self, time: MovedTime) -> None:
        """The hold on the tick is lost before the second page is recorded: neither events nor place are written."""
        house = House(time, acct=Shelf(*(thing(name) for name in "abcd")))
        holds = iter([True, False])
        with pytest.raises(Superseded):
            house.poll(lambda _: next(holds))

        assert house.inbox() == ["poll:transfer:a:1", "poll:transfer:b:1"]
        house.poll()
        assert house.shelves["acct"].asked[-1][1] == "2"
        assert len(house.inbox()) == 4


class TestWalk:
    def test_reads_again_the_overlap_behind_its_mark(self, time: MovedTime) -> None:
        shelf = Shelf()
        house = House(time, acct=shelf)
        house.poll()
        first = time.now
        house.poll()

        assert shelf.asked == [(first - timedelta(hours=1), None), (first - 10 * MINUTE, None)]
        assert house.mark() == time.now

    def test_finds_what_was_listed_late(self, time: MovedTime) -> None:
        """The listing shows an object only minutes after it was made."""
        shelf = Shelf()
        house = House(time, acct=shelf)
        house.poll()
        shelf.things.append(thing("late", at=time.now - 8 * MINUTE))
        assert house.poll().news == 1

    def test_out_of_pages_goes_on_where_it_stopped(self, time: MovedTime) -> None:
        shelf = Shelf(*(thing(name) for name in "abcdefg"))
        house = House(time, pages=3, acct=shelf)

        assert house.poll() == Polled(pages=3, findings=6, news=6, unfinished=1)
        assert house.mark() is None, "the mark moves only when the walk ends"
        began = time.now
        assert house.poll() == Polled(pages=1, findings=1, news=1)
        assert [cursor for _, cursor in shelf.asked] == [None, "2", "4", "6"]
        assert len({since for since, _ in shelf.asked}) == 1, "the window stays the same"
        assert house.mark() == began

    def test_pays_for_every_call_that_a_page_took(self, time: MovedTime) -> None:
        """IBEX takes several for an account with a past: a tick must not spend what flows need to ask for."""
        shelves = {name: Shelf(thing(name)) for name in ("few", "many", "next")}
        shelves["many"].calls = 3
        house = House(time, pages=4, **shelves)
        assert house.poll() == Polled(pages=4, findings=2, news=2)
        assert shelves["next"].asked == []

    def test_waits_for_our_own_limit_and_goes_on(self, time: MovedTime) -> None:
        """Flows spend it too: a tick that ended there would leave the other accounts to the next."""
        shelf = Shelf(thing("a"))
        for number in (1, 2):
            shelf.fails[number] = ProviderThrottled(
                "used up", provider="due", retry_after=timedelta(seconds=3 * number)
            )
        house = House(time, acct=shelf, next=Shelf(thing("b")))
        waited: list[float] = []
        house.walker = replace(house.walker, sleep=waited.append)
        assert house.poll().news == 2
        assert waited == [3, 5]

    def test_leaves_a_provider_that_asks_us_to_slow_down(self, time: MovedTime) -> None:
        shelf = Shelf(thing("a"))
        wait = timedelta(seconds=1)
        shelf.fails[1] = ProviderThrottled("429", provider="due", retry_after=wait, status=429)
        with pytest.raises(ProviderThrottled):
            House(time, acct=shelf).poll()
        assert len(shelf.asked) == 1

    def test_of_our_own_limit_that_never_has_room_is_given_up(self, time: MovedTime) -> None:
        shelf = Shelf(thing("a"))
        wait = timedelta(seconds=1)
        shelf.fails = {one: ProviderThrottled("used up", provider="due", retry_after=wait) for one in range(1, 100)}
        house = House(time, acct=shelf)
        house.walker = replace(house.walker, sleep=lambda _: None)
        with pytest.raises(ProviderThrottled):
            house.poll()
        assert len(shelf.asked) == OWN_LIMIT_WAITS + 1

    def test_keeps_its_place_when_the_provider_goes_away(self, time: MovedTime) -> None:
        shelf = Shelf(*(thing(name) for name in "abcd"))
        shelf.fails[2] = ProviderUnavailable("timeout", provider="due")
        house = House(time, acct=shelf)
        with pytest.raises(ProviderUnavailable):
            house.poll()
        assert house.mark() is None

        house.poll()
        assert [cursor for _, cursor in shelf.asked] == [None, "2", "2"]
        assert len(house.inbox()) == 4

    def test_begins_anew_when_its_place_is_refused(self, time: MovedTime) -> None:
        shelf = Shelf(*(thing(name) for name in "abcd"))
        shelf.fails[2] = NotFound("no such cursor", provider="due", status=404)
        house = House(time, acct=shelf)
        assert house.poll().refused == 1

        house.poll()
        assert [cursor for _, cursor in shelf.asked] == [None, "2", None, "2"]
        assert len(house.inbox()) == 4

    def test_refused_before_there_is_a_mark_begins_no_later_when_it_is_taken_again(self, time: MovedTime) -> None:
        """An hour back from then would leave out what was there to be read at first."""
        shelf = Shelf(thing("a"))
        shelf.fails[1] = NotFound("not yet", provider="due", status=404)
        house = House(time, acct=shelf)
        assert house.poll().refused == 1

        time.passes(hours=3)
        house.poll()
        first, second = shelf.asked
        assert first == second
        assert len(house.inbox()) == 1

    def test_of_one_subject_refused_leaves_the_others_alone(self, time: MovedTime) -> None:
        gone = Shelf()
        gone.fails[1] = NotFound("no such account", provider="due", status=404)
        house = House(time, gone=gone, acct=Shelf(thing("a")))

        assert house.poll() == Polled(pages=2, findings=1, news=1, refused=1)
        with time() as connection:
            error = connection.execute(text("SELECT last_error FROM poll_marks WHERE subject = 'gone'")).scalar()
        assert error == "NotFound: no such account"

    def test_of_all_stops_when_we_are_refused(self, time: MovedTime) -> None:
        shelf, other = Shelf(), Shelf()
        shelf.fails[1] = Misconfigured("401", provider="due", status=401)
        house = House(time, acct=shelf, other=other)
        with pytest.raises(Misconfigured):
            house.poll()
        assert other.asked == []

    def test_that_would_never_end_is_given_up(self, time: MovedTime) -> None:
        class Circle(Shelf):
            def page(self, *, since: datetime, cursor: str | None) -> Page:
                self.asked.append((since, cursor))
                return Page(findings=[], next_cursor="same")

        circle = Circle()
        house = House(time, acct=circle)
        assert house.poll().refused == 1
        assert len(circle.asked) == 2

    def test_that_another_worker_has_walked_on_is_left_to_it(self, time: MovedTime) -> None:
        """Two workers at one walk, as after a lease that ran out: each page is taken in by one of them."""
        shelf = Shelf(*(thing(name) for name in "abcd"))
        house, other = House(time, acct=shelf), House(time, acct=Shelf(*shelf.things))

        def overtaken() -> None:
            shelf.before_page = lambda: None
            other.poll()

        shelf.before_page = overtaken
        with pytest.raises(Superseded):
            house.poll()
        assert len(house.inbox()) == 4
        assert house.woken.ids == []

    def test_takes_in_since_when_work_has_been_open(self, time: MovedTime) -> None:
        """An old transfer changed: a listing by creation shows it only in an old window."""
        shelf = Shelf(thing("old", at=NOON - timedelta(days=2)))
        house = House(time, acct=shelf)
        house.poll()
        assert house.inbox() == []
        house.subjects = [Subject("acct", NOON - timedelta(days=2))]
        assert house.poll().news == 1


class TestTruncation:
    def test_is_told_holds_the_mark_and_mends_itself(self, time: MovedTime) -> None:
        shelf = Shelf(thing("a"), thing("b"), thing("c"), size=10)
        house = House(time, acct=shelf)
        house.poll()
        held = house.mark()
        shelf.shown = 2
        house.poll()

        assert house.breaks() == [("listing_truncated", "transfers acct", "open")]
        assert house.mark() == held, "the next walk reads the window again"
        time.passes(minutes=30)
        shelf.shown = None
        shelf.things.append(thing("d", at=NOON + 2 * MINUTE))
        assert house.poll().news == 1
        assert house.breaks() == [("listing_truncated", "transfers acct", "closed")]
        assert house.mark() == time.now

    def test_holds_the_mark_no_longer_than_a_day(self, time: MovedTime) -> None:
        shelf = Shelf(thing("a"), thing("b"), size=10)
        house = House(time, acct=shelf)
        house.poll()
        shelf.shown = 1
        held = house.mark()
        house.poll()
        assert house.mark() == held
        time.passes(hours=25)
        house.poll()
        assert house.mark() == time.now
