"""A desk that acts while a worker holds the flow: what the worker records afterwards must not undo it."""

import random
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from db import claims, flows
from db.claims import Claim
from db.engine import unit_of_work
from db.replay import Filter
from funding.backoff import Backoff
from funding.errors import NeedsPerson, WouldCreate
from funding.flow import Step
from funding.flows.due_deposit import due_deposit
from funding.flows.table import FLOWS
from funding.outcomes import Snooze
from ops.actions import customers, dead_letters
from ops.actions.customer_file import read_customers
from ops.actions.desk import Desk
from tests.support.desk_rows import add_deposit, add_ownerless, add_parked
from tests.support.rows import add_session
from workers.recorder import Recorder

HEADER = "customer,level,provider,kind,external_id,attributes\n"


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(begin=unit_of_work(engine), by="ops")


@pytest.fixture
def recorder(engine: Engine) -> Recorder:
    retry = Backoff(first=timedelta(seconds=1), tries=3)
    return Recorder(begin=unit_of_work(engine), flows=FLOWS, retry=retry, channels=(), draw=random.Random(1))


def claimed(engine: Engine, flow: UUID) -> tuple[Claim, Step]:
    """A worker's hold on the flow, as a wake or an event brings it about."""
    with engine.begin() as connection:
        session = add_session(connection)
        ((_, _, state),) = flows.wake(connection, [flow])
        step = due_deposit.step_of(state)
        assert step is not None
        claim = claims.claim(
            connection, flow, step, attempt=uuid4(), session=session, hard_limit=timedelta(seconds=30), quick=False
        )
    assert claim is not None
    return claim, step


def standing(engine: Engine, flow: UUID) -> tuple[bool, bool, str]:
    """Whether it is parked, whether it is due now, and how its letter stands."""
    with engine.begin() as connection:
        row = connection.execute(
            text("""
                SELECT f.parked_at IS NOT NULL AS parked, coalesce(f.due_at <= rk_now(), false) AS due, d.status
                  FROM flows f JOIN dead_letters d ON d.flow_id = f.id WHERE f.id = :id
            """),
            {"id": flow},
        ).one()
    return row.parked, row.due, row.status


class TestReplayWhileListening:
    @pytest.mark.parametrize(
        "answer",
        [
            WouldCreate("a parked flow only listens"),
            Snooze(wait=timedelta(hours=1), reason="still the same"),
            NeedsPerson("the same trouble again"),
        ],
        ids=["would create", "snooze", "needs person"],
    )
    def test_is_not_undone_by_the_listener(
        self, engine: Engine, desk: Desk, recorder: Recorder, answer: Snooze | Exception
    ) -> None:
        """Somebody replays while a step reads for the parked flow: the payment is tried, not parked again."""
        with engine.begin() as connection:
            parked = add_parked(connection)
        claim, step = claimed(engine, parked.flow)

        dead_letters.replay_letters(desk, dead_letters.find(desk, Filter(ids=[parked.letter])))
        recorded = recorder.record(claim, step, answer, [], lambda _connection, _standing: None)

        assert recorded.standing is None, "the listener's answer is refused"
        assert standing(engine, parked.flow) == (False, True, "replaying")


class TestAbandonWhileListening:
    def test_is_not_undone_by_the_listener(self, engine: Engine, desk: Desk, recorder: Recorder) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection)
        claim, step = claimed(engine, parked.flow)

        dead_letters.abandon_letters(desk, dead_letters.find(desk, Filter(ids=[parked.letter])), reason="by hand")
        recorder.record(claim, step, NeedsPerson("again"), [], lambda _connection, _standing: None)

        assert standing(engine, parked.flow) == (False, False, "abandoned")


class TestLinkWhileWorking:
    def test_is_known_to_the_step_made_again(self, engine: Engine, desk: Desk, recorder: Recorder) -> None:
        """The step began before the link was there and would park the deposit for want of it."""
        with engine.begin() as connection:
            parked = add_ownerless(connection, virtual_account="va_9")
        claim, step = claimed(engine, parked.flow)

        customers.import_customers(desk, read_customers([HEADER, "ana,1,due,virtual_account,va_9,\n"]))
        recorder.record(claim, step, NeedsPerson("nobody has it"), [], lambda _connection, _standing: None)

        assert standing(engine, parked.flow) == (False, True, "resolved")

    def test_reaches_a_deposit_that_is_not_parked_yet(self, engine: Engine, desk: Desk, recorder: Recorder) -> None:
        with engine.begin() as connection:
            flow = add_deposit(connection, customer="ana")
        claim, step = claimed(engine, flow)

        line = f"ana,1,alpaca,brokerage_account,{uuid4()},\n"
        done = customers.import_customers(desk, read_customers([HEADER, line]))
        recorder.record(claim, step, NeedsPerson("no account"), [], lambda _connection, _standing: None)

        assert done.flows_resumed == (flow,)
        with engine.begin() as connection:
            row = connection.execute(text("SELECT parked_at, due_at <= rk_now() AS due FROM flows")).one()
        assert tuple(row) == (None, True)
