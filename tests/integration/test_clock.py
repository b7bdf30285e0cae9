"""The clock's leader: one acts, late slots run once, what a former leader writes is refused."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from db import clock
from db.clock import Lead, LostLead, Slots
from scheduler.leader import Leadership
from scheduler.metrics import ClockMetrics
from scheduler.watcher import Watcher
from tests.support.moved_time import MovedTime

MINUTELY = Slots("minutely", timedelta(minutes=1))
DAILY = Slots("daily", timedelta(days=1), offset=timedelta(hours=3))


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    return MovedTime(engine)


def leadership(time: MovedTime) -> Leadership:
    return Leadership(time, monotonic=time.monotonic)


def lead_of(time: MovedTime) -> Lead:
    taken = leadership(time).step()
    assert taken
    return taken


def ticks(time: MovedTime, job: str = "minutely") -> list[tuple[str, str | None]]:
    with time() as connection:
        rows = connection.execute(
            text("SELECT to_char(slot, 'HH24:MI') AS slot, outcome FROM ticks WHERE job = :job ORDER BY ticks.slot"),
            {"job": job},
        )
        return [(row.slot, row.outcome) for row in rows]


class TestLease:
    def test_goes_to_one_of_two(self, time: MovedTime) -> None:
        first, second = leadership(time), leadership(time)

        assert first.step()
        assert second.step() is None
        assert (first.lead is not None, second.lead) == (True, None)

    def test_is_kept_by_renewing(self, time: MovedTime) -> None:
        first, second = leadership(time), leadership(time)
        first.step()
        for _ in range(20):
            time.passes(seconds=1)
            first.step()
            assert second.step() is None
        assert first.lead == Lead(first.holder, 1)

    def test_passes_on_within_ten_seconds_of_a_silent_leaders_last_renewal(self, time: MovedTime) -> None:
        first, second = leadership(time), leadership(time)
        first.step()
        waited = 0
        while second.step() is None:
            time.passes(seconds=1)
            waited += 1

        assert waited <= 9
        assert second.lead == Lead(second.holder, 2)

    def test_is_not_acted_on_by_one_who_could_not_renew_it(self, time: MovedTime) -> None:
        """Before the lease can be another's, its holder has stopped by its own monotonic clock."""
        first, second = leadership(time), leadership(time)
        first.step()
        time.passes(seconds=6)

        assert first.lead is None
        assert second.step() is None, "and for a second nobody leads"

    def test_found_lost_makes_a_follower(self, time: MovedTime) -> None:
        first, second = leadership(time), leadership(time)
        first.step()
        time.passes(seconds=8)
        second.step()

        assert first.step() is None
        assert (first.lead, second.lead) == (None, Lead(second.holder, 2))

    def test_let_go_is_taken_at_once(self, time: MovedTime) -> None:
        first, second = leadership(time), leadership(time)
        first.step()
        first.release()

        assert second.step()
        assert first.step() is None

    def test_taken_by_two_at_once_goes_to_one(self, engine: Engine) -> None:
        time = MovedTime(engine)
        contenders = [leadership(time) for _ in range(6)]
        threads = [threading.Thread(target=one.step) for one in contenders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sum(one.lead is not None for one in contenders) == 1


class TestTicks:
    def test_stand_on_whole_multiples_since_the_epoch(self, time: MovedTime) -> None:
        lead = lead_of(time)
        with time() as connection:
            made = clock.insert_ticks(connection, lead, [MINUTELY, DAILY])

        assert made == [
            ("daily", datetime(2026, 3, 4, 3, tzinfo=UTC)),
            ("minutely", datetime(2026, 3, 4, 12, 0, tzinfo=UTC)),
        ]

    def test_are_made_once_whoever_leads(self, time: MovedTime) -> None:
        """The slot the first leader ticked is not ticked again by the second in the same minute."""
        first = lead_of(time)
        with time() as connection:
            clock.insert_ticks(connection, first, [MINUTELY])
        time.passes(seconds=9)
        second = lead_of(time)

        with time() as connection:
            assert clock.insert_ticks(connection, second, [MINUTELY]) == []
        assert ticks(time) == [("12:00", None)]

    def test_missed_run_late_and_once(self, time: MovedTime) -> None:
        """Nobody led for ten minutes: the newest slot is ticked, the nine before it are not."""
        lead = lead_of(time)
        with time() as connection:
            clock.insert_ticks(connection, lead, [MINUTELY])
            claimed = clock.claim_tick(connection, "minutely", datetime(2026, 3, 4, 12, tzinfo=UTC))
            assert claimed
            clock.finish_tick(connection, claimed, outcome="done")
        time.passes(minutes=10)
        later = lead_of(time)
        with time() as connection:
            clock.insert_ticks(connection, later, [MINUTELY])

        assert ticks(time) == [("12:00", "done"), ("12:10", None)]

    def test_nobody_began_are_passed_over_for_the_newest(self, time: MovedTime) -> None:
        """Workers were away for three minutes: they do the job once, not thrice."""
        lead = lead_of(time)
        for _ in range(3):
            with time() as connection:
                clock.insert_ticks(connection, lead_again(time, lead), [MINUTELY])
            time.passes(minutes=1)

        assert ticks(time) == [("12:00", "passed over"), ("12:01", "passed over"), ("12:02", None)]

    def test_under_way_hold_back_the_next_of_their_job(self, time: MovedTime) -> None:
        lead = lead_of(time)
        slots = []
        for _ in range(2):
            with time() as connection:
                ((_, slot),) = clock.insert_ticks(connection, lead_again(time, lead), [MINUTELY])
                slots.append(slot)
                claimed = clock.claim_tick(connection, "minutely", slot)
            time.passes(seconds=50)
        assert claimed is None, "the first is still under way"

        time.passes(seconds=30)
        with time() as connection:
            assert clock.claim_tick(connection, "minutely", slots[1])

    def test_lost_with_their_worker_are_anyones_after_the_lease(self, time: MovedTime) -> None:
        lead = lead_of(time)
        with time() as connection:
            ((job, slot),) = clock.insert_ticks(connection, lead, [MINUTELY])
            lost = clock.claim_tick(connection, job, slot)
            assert lost
            assert clock.claim_tick(connection, job, slot) is None
        time.passes(seconds=61)
        with time() as connection:
            again = clock.claim_tick(connection, job, slot)
            assert again
            assert not clock.finish_tick(connection, lost, outcome="done"), "the late worker's word is refused"
            assert not clock.keep_tick(connection, lost)
            assert clock.finish_tick(connection, again, outcome="done")

    def test_of_a_former_leader_are_refused(self, time: MovedTime) -> None:
        """A leader that slept through its lease writes nothing when it wakes up."""
        stale = lead_of(time)
        time.passes(seconds=8)
        lead_of(time)

        with pytest.raises(LostLead), time() as connection:
            clock.insert_ticks(connection, stale, [MINUTELY])
        with pytest.raises(LostLead), time() as connection:
            clock.declare(connection, stale, [MINUTELY])
        assert ticks(time) == []

    def test_of_a_lease_that_ran_out_are_refused_though_nobody_took_it(self, time: MovedTime) -> None:
        stale = lead_of(time)
        time.passes(seconds=8)

        with pytest.raises(LostLead), time() as connection:
            clock.insert_ticks(connection, stale, [MINUTELY])


class TestWatcher:
    def test_hears_a_job_without_a_tick_for_two_intervals(self, time: MovedTime) -> None:
        lead = lead_of(time)
        with time() as connection:
            clock.declare(connection, lead, [MINUTELY, DAILY])
            clock.insert_ticks(connection, lead, [MINUTELY, DAILY])
        metrics = ClockMetrics()
        watcher = Watcher(time, metrics, monotonic=time.monotonic)

        time.passes(seconds=85)
        assert watcher.look() == ()
        time.passes(seconds=10)
        assert watcher.look() == ("minutely",)
        assert metrics.registry.get_sample_value("rampkeeper_clock_silent_jobs") == 1

        with time() as connection:
            clock.insert_ticks(connection, lead_of(time), [MINUTELY])
        assert watcher.look() == ()

    def test_hears_a_job_that_never_ticked(self, time: MovedTime) -> None:
        with time() as connection:
            clock.declare(connection, lead_of(time), [MINUTELY])
        time.passes(minutes=3)
        with time() as connection:
            (silent,) = clock.silent_jobs(connection)

        assert (silent.job, silent.last_slot, silent.silent_for) == ("minutely", None, timedelta(minutes=3))

    def test_forgets_a_job_no_longer_declared(self, time: MovedTime) -> None:
        lead = lead_of(time)
        with time() as connection:
            clock.declare(connection, lead, [MINUTELY, DAILY])
            clock.declare(connection, lead, [DAILY])
        time.passes(minutes=3)
        with time() as connection:
            assert clock.silent_jobs(connection) == []


def lead_again(time: MovedTime, lead: Lead) -> Lead:
    """The same term, renewed, however long it was."""
    with time() as connection:
        connection.execute(
            text("UPDATE clock_leases SET expires_at = rk_now() + interval '7 s' WHERE term = :term"),
            {"term": lead.term},
        )
    return Lead(lead.holder, lead.term)


def test_a_lead_of_another_holder_is_no_lead(engine: Engine) -> None:
    """After a failover a term may be handed out twice: the holder tells them apart."""
    time = MovedTime(engine)
    lead = lead_of(time)
    with pytest.raises(LostLead), time() as connection:
        clock.hold_lead(connection, Lead(uuid4(), lead.term))
