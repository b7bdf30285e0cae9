"""Polls: what is new enters once by the one door, a walk keeps its place, and what a listing leaves out is noticed."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from db import clock, looks, polls
from db.polls import Subject
from db.sealing import Sealer
from dispatch.jobs import poll_job
from funding.errors import Misconfigured, NotFound, ProviderUnavailable
from funding.ports import Finding, Page
from tests.support.moved_time import MovedTime
from tests.support.rows import add_event, add_flow
from workers.polls import Polls
from workers.walks import Poll, Polled, Superseded, Walker

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def thing(name: str, *, at: datetime = NOON, status: str = "new", event_id: str | None = None) -> Finding:
    body = json.dumps({"id": name, "status": status}).encode()
    return Finding(kind="transfer", id=name, changed_at=at, digest_of=status, body=body, event_id=event_id)


class Shelf:
    """A provider's listing in memory, two objects a page; it can be told to fail, or to leave the end out."""

    def __init__(self, *things: Finding, size: int = 2) -> None:
        self.things = list(things)
        self.size = size
        self.shown: int | None = None
        self.asked: list[tuple[datetime, str | None]] = []
        self.fails: dict[int, Exception] = {}
        self.before_page: Callable[[], None] = lambda: None

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        self.before_page()
        self.asked.append((since, cursor))
        if error := self.fails.pop(len(self.asked), None):
            raise error
        listed = [one for one in self.things if one.changed_at >= since][: self.shown]
        start = int(cursor or 0)
        end = start + self.size
        return Page(findings=listed[start:end], next_cursor=str(end) if end < len(listed) else None)


class Woken:
    def __init__(self) -> None:
        self.ids: list[int] = []

    def events(self, ids: Sequence[int]) -> None:
        self.ids += ids


class AlwaysOpen:
    def try_enter(self, provider: str) -> bool:
        return True

    def leave(self, provider: str) -> None:
        pass


class House:
    """A worker with one poll over shelves by subject."""

    def __init__(self, time: MovedTime, *, pages: int = 100, **shelves: Shelf) -> None:
        self.time = time
        self.shelves = shelves
        self.woken = Woken()
        self.subjects: list[Subject] = [Subject(name, None) for name in shelves]
        self.walker = Walker(begin=time, wake=self.woken, sealer=Sealer())  # type: ignore[arg-type]
        self.kind = Poll(
            provider="due",
            name="transfers",
            listing=lambda subject: self.shelves[subject],
            subjects=lambda _connection, _limit: self.subjects,
            pages=pages,
            overlap=10 * MINUTE,
            first=timedelta(hours=1),
        )

    def poll(self, keep: Callable[[Connection], bool] = lambda _: True) -> Polled:
        self.time.passes(minutes=1)
        return self.walker.poll(self.kind, keep)

    def inbox(self) -> list[str]:
        with self.time() as connection:
            return list(connection.execute(text("SELECT event_id FROM inbox_events ORDER BY id")).scalars())

    def mark(self, subject: str = "acct") -> datetime | None:
        with self.time() as connection:
            mark: datetime | None = connection.execute(
                text("SELECT high_water_mark FROM poll_marks WHERE subject = :subject"), {"subject": subject}
            ).scalar()
            return mark

    def breaks(self) -> list[tuple[str, str, str]]:
        with self.time() as connection:
            rows = connection.execute(text("SELECT type, subject, status FROM breaks"))
            return [(row.type, row.subject, row.status) for row in rows]


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


