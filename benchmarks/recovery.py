"""Workers killed with steps in flight, Valkey emptied, Valkey absent: how long until all goes on, and whether once."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks._fleet import doubled_and_lost, running_fleet, say
from benchmarks._result import tell
from ops.cli.demo.latency import percentiles
from providers.registry import POLICIES
from tests.support.fleet import Fleet

HELD_S: Final = 18.0  # a slow reply, within the 20 s a call may take
SLOW_JOURNALS: Final = {"name": "slow_reply", "provider": "alpaca", "only": "POST /v1/journals", "seconds": HELD_S}
SLOW_READS: Final = {"name": "slow_reply", "provider": "due", "only": "GET /v1/transfers/{id}", "seconds": HELD_S}
SURVIVOR: Final = "survivor"
FEW: Final = 10
PER_SECOND: Final = POLICIES["due"].assumed_rate_per_second or FEW


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is done. `threads` of each worker, half of which may be inside one provider; seconds end in `_s`."""

    victims: int
    threads: int
    held: int  # steps in flight at the kill
    flushed: int
    absent: int
    absent_s: float


FULL: Final = Size(victims=4, threads=64, held=100, flushed=40, absent=60, absent_s=60.0)
QUICK: Final = Size(victims=1, threads=32, held=16, flushed=12, absent=10, absent_s=10.0)


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
    victims = ["worker", *(f"worker-{number}" for number in range(2, size.victims + 1))]
    for name in victims[1:]:
        fleet.add(name, "worker")
    beating = "SELECT count(*) FROM worker_sessions WHERE ended_at IS NULL AND dead_at IS NULL"
    fleet.wait(lambda: fleet.one(beating) == size.victims, "every worker beats", within_s=120)
    pids = [fleet.system.supervisor.pid(name) for name in victims]
    say(f"bringing {size.held} steps into flight, workers to be killed: {size.victims}")
    sent = _into_flight(fleet, size, pids)
    fleet.add(SURVIVOR, "worker")  # only now: it is to have places free at the providers
    fleet.wait(lambda: fleet.one(beating) > size.victims, "the survivor beats")
    killed_at = fleet.one("SELECT clock_timestamp()")
    fleet.kill(*victims)
    fleet.faults()
    say("killed; waiting until all is finished")
    fleet.finished(sent)
    waited = fleet.rows(
        """
        SELECT extract(epoch FROM (SELECT min(a.started_at) FROM attempts a
                                    WHERE a.flow_id = lost.flow_id AND a.started_at > %s) - %s)::float AS seconds
          FROM attempts lost JOIN worker_sessions s ON s.id = lost.session_id
         WHERE lost.outcome = 'lost' AND lost.finished_at > %s AND s.pid = ANY(%s)
        """,
        *(killed_at, killed_at, killed_at, pids),
    )
    for name in (*victims[1:], SURVIVOR):
        fleet.retire(name)
    if not waited:
        raise RuntimeError("nothing was in flight when the workers were killed")
    return [row["seconds"] for row in waited]


def _into_flight(fleet: Fleet, size: Size, pids: Sequence[int | None]) -> set[str]:
    """Send deposits until so many of the victims' steps wait for an answer, of a journal first, then of a transfer.

    Raises: RuntimeError: not as long as the first of them are held.
    """
    fleet.faults(SLOW_JOURNALS)
    lot = size.held * 3 // 5  # a sixth of them lead to no journal
    sent = fleet.send(lot, step_seconds=0.0)
    journals = "SELECT count(*) FROM flows WHERE attempt_id IS NOT NULL AND provider = 'alpaca'"
    fleet.wait(lambda: fleet.one(journals) >= lot * 7 // 10, "journals in flight", within_s=60)
    fleet.faults(SLOW_JOURNALS, SLOW_READS)
    in_flight = """
        SELECT count(*) FROM flows f JOIN worker_sessions s ON s.id = f.session_id
         WHERE f.attempt_id IS NOT NULL AND s.pid = ANY(%s)
    """
    deadline = time.monotonic() + HELD_S
    while (reached := fleet.one(in_flight, pids)) < size.held:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {reached} of {size.held} steps are in flight: the machine is too slow for this")
        sent |= fleet.send(FEW, step_seconds=0.0)
        time.sleep(FEW / PER_SECOND)
    return sent


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
