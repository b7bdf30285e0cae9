"""The sweeps: what is stuck, impossible or silent is a break until it is not; what is old goes, ids stay."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from db import ledger
from funding.ledger import accounts
from funding.ledger.entries import credit, debit, entry
from funding.money import Money
from tests.support.moved_time import MovedTime
from tests.support.rows import add_event, add_flow, add_session
from workers.sweeps import QUIET, Sweeps
from workers.walks import Superseded

HOUR = timedelta(hours=1)
LIMITS = {("due_deposit", "received"): HOUR, ("due_deposit", "off_ramp_initiated"): 24 * HOUR}


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    return MovedTime(engine)


@pytest.fixture
def sweeps(time: MovedTime) -> Sweeps:
    return Sweeps(begin=time, limits=LIMITS, enabled=("due", "alpaca"), alpaca=None)


def breaks(time: MovedTime) -> list[tuple[str, str, str]]:
    with time() as connection:
        rows = connection.execute(text("SELECT type, subject, status FROM breaks ORDER BY type, subject"))
        return [(row.type, row.subject, row.status) for row in rows]


def run(time: MovedTime, statement: str, **values: object) -> int:
    with time() as connection:
        return connection.execute(text(statement), values).rowcount


class TestStuck:
    def test_is_a_flow_quiet_for_longer_than_its_state_may_last(self, time: MovedTime, sweeps: Sweeps) -> None:
        with time() as connection:
            flow = add_flow(connection, due_at=time.now)
            add_flow(connection, due_at=time.now, state="off_ramp_initiated")
            add_flow(connection, parked=True)
            add_flow(connection, status="resting", state="broker_funded")
        time.passes(minutes=59)
        assert sweeps.sweep_stuck() == "0 newly stuck, 0 moved on"
        time.passes(minutes=2)
        assert sweeps.sweep_stuck() == "1 newly stuck, 0 moved on"

        assert breaks(time) == [("stuck", str(flow), "open")]
        assert sweeps.sweep_stuck() == "0 newly stuck, 0 moved on", "it is told once"

    @pytest.mark.parametrize(
        "change",
        [
            "state = 'off_ramp_initiated', moved_at = rk_now()",
            "parked_at = rk_now()",
            "status = 'closed', closed_at = rk_now(), due_at = NULL",
        ],
    )
    def test_is_over_when_the_flow_moves_on(self, time: MovedTime, sweeps: Sweeps, change: str) -> None:
        with time() as connection:
            flow = add_flow(connection, due_at=time.now)
        time.passes(hours=2)
        sweeps.sweep_stuck()
        run(time, f"UPDATE flows SET {change}")  # noqa: S608 -- the table above

        assert sweeps.sweep_stuck() == "0 newly stuck, 1 moved on"
        assert breaks(time) == [("stuck", str(flow), "closed")]

    def test_again_reopens_its_break(self, time: MovedTime, sweeps: Sweeps) -> None:
        with time() as connection:
            flow = add_flow(connection, due_at=time.now)
        for _ in range(2):
            time.passes(hours=2)
            sweeps.sweep_stuck()
            run(time, "UPDATE flows SET moved_at = rk_now()")
            sweeps.sweep_stuck()
        with time() as connection:
            told = connection.execute(text("SELECT what FROM break_history ORDER BY id")).scalars().all()
        assert told == ["opened", "closed", "reopened", "closed"]
        assert breaks(time) == [("stuck", str(flow), "closed")]


class TestInvariants:
    def posted(self, time: MovedTime) -> None:
        cents = Money(25_000, "USD")
        with time() as connection:
            connection.execute(text("INSERT INTO customers (id) VALUES ('ana')"))
            ledger.post(
                connection,
                None,
                [
                    entry(
                        "test/1",
                        "received",
                        debit(accounts.clearing("due", "USD"), cents),
                        credit(accounts.deposit("ana", "USD"), cents),
                    )
                ],
            )

    def test_hold_on_a_good_day(self, time: MovedTime, sweeps: Sweeps) -> None:
        self.posted(time)
        with time() as connection:
            add_flow(connection, session=add_session(connection))
            add_flow(connection, due_at=time.now)
        time.passes(hours=1)
        assert sweeps.check_invariants() == "0 violated; no balance to compare"
        assert breaks(time) == []

    def test_see_a_balance_that_its_postings_do_not_make(self, time: MovedTime, sweeps: Sweeps) -> None:
        self.posted(time)
        run(time, "UPDATE balances SET posted = posted + 1")
        sweeps.check_invariants()
        assert breaks(time) == [("balance_differs", "customer:ana deposit USD", "open")]
        run(time, "UPDATE balances SET posted = posted - 1")
        sweeps.check_invariants()
        assert breaks(time) == [("balance_differs", "customer:ana deposit USD", "closed")]

    def test_see_a_balance_that_is_not_there(self, time: MovedTime, sweeps: Sweeps) -> None:
        self.posted(time)
        run(time, "DELETE FROM balances")
        sweeps.check_invariants()
        assert breaks(time) == [("balance_differs", "customer:ana deposit USD", "open")]

    def test_see_postings_that_do_not_balance(self, time: MovedTime, sweeps: Sweeps) -> None:
        """Somebody went around the database's own guard."""
        self.posted(time)
        run(time, "ALTER TABLE postings DISABLE TRIGGER USER")
        run(time, "DELETE FROM postings WHERE amount < 0")
        assert sweeps.check_invariants().startswith("2 violated")
        assert ("balance_differs", "trial balance USD posted", "open") in breaks(time)

    def test_see_a_claim_of_nobody(self, time: MovedTime, sweeps: Sweeps) -> None:
        with time() as connection:
            flow = add_flow(connection, session=add_session(connection))
            add_flow(connection, session=add_session(connection))
            connection.execute(
                text("""
                    UPDATE worker_sessions s SET dead_at = rk_now() FROM flows f
                     WHERE f.id = :id AND s.id = f.session_id
                """),
                {"id": flow},
            )
        assert sweeps.check_invariants().startswith("0 violated"), "the clock frees it within seconds"
        time.passes(minutes=2)
        sweeps.check_invariants()
        assert breaks(time) == [("stuck", f"flow {flow} is claimed by nobody", "open")]

    def test_see_an_open_flow_that_nothing_will_wake(self, time: MovedTime, sweeps: Sweeps) -> None:
        run(time, "ALTER TABLE flows DROP CONSTRAINT flows_check2, DROP CONSTRAINT flows_check3")
        with time() as connection:
            flow = add_flow(connection, due_at=None)
        sweeps.check_invariants()
        assert breaks(time) == [("stuck", f"flow {flow} is not due", "open")]

    def test_leave_other_breaks_alone(self, time: MovedTime, sweeps: Sweeps) -> None:
        with time() as connection:
            add_flow(connection, due_at=time.now)
        time.passes(hours=2)
        sweeps.sweep_stuck()
        sweeps.check_invariants()
        sweeps.find_silent()
        assert [status for _, _, status in breaks(time)] == ["open"]


