"""How long an event waits at the door, a flow's story takes to be read, and a step takes of itself, all under load."""

import argparse
import sys
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

import psycopg
from sqlalchemy import text

from benchmarks._contestants import Running, ours, settings
from benchmarks._feed import feed
from benchmarks._load import drive, percentile
from benchmarks._processes import BenchmarkFailed
from benchmarks._result import tell
from benchmarks._webhooks import event_id, request
from benchmarks.flows import Arena, Size, say
from db.engine import make_engine, unit_of_work
from db.story import story
from ops.cli.signals import ended_by_signals

SHARE: Final = 0.7  # of the deposits a second that this machine can do: the load
CONNECTIONS: Final = 16
DONE_WITHIN_S: Final = 60.0
READ_EVERY_S: Final = 0.1
P99: Final = 0.99
WARM_UP: Final = 5_000_000  # numbers of events, far from those of the first part
MEASURED: Final = 6_000_000
NEWEST: Final = text("SELECT id FROM flows ORDER BY created_at DESC, id DESC LIMIT 5")
STEPS: Final = """
    SELECT f.id, f.state = 'broker_funded', extract(epoch FROM a.finished_at - a.started_at)::float * 1000
      FROM inbox_events e JOIN flows f ON f.id = e.flow_id JOIN attempts a ON a.flow_id = f.id
     WHERE e.provider = 'due' AND e.event_id BETWEEN %s AND %s
"""
FULL: Final = Size(rounds=1, warm_up=200, deposits=1_000)
QUICK: Final = Size(rounds=1, warm_up=50, deposits=150)
SECONDS: Final = 60.0
QUICK_SECONDS: Final = 15.0


def main() -> None:
    """Measure and tell; exit 1 when something does not run."""
    parser = argparse.ArgumentParser(prog="bin/bench latency", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of a minute: a try")
    quick = parser.parse_args().quick
    try:
        with ended_by_signals(), ExitStack() as stack:
            found = measure(stack, QUICK if quick else FULL, QUICK_SECONDS if quick else SECONDS)
    except BenchmarkFailed as failure:
        sys.exit(str(failure))
    tell("latency", found)


def measure(stack: ExitStack, size: Size, seconds: float) -> dict[str, float]:
    """The figures, by name: first what the machine can do, then a steady share of it. Raises: BenchmarkFailed."""
    arena = Arena(stack)
    shared = settings(redis_url=arena.valkey.url, providers=arena.providers, threads=size.threads)
    house = ours(
        arena.postgres.url,
        shared,
        workers=size.workers,
        runner=[sys.executable, "-P", "-m", "benchmarks._worker"],
    )
    rate = arena.play(house, size).per_s * SHARE
    running = Running(house, arena.processes)
    try:
        feed(running.port, [request(number) for number in range(WARM_UP, WARM_UP + size.warm_up)])
        return _under_load(running, house.database_url, rate=rate, seconds=seconds)
    finally:
        running.stop()


def _under_load(running: Running, database_url: str, *, rate: float, seconds: float) -> dict[str, float]:
    count = int(rate * seconds)
    say(f"{count} deposits at {rate:.1f} a second; flows are read meanwhile")
    requests = [request(number) for number in range(MEASURED, MEASURED + count)]
    with Reading(database_url) as reading:
        door = drive(running.port, requests, first=MEASURED, connections=CONNECTIONS, seconds=2 * seconds, rate=rate)
    if door.answers != {"accepted": count}:
        raise BenchmarkFailed(f"the door answered {door.answers} to {count} deposits")
    steps = _steps(running, database_url, count)
    return {
        "door_p99_ms": door.p99_ms,
        "read_flow_p99_ms": percentile(reading.took_ms, P99),
        "step_own_p99_ms": percentile(steps, P99),
        "deposits_per_s": rate,
        "flows_read": len(reading.took_ms),
        "steps": len(steps),
    }


class Reading:
    """Reads the whole story of one flow after another, as the pages and `flows show` do, until it is left."""

    def __init__(self, database_url: str) -> None:
        self.took_ms: list[float] = []
        self._engine = make_engine(database_url, pool=1)
        self._begin = unit_of_work(self._engine)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reading", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._engine.dispose()

    def _run(self) -> None:
        while not self._stop.wait(READ_EVERY_S):
            with self._begin() as connection:
                newest = connection.execute(NEWEST).scalars().all()
            for flow in newest:
                began = time.monotonic()
                with self._begin() as connection:
                    story(connection, flow)
                self.took_ms.append((time.monotonic() - began) * 1000)


def _steps(running: Running, database_url: str, count: int) -> list[float]:
    """How long each step of these deposits took from claim to record, in milliseconds, once all are funded.

    The instant providers' answers are within, a few milliseconds each: nothing is left out that is ours.
    """
    deadline = time.monotonic() + DONE_WITHIN_S
    with psycopg.connect(database_url, autocommit=True) as connection:
        while True:
            rows = connection.execute(STEPS, [event_id(MEASURED), event_id(MEASURED + count - 1)]).fetchall()
            if len({flow for flow, funded, _ in rows if funded}) == count:
                return [ms for _, _, ms in rows if ms is not None]
            if fault := running.fault() or (time.monotonic() > deadline and running.said()):
                raise BenchmarkFailed(f"not every deposit is funded\n{fault}")
            time.sleep(1)


if __name__ == "__main__":
    main()