class TestTurns:
    def accounts(self, time: MovedTime, limit: int) -> list[str]:
        with time() as connection:
            return [
                one.name
                for one in polls.accounts_in_turn(
                    connection, provider="due", poll="transfers", flow_kind="due_deposit", limit=limit
                )
            ]

    @pytest.fixture
    def linked(self, time: MovedTime) -> None:
        with time() as connection:
            connection.execute(text("INSERT INTO customers (id) VALUES ('ana')"))
            connection.execute(
                text("""
                    INSERT INTO customer_links (provider, kind, external_id, customer_id, attributes)
                    SELECT 'due', 'virtual_account', 'va_' || n, 'ana', jsonb_build_object('account', 'acct_' || n % 8)
                      FROM generate_series(0, 15) n
                """)
            )

    @pytest.mark.usefixtures("linked")
    def test_come_round_to_every_account(self, time: MovedTime) -> None:
        """Sixteen virtual accounts of eight accounts, three calls a tick: one call an account, each within three."""
        house = House(time, pages=3, **{f"acct_{n}": Shelf() for n in range(8)})
        house.kind = replace(
            house.kind,
            subjects=lambda connection, limit: polls.accounts_in_turn(
                connection, provider="due", poll="transfers", flow_kind="due_deposit", limit=limit
            ),
        )
        for _ in range(3):
            house.poll()
        assert all(shelf.asked for shelf in house.shelves.values())
        assert sum(len(shelf.asked) for shelf in house.shelves.values()) == 9

    @pytest.mark.usefixtures("linked")
    def test_are_first_of_accounts_with_open_work_but_not_only(self, time: MovedTime) -> None:
        with time() as connection:
            for account in ("acct_3", "acct_6", "acct_unlinked"):
                add_flow(connection, account=account, due_at=time.now)
            add_flow(connection, account="acct_7", status="closed", state="returned")

        assert self.accounts(time, 5) == ["acct_3", "acct_6", "acct_unlinked", "acct_0", "acct_1"]
        assert self.accounts(time, 3) == ["acct_3", "acct_6", "acct_unlinked"]
        assert self.accounts(time, 4)[3] == "acct_0", "a quarter is for those nobody told us of"
        assert len(self.accounts(time, 100)) == 9


class TestTick:
    def tick(self, time: MovedTime, job: str) -> datetime:
        with time() as connection:
            connection.execute(
                text("INSERT INTO ticks (job, slot, term) VALUES (:job, :slot, 1)"), {"job": job, "slot": time.now}
            )
        return time.now

    def ended(self, time: MovedTime) -> tuple[str | None, str | None]:
        with time() as connection:
            row = connection.execute(text("SELECT outcome, detail FROM ticks")).one()
            return row.outcome, row.detail

    def worker(self, house: House, **chores: Callable[..., str]) -> Polls:
        return Polls(
            begin=house.time,
            walker=house.walker,
            doors=AlwaysOpen(),
            polls={("due", "transfers"): house.kind},
            looks={},
            chores=chores,
        )

    def test_runs_its_poll_once(self, time: MovedTime) -> None:
        shelf = Shelf(thing("a"))
        house = House(time, acct=shelf)
        slot = self.tick(time, poll_job("due", "transfers"))
        for _ in range(2):
            self.worker(house).run_tick(poll_job("due", "transfers"), slot)

        assert len(shelf.asked) == 1
        assert self.ended(time) == ("done", "1 news of 1 findings on 1 pages")

    def test_says_that_the_provider_was_away(self, time: MovedTime) -> None:
        shelf = Shelf()
        shelf.fails[1] = ProviderUnavailable("refused", provider="due")
        slot = self.tick(time, poll_job("due", "transfers"))
        self.worker(House(time, acct=shelf)).run_tick(poll_job("due", "transfers"), slot)
        assert self.ended(time) == ("unavailable", "refused")

    def test_of_a_bug_is_finished_so_that_the_next_slot_runs(self, time: MovedTime) -> None:
        def fails(_: object) -> str:
            raise ZeroDivisionError

        slot = self.tick(time, "invariants")
        with pytest.raises(ZeroDivisionError):
            self.worker(House(time), invariants=fails).run_tick("invariants", slot)
        assert self.ended(time) == ("failed", "ZeroDivisionError")

    def test_of_another_release_is_finished_too(self, time: MovedTime) -> None:
        slot = self.tick(time, "feed_the_cat")
        self.worker(House(time)).run_tick("feed_the_cat", slot)
        assert self.ended(time) == ("done", "nothing here knows this job")

    def test_lost_by_its_worker_stops_it(self, time: MovedTime) -> None:
        """It slept through its lease, another worker holds the tick: what it read is not written."""
        shelf = Shelf(thing("a"))
        house = House(time, acct=shelf)
        job = poll_job("due", "transfers")
        slot = self.tick(time, job)

        def sleeps() -> None:
            shelf.before_page = lambda: None
            time.passes(seconds=61)
            with time() as connection:
                assert clock.claim_tick(connection, job, slot)

        shelf.before_page = sleeps
        self.worker(house).run_tick(job, slot)
        assert (house.inbox(), self.ended(time)) == ([], (None, None))


