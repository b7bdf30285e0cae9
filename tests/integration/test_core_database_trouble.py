"""Our own database away or busy: nothing learned is lost, nothing is charged to a flow, no event is set aside."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from db import due_work
from db.engine import UnitOfWork
from funding.flow import Flow
from funding.flows.table import FLOWS
from funding.outcomes import Advance
from tests.support.deposit_house import DepositHouse


@pytest.fixture
def house(engine: Engine) -> Iterator[DepositHouse]:
    house = DepositHouse(engine)
    yield house
    house.close()


def away(begin: UnitOfWork, when: Callable[[], bool], error: Exception) -> UnitOfWork:
    """Transactions that cannot be opened while `when` says so. A failed connect is no broken connection."""

    @contextmanager
    def opened() -> Iterator[Connection]:
        if when():
            raise OperationalError("connect", {}, error)
        with begin() as connection:
            yield connection

    return opened


def times(number: int) -> Callable[[], bool]:
    left = iter([True] * number)
    return lambda: next(left, False)


class TestARecord:
    @pytest.mark.parametrize(
        "error",
        [
            psycopg.OperationalError("connection refused"),
            psycopg.errors.QueryCanceled("statement timeout"),
            psycopg.errors.TooManyConnections("too many"),
            psycopg.errors.DeadlockDetected("deadlock"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_waits_for_a_database_that_is_away(self, house: DepositHouse, error: Exception) -> None:
        """The journal is made: that must be written down as it is, not as a failed try."""
        transfer = house.deposit(house.person(), ("funds_received", "payment_processed"), step_seconds=1.0)
        runner = house.worker.runner
        begin = away(runner.recorder.begin, times(4), error)
        house.worker.runner = replace(runner, recorder=replace(runner.recorder, begin=begin))
        house.pass_time(120)

        assert house.state_of(transfer) == "broker_funded"
        assert house.rows("SELECT DISTINCT outcome FROM attempts WHERE outcome NOT IN ('advanced', 'snoozed')") == []
        assert house.rows("SELECT sends FROM intentions") == [(1,)]

    def test_freed_while_its_commit_was_cut_off_keeps_what_it_learned(self, house: DepositHouse) -> None:
        transfer = house.deposit(house.person(), ("payment_processed",), step_seconds=1.0)
        runner, freed = house.worker.runner, times(1)

        @contextmanager
        def begin() -> Iterator[Connection]:
            made = house.one("SELECT count(*) FROM intentions")
            if made and freed():
                free(house)
                raise OperationalError("commit", {}, psycopg.OperationalError("gone"), connection_invalidated=True)
            with house.begin() as connection:
                yield connection

        house.worker.runner = replace(runner, recorder=replace(runner.recorder, begin=begin))
        house.pass_time(120)

        ((late,),) = house.rows("SELECT late FROM attempts WHERE outcome = 'lost'")
        (journal,) = house.world.alpaca.journals.by_id.values()
        assert late["references"] == [["alpaca", "journal", journal.id]]
        assert house.state_of(transfer) == "broker_funded"
        assert house.open_breaks() == [], "what it named is known since"


def free(house: DepositHouse) -> None:
    """The leader takes the claim away, as if the worker were gone."""
    house.one("""
        WITH freed AS (
          UPDATE flows SET attempt_id = NULL, session_id = NULL, claim_until = NULL, due_at = rk_now() FROM (
            SELECT id AS flow, attempt_id AS held FROM flows WHERE attempt_id IS NOT NULL) h
           WHERE id = h.flow RETURNING h.held)
        UPDATE attempts SET outcome = 'lost' FROM freed WHERE id = freed.held RETURNING 1
    """)


class TestAnAnswerThatCannotBeRecorded:
    def test_is_a_bug_tried_again_and_then_a_letter_with_its_traceback(
        self, house: DepositHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A step that leads where its table forbids must not run again and again, unseen."""
        lost = Flow("due_deposit", start="received", noun="deposit", open=("received",))

        def act(_flow: object, _call: object) -> Advance:
            return Advance(to="nowhere")

        lost.step(on=("received",), may_reach=("broker_funded",), provider="due")(act)
        transfer = house.deposit(house.person(), ("funds_received",))
        runner = house.worker.runner
        table = {"due_deposit": lost}
        house.worker.runner = replace(runner, flows=table, recorder=replace(runner.recorder, flows=table))
        monkeypatch.setitem(FLOWS, "due_deposit", lost)
        house.pass_time(900)

        assert house.flow_of(transfer)["parked_at"] is not None
        assert house.letters() == [("ImpossibleMove", "open", None)]
        assert "funding/flow.py" in house.one("SELECT traceback FROM dead_letters")

    def test_refused_by_the_database_itself_is_one_too(
        self, house: DepositHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> int:
            raise_nul(house)
            return 0

        monkeypatch.setattr("db.ledger.post", refuse)
        transfer = house.deposit(house.person(), ("funds_received",))
        house.pass_time(900)
        assert house.flow_of(transfer)["parked_at"] is not None
        assert [letter[:2] for letter in house.letters()] == [("DataError", "open")]


def raise_nul(house: DepositHouse) -> None:
    house.one("SELECT 1 / (SELECT 0)")


class TestIngest:
    @pytest.mark.parametrize(
        "error", [psycopg.OperationalError("connection refused"), psycopg.errors.DeadlockDetected("deadlock")]
    )
    def test_sets_no_event_aside_for_what_the_database_did(self, house: DepositHouse, error: Exception) -> None:
        house.deposit(house.person(), ("funds_received",))
        ingest = house.worker.ingest
        house.worker.ingest = replace(ingest, begin=away(ingest.begin, times(1), error))
        with pytest.raises(OperationalError):
            house.pass_time(0)
        house.worker.ingest = ingest
        with house.begin() as connection:
            assert due_work.events(connection, limit=10) == [], "announced, not handled: due again"
        house.pass_time(20)
        assert house.letters() == []
        assert house.rows("SELECT DISTINCT state FROM inbox_events") == [("handled",)]


class TestACommitWhoseNewsIsLost:
    def test_goes_on_with_the_claim_that_it_made(self, house: DepositHouse) -> None:
        """Left behind, that claim would hold the flow until its limit ends."""
        runner, cut = house.worker.runner, times(1)

        @contextmanager
        def begin() -> Iterator[Connection]:
            with house.begin() as connection:
                yield connection
            claimed = house.rows("SELECT state FROM flows WHERE attempt_id IS NOT NULL")
            if claimed == [("broker_funded",)] and cut():
                raise OperationalError("commit", {}, psycopg.OperationalError("gone"), connection_invalidated=True)

        house.worker.runner = replace(runner, recorder=replace(runner.recorder, begin=begin))
        transfer = house.deposit(house.person(), ("payment_processed",))
        house.pass_time(25)
        assert not cut(), "the commit that claimed the next step was cut off"
        assert house.flow_of(transfer)["attempt_id"] is None
        assert house.flow_of(transfer)["data"]["balances_read"]
        assert house.rows("SELECT count(*) FROM attempts WHERE outcome = 'lost'") == [(0,)]

    def test_of_a_wait_goes_on_with_the_claim_that_an_event_made_due(self, house: DepositHouse) -> None:
        """That claim took over the row of the attempt that waits: the row's old name finds nothing any more."""
        house.deposit(house.person(), ("funds_received",))
        house.pass_time(1)
        runner, news, cut = house.worker.runner, times(1), times(1)

        @contextmanager
        def begin() -> Iterator[Connection]:
            if news():
                house.one("UPDATE flows SET wakes = wakes + 1 RETURNING 1")
            with house.begin() as connection:
                yield connection
            if cut():
                raise OperationalError("commit", {}, psycopg.OperationalError("gone"), connection_invalidated=True)

        house.worker.runner = replace(runner, recorder=replace(runner.recorder, begin=begin))
        house.one("UPDATE flows SET due_at = rk_now(), announced_at = NULL RETURNING 1")
        house.pass_time(1)

        assert house.rows("SELECT claims, outcome FROM attempts WHERE claims > 1") == [(2, "snoozed")]
        assert house.one("SELECT count(*) FROM flows WHERE attempt_id IS NOT NULL") == 0
