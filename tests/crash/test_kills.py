"""SIGKILL of every kind of process, in turn and together, while deposits are under way."""

from uuid import UUID

import pytest

from tests.support.claims import claimed_again, note_claims
from tests.support.fleet import Fleet

pytestmark = pytest.mark.timeout(300)

TAKEN_AGAIN_WITHIN_S = 15
SLOW = {"name": "slow_reply", "provider": "*", "probability": 1.0, "seconds": 2.0}


def test_each_kind_is_killed_in_turn_under_load(fleet: Fleet) -> None:
    everything: set[str] = set()
    for name in ("web", "worker", "clock"):
        sent = fleet.send(8)
        fleet.under_way(sent, at_least=2)
        fleet.kill(name)
        everything |= sent | fleet.send(2)
        fleet.system.supervisor.wait_ready(name)
    fleet.finished(everything)


def test_all_are_killed_together_under_load(fleet: Fleet) -> None:
    sent = fleet.send(16)
    fleet.under_way(sent, at_least=4)
    fleet.kill("web", "worker", "clock")
    sent |= fleet.send(4)
    fleet.finished(sent)


def test_the_claims_of_a_killed_worker_are_taken_again_within_15_seconds(fleet: Fleet) -> None:
    """Measured by the database: from the moment before the kill to the next claim of each flow it held."""
    fleet.add("worker-2", "worker")
    try:
        note_claims(fleet)
        fleet.faults(SLOW)
        sent = fleet.send(10, step_seconds=0.2)
        held = held_by_the_first_worker(fleet)
        killed_at = fleet.one("SELECT clock_timestamp()")
        fleet.kill("worker")
        fleet.faults()
        fleet.finished(sent)
    finally:
        fleet.retire("worker-2")

    waited = claimed_again(fleet, [UUID(flow) for flow in held], since=killed_at)
    lost = fleet.one("SELECT count(*) FROM attempts WHERE outcome = 'lost' AND flow_id = ANY(%s::uuid[])", held)
    assert lost >= 1, "a claim was open when the worker died"
    assert all(seconds is not None and seconds < TAKEN_AGAIN_WITHIN_S for seconds in waited), waited


def held_by_the_first_worker(fleet: Fleet) -> list[str]:
    """Flows it claimed a moment ago and still holds: a claim that finds nothing to do is gone in a few milliseconds,
    so it is in the middle of a slow call for each, with most of a second to go.
    """
    pid = fleet.system.supervisor.pid("worker")
    held: list[str] = []

    def some() -> bool:
        held[:] = [
            str(row["id"])
            for row in fleet.rows(
                """
                SELECT f.id FROM flows f JOIN worker_sessions s ON s.id = f.session_id
                 WHERE s.pid = %s
                   AND clock_timestamp() - f.claimed_at BETWEEN interval '0.3 seconds' AND interval '1.2 seconds'
                """,
                pid,
            )
        ]
        return len(held) >= 2

    fleet.wait(some, "the first worker is in the middle of two calls", within_s=60)
    return held


def test_a_worker_that_is_stopped_and_wakes_up_later_writes_nothing_it_may_not(fleet: Fleet) -> None:
    """SIGSTOP for longer than a session lives: its claims are another's by then, and its late answers are refused."""
    fleet.add("worker-2", "worker")
    try:
        fleet.faults(SLOW)
        sent = fleet.send(8, step_seconds=0.2)
        held = held_by_the_first_worker(fleet)
        fleet.system.supervisor.signal("worker", 19)
        fleet.faults()
        dead = "SELECT count(*) FROM attempts WHERE outcome = 'lost' AND flow_id = ANY(%s::uuid[])"
        fleet.wait(lambda: fleet.one(dead, held) >= 1, "its session is declared dead", within_s=60)
        fleet.system.supervisor.signal("worker", 18)
        fleet.finished(sent)
    finally:
        fleet.system.supervisor.signal("worker", 18)
        fleet.retire("worker-2")
    sessions = "SELECT count(*) FROM worker_sessions WHERE pid = %s AND ended_at IS NULL AND dead_at IS NULL"
    pid = fleet.system.supervisor.pid("worker")
    fleet.wait(lambda: fleet.one(sessions, pid) == 1, "it has begun a new session", within_s=30)
