"""A record that cannot be written for longer than a worker tries: the step is made again, the money moves once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from tests.support.deposit_house import DepositHouse
from workers.runner import CUT_OFF_TRIES


def away(house: DepositHouse, *, times: int) -> Callable[[], object]:
    """Transactions of which the first so many cannot be opened, once the journal has been made at Alpaca."""
    left = [times]

    @contextmanager
    def begin() -> Iterator[Connection]:
        if left[0] and house.world.alpaca.journals.by_id:
            left[0] -= 1
            raise OperationalError("connect", {}, psycopg.OperationalError("connection refused"))
        with house.begin() as connection:
            yield connection

    return begin


def test_is_given_back_when_its_claim_has_ended_and_the_journal_is_found(house: DepositHouse) -> None:
    """What was sent is not known here: the next attempt must find it at Alpaca, not send it again."""
    transfer = house.deposit(house.person(), ("payment_processed",), step_seconds=1.0)
    runner = house.worker.runner
    begin = away(house, times=CUT_OFF_TRIES)
    house.worker.runner = replace(runner, recorder=replace(runner.recorder, begin=begin))  # type: ignore[arg-type]  # the same shape

    house.pass_time(20)
    assert house.flow_of(transfer)["attempt_id"] is not None, "held until its limit has passed"
    for _ in range(2):
        house.pass_time(60)

    assert house.state_of(transfer) == "broker_funded"
    assert len(house.world.alpaca.journals.by_id) == 1
    assert house.rows("SELECT count(*) FROM attempts WHERE outcome = 'lost'") == [(1,)]
    assert house.letters() == []


def test_is_written_once_more_when_nobody_can_say_whether_it_stands(house: DepositHouse) -> None:
    """The database cannot be asked for a while after the cut: as long as the claim is ours, the record is tried."""
    transfer = house.deposit(house.person(), ("payment_processed",), step_seconds=1.0)
    runner = house.worker.runner
    house.worker.runner = replace(
        runner,
        begin=away(house, times=CUT_OFF_TRIES),  # type: ignore[arg-type]  # the same shape
        recorder=replace(runner.recorder, begin=away(house, times=1)),  # type: ignore[arg-type]
    )

    house.pass_time(120)

    assert house.state_of(transfer) == "broker_funded"
    assert len(house.world.alpaca.journals.by_id) == 1
    assert house.rows("SELECT count(*) FROM attempts WHERE outcome = 'lost'") == [(0,)]
