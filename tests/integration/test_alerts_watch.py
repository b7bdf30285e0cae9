"""Alerts of our own: fired by rows, told once, and told when over."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from db.alerts import CALM
from ops.alerts import firing, watch
from tests.support.fleet_rows import FleetRows
from tests.support.moved_clock import MovedClock

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock(engine: Engine) -> MovedClock:
    return MovedClock(engine)


@pytest.fixture
def rows(clock: MovedClock) -> FleetRows:
    """A fleet in which nothing is wrong."""
    rows = FleetRows(clock)
    rows.session()
    rows.lease(left=timedelta(days=1))
    return rows


def fired(clock: MovedClock) -> list[tuple[str, str]]:
    with clock.begin() as connection:
        return [(alert.rule.name, alert.subject) for alert in firing(connection)]


def look(clock: MovedClock) -> list[str]:
    """One look of the watch: the texts it told, in order, delivered at once."""
    with clock.begin() as connection:
        ids = watch(connection)
        found = connection.execute(
            text("SELECT type || ': ' || (data ->> 'text') FROM notifications WHERE id = ANY(:ids) ORDER BY 1"),
            {"ids": ids},
        )
        told = list(found.scalars())
        connection.execute(text("UPDATE notifications SET state = 'delivered', due_at = NULL"))
        return told


def many(times: int, act: Callable[[], object]) -> None:
    for _ in range(times):
        act()


class TestFiring:
    def test_nothing_fires_when_nothing_is_wrong(self, clock: MovedClock, rows: FleetRows) -> None:
        many(20, lambda: rows.flow(state="broker_funded", status="resting"))
        many(20, rows.event)
        many(20, rows.attempt)
        assert fired(clock) == []

    def test_an_empty_house_lacks_its_processes(self, clock: MovedClock) -> None:
        assert fired(clock) == [("clock-stopped", ""), ("no-workers", "")]

    @pytest.mark.parametrize(("failed", "fires"), [(3, []), (4, [("success-low", "kind due_deposit")])])
    def test_success_below_85_percent(
        self, clock: MovedClock, rows: FleetRows, failed: int, fires: list[tuple[str, str]]
    ) -> None:
        many(17, lambda: rows.flow(state="broker_funded", status="resting"))
        many(failed, lambda: rows.flow(state="returned", status="closed"))
        assert fired(clock) == fires

    def test_events_handled_late(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.event(took=timedelta(seconds=301), ago=timedelta(minutes=6))
        assert fired(clock) == [("events-slow", "provider due")]

    def test_a_provider_that_fails(self, clock: MovedClock, rows: FleetRows) -> None:
        many(38, rows.attempt)
        many(3, lambda: rows.attempt(outcome="unknown"))
        assert fired(clock) == [("provider-errors", "provider due")]

    def test_work_that_waits(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.flow(due_ago=timedelta(seconds=121))
        assert fired(clock) == [("oldest-due", "queue flows")]

    def test_a_silent_provider(self, clock: MovedClock, rows: FleetRows) -> None:
        many(3, lambda: rows.event(source="poll", ago=timedelta(minutes=31)))
        assert fired(clock) == [("provider-silent", "provider due")]

    def test_a_clock_that_makes_no_ticks(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.job(job="poll", every=MINUTE, last_slot_ago=timedelta(seconds=151))
        assert fired(clock) == [("clock-late", "job poll")]

    def test_what_waits_for_people(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.letter()
        rows.a_break()
        rows.notification(state="held")
        rows.notification(state="exhausted", channel="apprise")
        rows.gate(paused=True, breaker="open")
        assert fired(clock) == [
            ("dead-letters-open", "kind due_deposit step fund_brokerage"),
            ("breaks-open", "provider due type stuck"),
            ("notifications-held", "channel webhook"),
            ("notifications-exhausted", "channel apprise"),
            ("breaker-open", "provider due"),
            ("provider-paused", "provider due"),
        ]

    def test_tokens_that_nobody_took(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.a_break(type_="unmatched_event", provider="ibex", about="transaction ")
        rows.a_break(type_="unmatched_event", provider="ibex", about="transaction ", status="closed")
        assert fired(clock) == [
            ("breaks-open", "provider ibex type unmatched_event"),
            ("receipts-untaken", "provider ibex"),
        ]

    def test_an_event_that_matches_nothing_is_no_receipt(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.a_break(type_="unmatched_event", provider="stripe", about="payment_intent ")
        assert fired(clock) == [("breaks-open", "provider stripe type unmatched_event")]

    def test_customers_who_owe_until_it_came_back(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.owes("ana", 70_00)
        rows.owes("ben", 5_00)
        assert fired(clock) == [("customers-owe", "asset USD")]
        rows.paid_back("ana", 70_00)
        assert fired(clock) == [("customers-owe", "asset USD")]
        rows.paid_back("ben", 5_00)
        assert fired(clock) == []


class TestWatching:
    def test_tells_once_and_where_to_read_on(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.a_break()
        (told,) = look(clock)
        assert told.startswith("alert.firing: [ticket] Breaks are open (provider due type stuck): 1, above 0.")
        assert told.endswith("What to do: docs/runbook.md#breaks-open")
        clock.forward(MINUTE)
        rows.a_break()
        assert look(clock) == []

    def test_waits_until_it_has_lasted(self, clock: MovedClock, rows: FleetRows) -> None:
        flow = rows.flow(due_ago=timedelta(minutes=3))
        assert look(clock) == []
        clock.forward(MINUTE)
        assert [told.split(":")[0] for told in look(clock)] == ["alert.firing"]
        assert flow

    def test_forgets_at_once_what_nobody_was_told_of(self, clock: MovedClock, rows: FleetRows) -> None:
        """Met, gone and met again is not lasting."""
        rows.flow(due_ago=timedelta(minutes=3))
        look(clock)
        clock.forward(timedelta(seconds=50))
        self.work_off(clock)
        assert look(clock) == []
        clock.forward(timedelta(seconds=10))
        rows.flow(due_ago=timedelta(minutes=3))
        assert look(clock) == []

    def test_tells_when_it_is_over_after_a_calm(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.a_break()
        look(clock)
        self.mend(clock)
        clock.forward(CALM - MINUTE)
        assert look(clock) == []
        clock.forward(2 * MINUTE)
        assert look(clock) == [
            "alert.resolved: [over] Breaks are open (provider due type stuck). It was: docs/runbook.md#breaks-open"
        ]
        assert look(clock) == []

    def test_one_that_comes_back_soon_is_the_same(self, clock: MovedClock, rows: FleetRows) -> None:
        """What flaps must not ring every minute."""
        rows.a_break()
        look(clock)
        for _ in range(3):
            self.mend(clock)
            clock.forward(MINUTE)
            assert look(clock) == []
            rows.a_break()
            clock.forward(MINUTE)
            assert look(clock) == []

    def test_one_that_comes_back_later_is_told_again(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.a_break()
        look(clock)
        self.mend(clock)
        clock.forward(CALM + MINUTE)
        look(clock)
        rows.a_break()
        assert [told.split(":")[0] for told in look(clock)] == ["alert.firing"]

    def test_is_only_remembered_where_nobody_is_to_be_told(self, clock: MovedClock, rows: FleetRows) -> None:
        rows.a_break()
        with clock.begin() as connection:
            assert watch(connection, channels=()) == []
            assert connection.execute(text("SELECT count(*) FROM notifications")).scalar_one() == 0
            assert connection.execute(text("SELECT name FROM alerts_firing WHERE told_at IS NOT NULL")).scalars().all()

    @staticmethod
    def mend(clock: MovedClock) -> None:
        with clock.begin() as connection:
            connection.execute(text("UPDATE breaks SET status = 'closed'"))

    @staticmethod
    def work_off(clock: MovedClock) -> None:
        with clock.begin() as connection:
            connection.execute(text("UPDATE flows SET due_at = rk_now() + interval '1 hour'"))
