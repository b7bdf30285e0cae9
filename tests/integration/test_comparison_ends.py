"""How a day's comparison ends when it cannot go its way: its tick and its run say so, and no break is invented."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from db import clock
from db.gates import GateRows
from dispatch import jobs
from funding.errors import Misconfigured, ProviderUnavailable, UnexpectedAnswer
from funding.reconcile.records import Record, RecordPage
from ops.actions.reconcile.compare import GivenUp
from providers.due.provider import DueConfig
from providers.provider import Connected
from providers.registry import Providers, ProvidersConfig, Surroundings, build
from tests.simulation.heard import Heard
from tests.support.compared import a_transfer, add_compared
from tests.support.moved_time import MovedTime
from tests.support.shelf import MINUTE, NOON, AlwaysOpen
from tests.support.shelf import House as Walking
from workers.comparisons import Comparisons
from workers.polls import Polls

JOB = jobs.compare_job("due")
DAY_AGO = NOON - timedelta(days=1)


class Records:
    """Due's side of a comparison, in memory. `before_page` happens whenever its listing is asked for."""

    def __init__(self, *listed: Record) -> None:
        self.listed = listed
        self.before_page: Callable[[], object] = lambda: None

    def page(self, *, since: datetime, until: datetime, cursor: str | None) -> RecordPage:
        self.before_page()
        return RecordPage(records=self.listed, next_cursor=None)

    def one(self, object_id: str, *, account: str | None) -> Record | None:
        return next((one for one in self.listed if one.id == object_id), None)


class House:
    """A worker with credentials for Due alone, whose timetable compares it; Alpaca's are missing."""

    def __init__(self, time: MovedTime) -> None:
        self.time = time
        self.due = Records()
        config = ProvidersConfig(
            each=(DueConfig(base_url="http://127.0.0.1:1", api_keys=["k"]),), threads=1, redis_url=None
        )
        built = build(config, Surroundings(gate_store=GateRows(time)))
        connected = {"due": Connected(port=None, records=lambda _accounts: {"transfer": self.due}, listings=())}
        self.providers: Providers = replace(built, connected=connected)
        self.comparisons = Comparisons(begin=time, providers=self.providers, poll=MINUTE)
        self.polls = Polls(
            begin=time,
            walker=Walking(time).walker,
            wake=Heard(),
            doors=AlwaysOpen(),
            polls={},
            looks={},
            chores=self.comparisons.chores(),
            asks=self.comparisons.asks(),
        )

    def tick(self) -> datetime:
        """The clock writes the next slot of the comparison."""
        self.time.passes(minutes=1)
        with self.time() as connection:
            connection.execute(
                text("INSERT INTO ticks (job, slot, term) VALUES (:job, :slot, 1)"), {"job": JOB, "slot": self.time.now}
            )
        return self.time.now

    def run(self) -> tuple[str | None, str | None]:
        """The next slot is done; how it ended."""
        self.polls.run_tick(JOB, self.tick())
        ((outcome, detail),) = self.rows("SELECT outcome, detail FROM ticks ORDER BY slot DESC LIMIT 1")
        return outcome, detail

    def away(self, error: Exception) -> None:
        """Due's listing fails in that way from now on."""

        def fails() -> None:
            raise error

        self.due.before_page = fails

    def rows(self, query: str) -> Sequence[Any]:
        with self.time() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def runs(self) -> Sequence[Any]:
        """(status, error) of each comparison, the oldest first."""
        return self.rows("SELECT status, error FROM reconciliation_runs ORDER BY started_at")

    def breaks(self) -> Sequence[Any]:
        return self.rows("SELECT type, subject, status FROM breaks ORDER BY subject")


@pytest.fixture
def house(engine: Engine) -> House:
    house = House(MovedTime(engine, NOON))
    with house.time() as connection:
        add_compared(connection, transfer="tf_ours", at=DAY_AGO)
    house.due.listed = (a_transfer("tf_ours", at=DAY_AGO),)
    return house


def test_where_nothing_is_wrong_it_counts_both_sides(house: House) -> None:
    """What the other stories depart from."""
    assert house.run() == ("done", "1 of theirs with 1 of ours: 0 breaks opened")
    assert house.runs() == [("finished", None)]


