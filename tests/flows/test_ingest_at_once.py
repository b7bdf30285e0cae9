"""Two workers that handle batches about the same objects wait for one another, and never in a circle."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from db import due_work, flows, inbox
from db.inbox import Arrival
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


def test_an_event_that_names_a_flow_does_not_wait_for_the_step_that_is_recording(house: DepositHouse) -> None:
    """The record waits for the event, when it writes the reference for which the event waits: a circle."""
    house.deposit(house.person())
    house.pass_time(60)
    flow = house.one("SELECT id FROM flows")
    frame = {
        "event_id": "01KJPX97WGK2PDB2V4KD1YEK2V",
        "journal_id": "5b1a3a58-6f0e-4a4f-9f31-7f0e2a8c1d10",
        "status_to": "executed",
        "at": "2026-03-02T09:00:00Z",
        "entry_type": "JNLC",
        "description": f"{flow} tf_1",
    }
    heard = Arrival(
        provider="alpaca", event_id="1", route="alpaca", type=None, source="stream", body=json.dumps(frame).encode()
    )
    with house.begin() as connection:
        inbox.insert_events(connection, [heard])
        [event] = due_work.events(connection, limit=10)

    with house.begin() as recording, ThreadPoolExecutor(1) as pool:
        flows.lock(recording, [flow])
        pool.submit(house.worker.ingest.handle, [event]).result(A_MOMENT_S)

    assert house.rows("SELECT state FROM inbox_events WHERE event_id = '1'") == [("deferred",)]
    assert not any(said.startswith("alpaca journal") for said in house.one("SELECT hints FROM flows"))
    house.pass_time(3)  # read again, nobody being at work
    assert "alpaca journal 5b1a3a58-6f0e-4a4f-9f31-7f0e2a8c1d10" in house.one("SELECT hints FROM flows")