class TestSilence:
    def waiting(self, time: MovedTime, provider: str) -> UUID:
        with time() as connection:
            return add_flow(connection, due_at=time.now, provider=provider)

    def test_is_told_while_somebody_waits(self, time: MovedTime, sweeps: Sweeps) -> None:
        self.waiting(time, "alpaca")
        with time() as connection:
            add_event(connection, "evt_1", provider="due")
        time.passes(hours=QUIET / HOUR - 0.1)
        assert sweeps.find_silent() == "0 silent"
        time.passes(hours=0.2)
        assert sweeps.find_silent() == "1 silent"
        assert breaks(time) == [("silent_provider", "events", "open")]

        with time() as connection:
            add_event(connection, "evt_2", provider="alpaca", source="poll")
        assert sweeps.find_silent() == "0 silent"
        assert breaks(time) == [("silent_provider", "events", "closed")]

    def test_is_peace_when_nobody_waits(self, time: MovedTime, sweeps: Sweeps) -> None:
        time.passes(days=3)
        self.waiting(time, "alpaca")  # just now: it cannot have been answered yet
        with time() as connection:
            add_flow(connection, parked=True, provider="due", moved_at=time.now - timedelta(days=2))
        assert sweeps.find_silent() == "0 silent"

    def test_of_a_listing_nobody_could_walk_is_told(self, time: MovedTime, sweeps: Sweeps) -> None:
        run(
            time,
            """INSERT INTO poll_marks (provider, poll, subject, high_water_mark, last_error)
               VALUES ('due', 'deliveries', '', rk_now(), 'Misconfigured: 401'),
                      ('due', 'transfers', 'a', rk_now(), NULL)""",
        )
        assert sweeps.find_silent() == "0 silent"
        time.passes(hours=1, minutes=1)
        assert sweeps.find_silent() == "1 silent"
        with time() as connection:
            assert connection.execute(text("SELECT theirs FROM breaks")).scalar_one() == "Misconfigured: 401"


