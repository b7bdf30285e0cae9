"""A step whose intention cannot be written down sends nothing: it is given back, or freed when even that fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from tests.support.deposit_house import DepositHouse


def away(house: DepositHouse, *, times: int) -> Callable[[], object]:
    """Transactions of which the first so many cannot be opened while the step that pays is claimed."""
    left = [times]

    @contextmanager
    def begin() -> Iterator[Connection]:
        claimed = house.rows("SELECT state FROM flows WHERE attempt_id IS NOT NULL")
        if left[0] and claimed == [("off_ramp_completed",)]:
            left[0] -= 1
            raise OperationalError("connect", {}, psycopg.OperationalError("connection refused"))
        with house.begin() as connection:
            yield connection

    return begin


@pytest.mark.parametrize("told", [True, False], ids=["given back", "freed by the leader"])
def test_the_journal_is_made_once_and_no_try_is_spent(house: DepositHouse, *, told: bool) -> None:
    transfer = house.deposit(house.person(), ("payment_processed",), step_seconds=1.0)
    runner = house.worker.runner
    house.worker.runner = replace(
        runner,
        at_once=away(house, times=1),  # type: ignore[arg-type]  # the same shape
        begin=away(house, times=0 if told else 1),  # type: ignore[arg-type]
    )
    for _ in range(2):  # a claim that nobody gave back is freed when its limit has passed
        house.pass_time(60)

    assert house.state_of(transfer) == "broker_funded"
    assert len(house.world.alpaca.journals.by_id) == 1
    assert house.letters() == []
    assert house.rows("SELECT sends FROM intentions") == [(1,)]
    assert house.rows("SELECT count(*) FROM attempts WHERE outcome = 'error'") == [(0,)], "a try was spent"
