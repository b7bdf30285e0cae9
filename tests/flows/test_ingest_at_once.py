"""Two workers that handle batches about the same objects wait for one another, and never in a circle."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from db import due_work, flows
from tests.support.deposit_house import DepositHouse

LONG_S = 30
A_MOMENT_S = 2.0


def both_have_one(act: Callable[..., Any]) -> Callable[..., Any]:
    """Each of two threads goes on after its first time when the other has done so too, or cannot for now."""
    barrier, mine = threading.Barrier(2), threading.local()

    def meet(*args: Any, **named: Any) -> Any:
        done = act(*args, **named)
        if not getattr(mine, "met", False):
            mine.met = True
            with suppress(threading.BrokenBarrierError):
                barrier.wait(A_MOMENT_S)
        return done

    return meet


def test_batches_that_open_the_same_deposits_open_them_in_one_order(
    house: DepositHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of two deposits came crosswise: a, b, b, a. A batch has the first two, another the last two."""
    ana = house.person()
    one, other = (house.deposit(ana, path=("awaiting_funds",)) for _ in range(2))
    house.pass_time(1)
    for transfer, status in (
        (one, "funds_received"),
        (other, "funds_received"),
        (other, "approved"),
        (one, "approved"),
    ):
        house.move(transfer, status)
        house.world.tick()
    house.deliver()
    with house.begin() as connection:
        first, second, third, fourth = sorted(due_work.events(connection, limit=10))

    monkeypatch.setattr(flows, "open_flow", both_have_one(flows.open_flow))
    ingest = house.worker.ingest
    with ThreadPoolExecutor(2) as pool:
        for batch in [pool.submit(ingest.handle, ids) for ids in ([first, second], [third, fourth])]:
            batch.result(LONG_S)

    assert house.rows("SELECT state, count(*) FROM inbox_events WHERE flow_id IS NOT NULL GROUP BY 1") == [
        ("handled", 4)
    ]
    assert house.one("SELECT count(*) FROM flows") == 2
    house.books_differ = "the deposits are still on their way"