class TestLook:
    def worker(self, time: MovedTime, shelf: Shelf) -> Polls:
        house = House(time)
        return Polls(
            begin=time,
            walker=house.walker,
            doors=AlwaysOpen(),
            polls={},
            looks={("due", "due_transfer"): lambda _: shelf},
            chores={},
        )

    def waiting(self, time: MovedTime) -> list[float]:
        with time() as connection:
            rows = connection.execute(text("SELECT extract(epoch FROM due_at - rk_now()) FROM looks")).scalars()
            return [float(row) for row in rows]

    def ask(self, time: MovedTime) -> None:
        with time() as connection:
            looks.ask(connection, "due", "due_transfer", "acct/a")

    def test_that_finds_news_is_over(self, time: MovedTime) -> None:
        self.ask(time)
        self.worker(time, Shelf(thing("a"))).run_look("due", "due_transfer", "acct/a")
        assert self.waiting(time) == []
        assert House(time).inbox() == ["poll:transfer:a:1"]

    def test_that_finds_nothing_yet_is_repeated_for_two_minutes(self, time: MovedTime) -> None:
        shelf = Shelf()
        worker = self.worker(time, shelf)
        self.ask(time)
        waits = []
        worker.run_look("due", "due_transfer", "acct/a")
        while waiting := self.waiting(time):
            waits += waiting
            time.passes(seconds=waiting[0])
            worker.run_look("due", "due_transfer", "acct/a")
        assert waits == [2, 4, 8, 16, 32, 60]
        assert len(shelf.asked) == 7

    def test_asked_for_while_it_is_under_way_is_done_again(self, time: MovedTime) -> None:
        shelf = Shelf(thing("a"))
        worker = self.worker(time, shelf)
        self.ask(time)
        shelf.before_page = lambda: self.ask(time)
        worker.run_look("due", "due_transfer", "acct/a")
        assert self.waiting(time) == [0]

        shelf.before_page = lambda: None
        shelf.things.append(thing("b"))
        worker.run_look("due", "due_transfer", "acct/a")
        assert self.waiting(time) == []
        assert len(shelf.asked) == 2

    def test_of_a_provider_that_is_away_waits_a_minute(self, time: MovedTime) -> None:
        shelf = Shelf()
        shelf.fails[1] = ProviderUnavailable("refused", provider="due")
        self.ask(time)
        self.worker(time, shelf).run_look("due", "due_transfer", "acct/a")
        assert self.waiting(time) == [60]

    def test_that_leads_nowhere_is_over(self, time: MovedTime) -> None:
        with time() as connection:
            looks.ask(connection, "due", "no_such_poll", "x")
        self.worker(time, Shelf()).run_look("due", "no_such_poll", "x")
        assert self.waiting(time) == []

    def test_is_done_by_one_worker(self, time: MovedTime) -> None:
        shelf = Shelf(thing("a"))
        self.ask(time)
        worker = self.worker(time, shelf)
        shelf.before_page = lambda: worker.run_look("due", "due_transfer", "acct/a")
        worker.run_look("due", "due_transfer", "acct/a")
        assert len(shelf.asked) == 1