class TestAProviderThatCannotBeRead:
    def test_ends_the_day_as_away_and_nothing_counts_as_missing(self, house: House) -> None:
        """It asks for an hour, more patience than a comparison has: that it shows nothing now says nothing about it."""
        house.away(ProviderUnavailable("due is down", provider="due", retry_after=timedelta(hours=1)))

        assert house.run() == ("unavailable", "due is down")

        assert house.runs() == [("failed", "due could not be read: due is down")]
        assert house.breaks() == []

    def test_is_compared_again_at_the_next_slot(self, house: House) -> None:
        house.away(ProviderUnavailable("due is down", provider="due", retry_after=timedelta(hours=1)))
        house.run()
        house.due = Records()

        assert house.run() == ("done", "0 of theirs with 1 of ours: 1 breaks opened")

        assert house.breaks() == [("missing_there", "transfer tf_ours", "open")]

    def test_leaves_open_what_an_earlier_day_found(self, house: House) -> None:
        """An end without an answer closes nothing either."""
        house.due = Records()
        house.run()
        house.away(UnexpectedAnswer("no JSON", provider="due"))

        assert house.run() == ("failed", "UnexpectedAnswer: no JSON")

        assert house.breaks() == [("missing_there", "transfer tf_ours", "open")]

    def test_and_that_refuses_our_key_is_paused(self, house: House) -> None:
        """A day is long: whoever is told today need not wait for tomorrow's comparison to fail as well."""
        house.away(Misconfigured("due answered 401", provider="due", status=401))

        assert house.run() == ("refused", "due answered 401; due is paused until somebody resumes it")

        assert house.rows("SELECT provider, paused_reason FROM provider_gates WHERE paused") == [
            ("due", "it refused us: due answered 401")
        ]


class TestARunThatIsNotWantedAnyMore:
    def test_stops_when_another_worker_has_its_tick(self, house: House) -> None:
        """It stood still for longer than its hold: the other one's report is the day's, and this one opens nothing."""
        house.due = Records()

        def sleeps() -> None:
            house.time.passes(seconds=61)
            with house.time() as connection:
                (slot,) = connection.execute(text("SELECT slot FROM ticks")).one()
                assert clock.claim_tick(connection, JOB, slot)

        house.due.before_page = sleeps

        assert house.run() == (None, None), "the tick is the other's to end"

        assert house.runs() == [("failed", "it ended early: Superseded")]
        assert house.breaks() == []

    def test_says_that_it_was_superseded_when_it_has_to_stop(self, house: House) -> None:
        """Its hold is refused once, and it asks no second time."""
        asked: list[str] = []
        house.due.before_page = lambda: asked.append("page")
        chore = house.comparisons.chores()[JOB]
        house.polls = replace(house.polls, chores={JOB: lambda _keep: chore(lambda _: False)})

        assert house.run() == ("superseded", "another run went on with it")

        assert asked == ["page"]
        assert house.rows("SELECT count(*) FROM reconciliation_records") == [(0,)], "what it had read is forgotten"

    def test_ends_as_failed_when_a_person_has_given_it_up(self, house: House) -> None:
        """Another comparison found it silent for ten minutes and marked it: its late answer must not open breaks."""
        house.due = Records()
        lost = "UPDATE reconciliation_runs SET status = 'failed', error = 'its process ended before it was done'"

        def marked() -> None:
            with house.time() as connection:
                connection.execute(text(lost))

        house.due.before_page = marked
        with pytest.raises(GivenUp):
            house.run()

        assert house.rows("SELECT outcome, detail FROM ticks") == [("failed", "GivenUp")]
        assert house.runs() == [("failed", "its process ended before it was done")]
        assert house.breaks() == []


class TestAProviderWithoutCredentials:
    def test_has_no_job_here(self, house: House) -> None:
        """Another worker may have them: this one neither takes a place at it nor compares."""
        assert house.comparisons.asks() == {JOB: "due"}
        assert list(house.comparisons.chores()) == [JOB]

    def test_is_said_to_be_missing_and_leaves_no_failed_run(self, house: House) -> None:
        """A failed run would be an alarm about money, where only a setting is missing."""
        assert house.comparisons.compare("alpaca", lambda _: True) == "alpaca is not configured"
        assert house.runs() == []