class TestRetention:
    def test_clears_bodies_of_handled_events_and_keeps_their_ids(self, time: MovedTime, sweeps: Sweeps) -> None:
        for name, state in (("old", "handled"), ("unread", "ignored"), ("dead", "dead"), ("waiting", "received")):
            with time() as connection:
                add_event(connection, name)
                connection.execute(
                    text("""
                        UPDATE inbox_events SET state = CAST(:state AS text), body = 'x',
                               due_at = CASE WHEN :state = 'received' THEN rk_now() END,
                               handled_at = CASE WHEN :state <> 'received' THEN rk_now() END
                         WHERE event_id = :name
                    """),
                    {"name": name, "state": state},
                )
        time.passes(days=89)
        run(time, "UPDATE inbox_events SET handled_at = rk_now() WHERE event_id = 'unread'")
        sweeps.retain(lambda _: True)
        assert self.with_body(time) == ["dead", "old", "unread", "waiting"]
        time.passes(days=2)
        sweeps.retain(lambda _: True)
        assert self.with_body(time) == ["dead", "unread", "waiting"]
        with time() as connection:
            assert connection.execute(text("SELECT count(*) FROM inbox_events")).scalar_one() == 4

    def with_body(self, time: MovedTime) -> list[str]:
        with time() as connection:
            rows = connection.execute(
                text("SELECT event_id FROM inbox_events WHERE body IS NOT NULL ORDER BY event_id")
            )
            return list(rows.scalars())

    def test_forgets_traces_of_long_ago(self, time: MovedTime, sweeps: Sweeps) -> None:
        run(
            time,
            """INSERT INTO ticks (job, slot, term, due_at, finished_at)
               VALUES ('a', rk_now(), 1, NULL, rk_now()), ('b', rk_now(), 1, rk_now(), NULL)""",
        )
        with time() as connection:
            add_session(connection)
            connection.execute(text("UPDATE worker_sessions SET dead_at = rk_now()"))
            add_session(connection)
            for state in ("delivered", "exhausted"):
                connection.execute(
                    text("""
                        WITH told AS (
                          INSERT INTO notifications (id, type, cause, channel, data, state, due_at)
                          VALUES (gen_random_uuid(), 'deposit.funded', :state, 'webhook', '{}', :state, NULL)
                          RETURNING id
                        )
                        INSERT INTO notification_attempts (notification_id, took_ms) SELECT id, 1 FROM told
                    """),
                    {"state": state},
                )
        time.passes(days=31)
        cleared = "0 bodies, 1 notification_attempts, 1 ticks, 1 worker_sessions, 0 reports"
        assert sweeps.retain(lambda _: True) == cleared
        assert sweeps.retain(lambda _: True) == cleared.replace("1", "0")

    def test_goes_in_small_batches_while_it_holds_its_tick(
        self, time: MovedTime, sweeps: Sweeps, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(
            time,
            """INSERT INTO ticks (job, slot, term, due_at, finished_at)
               SELECT 'a', rk_now() - n * interval '1 s', 1, NULL, rk_now() FROM generate_series(1, 25) n""",
        )
        time.passes(days=40)
        monkeypatch.setattr("workers.sweeps.RETENTION_BATCH", 10)
        holds = iter([True, True, True, False])  # one for bodies, one for attempts, then two batches of ticks
        with pytest.raises(Superseded):
            sweeps.retain(lambda _: next(holds))
        with time() as connection:
            assert connection.execute(text("SELECT count(*) FROM ticks")).scalar_one() == 15
        assert "15 ticks" in sweeps.retain(lambda _: True)
