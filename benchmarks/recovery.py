"""Workers killed with steps in flight, Valkey emptied, Valkey absent: how long until all goes on, and whether once."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from benchmarks._fleet import add_unlimited, doubled_and_lost, running_fleet, say
from benchmarks._result import tell
from db.engine import make_engine, unit_of_work
from ops.actions import providers
from ops.actions.desk import Desk
from ops.cli.demo.latency import percentiles
from tests.support.claims import claimed_again, note_claims
from tests.support.fleet import RETURNED_EVERY, Fleet

HELD_S: Final = 18.0  # a slow reply, within the 20 s a call may take
SLOW_JOURNALS: Final = {"name": "slow_reply", "provider": "alpaca", "only": "POST /v1/journals", "seconds": HELD_S}
SLOW_READS: Final = {"name": "slow_reply", "provider": "due", "only": "GET /v1/transfers/{id}", "seconds": HELD_S}
WORKER: Final = "worker"
SURVIVOR: Final = "survivor"
LOAD_EVERY_S: Final = 0.5  # a deposit arrives, while the steps of the killed wait
CLAIMED_WITHIN_S: Final = 120.0
SENT: Final = "SELECT count(*) FROM intentions WHERE outcome = 'sent'"
DUE_AT: Final = "SELECT count(*) FROM flows WHERE provider = %s AND due_at <= clock_timestamp() AND attempt_id IS NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is done. `threads` of each worker, half of which may be inside one provider; seconds end in `_s`."""

    victims: int
    threads: int
    held: int  # steps in flight before the kill, half of them at each provider
    flushed: int
    absent: int
    absent_s: float


FULL: Final = Size(victims=4, threads=64, held=224, flushed=40, absent=60, absent_s=60.0)
QUICK: Final = Size(victims=1, threads=32, held=24, flushed=12, absent=10, absent_s=10.0)


def main() -> int:
    """Exit code 1 when something is doubled or lost, or the door refused an event while Valkey was absent."""
    parser = argparse.ArgumentParser(prog="bin/bench recovery", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one worker of few threads, a short absence")
    size = QUICK if parser.parse_args().quick else FULL
    with running_fleet(seed=3, customers=8, more={"WORKER_THREADS": str(size.threads)}) as fleet:
        waited = _killed(fleet, size)
        figures: dict[str, float] = {f"kill_{name}_s": value or 0.0 for name, value in percentiles(waited).items()}
        figures |= {"kill_in_flight": len(waited), "flush_s": _flushed(fleet, size), **_absent(fleet, size)}
        say("counting at the providers")
        figures |= doubled_and_lost(fleet)
    tell("recovery", figures)
    return 1 if figures["doubled"] or figures["lost"] or figures["door_refused"] else 0


def _killed(fleet: Fleet, size: Size) -> list[float]:
    """Seconds from the kill until each step that was in flight is claimed again, by the database's clock."""
    note_claims(fleet)
    fleet.retire(WORKER)
    victims = [f"{WORKER}-{number}" for number in range(1, size.victims + 1)]
    for name in victims:
        add_unlimited(fleet, name)
    beating = "SELECT count(*) FROM worker_sessions WHERE ended_at IS NULL AND dead_at IS NULL"
    fleet.wait(lambda: fleet.one(beating) == size.victims, "every worker beats", within_s=120)
    pids = [fleet.system.supervisor.pid(name) for name in victims]
    say(f"bringing {size.held} steps into flight, workers to be killed: {size.victims}")
    sent = _into_flight(fleet, size, pids)
    fleet.add(SURVIVOR, "worker")  # only now: else it would have taken half of them
    fleet.wait(lambda: fleet.one(beating) > size.victims, "the survivor beats")
    killed_at = fleet.one("SELECT clock_timestamp()")
    fleet.kill(*victims)
    fleet.faults()
    say("killed; waiting until each is claimed again, while more deposits arrive")
    waited: list[float | None] = [None]
    deadline = time.monotonic() + CLAIMED_WITHIN_S
    while None in waited:
        if time.monotonic() > deadline:
            raise AssertionError(f"not claimed again after {CLAIMED_WITHIN_S:.0f} s\n{fleet.picture()}")
        sent |= fleet.send(1)
        time.sleep(LOAD_EVERY_S)
        waited = _waited(fleet, pids, killed_at)
    fleet.finished(sent)
    fleet.add(WORKER, "worker")
    for name in (*victims, SURVIVOR):
        fleet.retire(name)
    return [seconds for seconds in waited if seconds is not None]


def _waited(fleet: Fleet, pids: Sequence[int | None], killed_at: datetime) -> list[float | None]:
    """For each step that was in flight at the kill; None: it is not claimed yet, or nothing is known to be lost yet."""
    lost = fleet.rows(
        """
        SELECT a.flow_id FROM attempts a JOIN worker_sessions s ON s.id = a.session_id
         WHERE a.outcome = 'lost' AND a.finished_at > %s AND s.pid = ANY(%s)
        """,
        *(killed_at, list(pids)),
    )
    return claimed_again(fleet, [row["flow_id"] for row in lost], since=killed_at) or [None]


def _into_flight(fleet: Fleet, size: Size, pids: Sequence[int | None]) -> set[str]:
    """Bring deposits to their journal while Alpaca is paused, let them go at once, and send others to be read.

    Raises: RuntimeError: not as long as the first of them are held.
    """
    half = size.held // 2
    with _pausing(fleet) as (pause, resume):
        pause("alpaca")
        sent = fleet.send(half * RETURNED_EVERY // (RETURNED_EVERY - 1) + RETURNED_EVERY, step_seconds=0.0)
        fleet.wait(lambda: fleet.one(DUE_AT, "alpaca") >= half, "journals wait to be made")
        fleet.faults(SLOW_JOURNALS)
        resume("alpaca")
        fleet.wait(lambda: fleet.one(SENT) >= half, "journals sent")  # that step has read at Due what it needs
    fleet.faults(SLOW_JOURNALS, SLOW_READS)
    sent |= fleet.send(half + RETURNED_EVERY, step_seconds=0.0)
    in_flight = """
        SELECT count(*) FROM flows f JOIN worker_sessions s ON s.id = f.session_id
         WHERE f.attempt_id IS NOT NULL AND f.claimed_at > clock_timestamp() - %s * interval '1 second'
           AND s.pid = ANY(%s)
    """
    deadline = time.monotonic() + HELD_S
    while (reached := fleet.one(in_flight, HELD_S, list(pids))) < size.held:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {reached} of {size.held} steps are in flight: the machine is too slow for this")
        time.sleep(0.1)
    return sent


@contextmanager
def _pausing(fleet: Fleet) -> Iterator[tuple[Callable[[str], None], Callable[[str], None]]]:
    """Pause and resume a provider, as an operator does."""
    engine = make_engine(fleet.system.services.database_url, pool=1)
    desk = Desk(begin=unit_of_work(engine), by="bench")
    try:
        yield partial(providers.pause, desk, reason="a benchmark"), partial(providers.resume, desk)
    finally:
        engine.dispose()


def _flushed(fleet: Fleet, size: Size) -> float:
    """Seconds from when Valkey is emptied under load until each flow that was open has been claimed again."""
    say("emptying Valkey under load")
    sent = fleet.send(size.flushed, step_seconds=2.0)
    fleet.under_way(sent, at_least=size.flushed * 3 // 4)
    fences = {row["id"]: row["fence"] for row in fleet.rows("SELECT id, fence FROM flows WHERE status = 'open'")}
    fleet.valkey.flush()
    began = time.monotonic()

    def all_moving() -> bool:
        now = fleet.rows("SELECT id, fence, status FROM flows WHERE id = ANY(%s)", list(fences))
        return all(row["fence"] > fences[row["id"]] or row["status"] != "open" for row in now)

    fleet.wait(all_moving, "every flow moves")
    took_s = time.monotonic() - began
    fleet.finished(sent)
    return took_s


def _absent(fleet: Fleet, size: Size) -> dict[str, Any]:
    """Deposits sent while Valkey is absent: `absent_s` from the last of them until all are finished without it."""
    say(f"keeping Valkey away for {size.absent_s:.0f} s")
    refused = fleet.system.control("GET", "counts")["webhooks"]["failed"]
    fleet.valkey.kill()
    sent: set[str] = set()
    for _ in range(size.absent):
        sent |= fleet.send(1)
        time.sleep(size.absent_s / size.absent)
    began = time.monotonic()
    fleet.finished(sent)
    took_s = time.monotonic() - began
    answered = fleet.system.control("GET", "counts")["webhooks"]["failed"]
    fleet.valkey.start()
    return {"absent_s": took_s, "door_refused": answered - refused}


if __name__ == "__main__":
    sys.exit(main())
