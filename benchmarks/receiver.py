"""Events a second that the door verifies and stores for good, beside bare handlers on the same server."""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import Final
from uuid import uuid4

from sqlalchemy import make_url, text

from benchmarks._disk import held_up_p99_ms
from benchmarks._load import Measured
from benchmarks._result import ROOT, tell
from benchmarks._webhooks import event_id, public_key
from db.engine import make_engine
from embedded.guardian import Guardian
from embedded.ports import free_port, is_listening
from embedded.postgres import PostgresServer
from embedded.valkey import ValkeyServer
from migrations.run import upgrade
from ops.cli.signals import ended_by_signals

CONNECTIONS: Final = (16, 32, 64)
PACED_SHARE: Final = 0.7  # of the door's top rate
PACED_ROUNDS: Final = 5
LAST_WORDS: Final = 4_000  # characters of a log
FIRST_GUESS: Final = 20_000  # requests a second that no leg exceeds; once its rate is known, fewer are signed
HEADROOM: Final = 1.6  # requests signed for a round, in those its last rate would need
START_WITHIN: Final = timedelta(seconds=30)


class BenchmarkFailed(Exception):
    """A part of it did not run; what it said is the message."""


@dataclass
class Leg:
    """A server measured: where it listens, the first number not sent to it yet, what each round found."""

    name: str
    port: int
    next: int = 0
    rounds: dict[int, Measured] = field(default_factory=dict)  # by connections
    accepted: list[int] = field(default_factory=list)

    @property
    def top(self) -> float:
        """Answers a second in its best round."""
        return max(measured.per_s for measured in self.rounds.values())


class Bench:
    """The servers and the load of one run, as children of `guardian`, with their logs in `folder`."""

    def __init__(self, guardian: Guardian, folder: Path, settings: Mapping[str, str]) -> None:
        self._guardian = guardian
        self._folder = folder
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._environment |= settings

    def serve(self, name: str, *command: str, database_url: str) -> Leg:
        """Start a server on a free port and wait until it listens. Raises: BenchmarkFailed."""
        leg = Leg(name, free_port())
        env = self._environment | {"PORT": str(leg.port), "DATABASE_URL": database_url}
        self._start(name, *command, env=env)
        deadline = time.monotonic() + START_WITHIN.total_seconds()
        while not is_listening(leg.port):
            if self._guardian.pid_of(name) is None or time.monotonic() > deadline:
                raise BenchmarkFailed(f"{name} did not start:\n{self._said(name)}")
            time.sleep(0.05)
        return leg

    def stop(self, leg: Leg) -> None:
        """Have a server finish what is under way, and wait until it has."""
        self._guardian.signal(leg.name, 15)
        self._guardian.wait(leg.name, START_WITHIN)

    def load(self, leg: Leg, *, connections: int, seconds: float, rate: float | None = None) -> Measured:
        """One round: new events, sent as fast as they are answered or at `rate` a second. Raises: BenchmarkFailed."""
        expected = rate or max((measured.per_s for measured in leg.rounds.values()), default=FIRST_GUESS)
        count = int(expected * seconds * HEADROOM)
        words = {"port": leg.port, "first": leg.next, "count": count, "connections": connections, "seconds": seconds}
        words |= {"rate": rate} if rate else {}
        name = f"load-{uuid4().hex}"
        self._start(
            name,
            "benchmarks._load",
            *(f"--{word}={value}" for word, value in words.items()),
            env=self._environment,
        )
        code = self._guardian.wait(name, timedelta(seconds=600))
        if code != 0:
            raise BenchmarkFailed(f"the load on {leg.name} failed:\n{self._said(name)}")
        measured = Measured(**json.loads(self._said(name)))
        leg.next += count
        leg.accepted += measured.accepted
        pace = f"at {rate:.0f}/s" if rate else "as fast as answered"
        say(
            f"{leg.name:<12} {connections} connections, {pace}: {measured.per_s:.0f}/s, "
            f"p50 {measured.p50_ms:.1f} ms, p99 {measured.p99_ms:.1f} ms, {measured.answers}"
        )
        if set(measured.answers) != {"accepted"}:
            raise BenchmarkFailed(f"{leg.name} answered otherwise than accepted:\n{self._said(leg.name)[-LAST_WORDS:]}")
        return measured

    def _start(self, name: str, *command: str, env: Mapping[str, str]) -> None:
        program = [sys.executable, "-P", "-m", *command]
        self._guardian.start(name, program, env=env, cwd=ROOT, log=self._folder / f"{name}.log")

    def _said(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")


def say(line: str) -> None:
    """One line of progress, beside the figures."""
    print(line, file=sys.stderr, flush=True)


def measure(*, quick: bool) -> dict[str, float]:
    """The figures, by name. Raises: BenchmarkFailed, EmbeddedError."""
    seconds = 1.5 if quick else 6.0
    with ExitStack() as stack:
        say("starting Postgres, which keeps every commit, and Valkey")
        postgres = stack.enter_context(PostgresServer(durable=True))
        valkey = stack.enter_context(ValkeyServer())
        guardian = stack.enter_context(Guardian())
        folder = Path(gettempdir()) / f"rampkeeper-bench-{uuid4().hex}"
        guardian.remove_at_end(folder)
        folder.mkdir(mode=0o700)
        settings = {"REDIS_URL": valkey.url, "WEB_HOST": "127.0.0.1", "DUE_WEBHOOK_PUBLIC_KEYS": public_key()}
        bench = Bench(guardian, folder, settings)
        databases = {name: new_database(postgres.url, name) for name in ("door", "ordinary")}
        door = bench.serve("door", "web", database_url=databases["door"])
        beside = [
            bench.serve(name, "benchmarks._doors", name, database_url=databases["ordinary"])
            for name in ("answer_only", "verify_only", "ordinary")
        ]
        legs = [*beside, door]
        for leg in legs:
            bench.load(leg, connections=CONNECTIONS[0], seconds=1.0)  # warms it up
        for connections in CONNECTIONS[-1:] if quick else CONNECTIONS:
            for leg in legs:
                leg.rounds[connections] = bench.load(leg, connections=connections, seconds=seconds)
        verify_only = next(leg for leg in legs if leg.name == "verify_only")
        paced: dict[str, list[float]] = {leg.name: [] for leg in (door, verify_only)}
        disk: list[float] = []
        for _ in range(1 if quick else PACED_ROUNDS):
            # A machine is not as quick now as it was minutes ago: the share is of what the door can do at this moment.
            rate = bench.load(door, connections=CONNECTIONS[-1], seconds=seconds / 2).per_s * PACED_SHARE
            for leg in (door, verify_only):  # at the same rate: what it is kept waiting, the machine does to both
                measured = bench.load(leg, connections=CONNECTIONS[-1], seconds=seconds, rate=rate)
                paced[leg.name].append(measured.p99_ms)
            disk.append(held_up_p99_ms(folder, seconds))
            say(f"disk         alone keeps a commit waiting, p99 {disk[-1]:.1f} ms")
        for leg in legs:
            bench.stop(leg)
        say("killing Postgres, then counting what it kept")
        postgres.kill()
        postgres.start()
        missing = count_missing(databases["door"], door.accepted)
    top = {leg.name: leg.top for leg in legs}
    return {
        "accepts_per_s": top["door"],
        "verify_only_per_s": top["verify_only"],
        "ordinary_per_s": top["ordinary"],
        "ratio_verify_only": top["door"] / top["verify_only"],
        "ratio_ordinary": top["door"] / top["ordinary"],
        "p99_ms_at_70": statistics.median(paced["door"]),
        "verify_only_p99_ms_at_that": statistics.median(paced["verify_only"]),
        "disk_p99_ms": statistics.median(disk),
        "missing": missing,
        "answer_only_per_s": top["answer_only"],
        "accepted": len(door.accepted),
    }


def new_database(url: str, name: str) -> str:
    """The address of a new database at the newest schema, on the server at `url`."""
    address = make_url(url)
    engine = make_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    made = address.set(database=name).render_as_string(hide_password=False)
    upgrade(made)
    return made


def count_missing(database_url: str, accepted: list[int]) -> int:
    """How many of the events answered "accepted" are not in the inbox."""
    engine = make_engine(database_url)
    with engine.connect() as connection:
        missing = connection.execute(
            text("""
                SELECT count(*) FROM unnest(CAST(:ids AS text[])) AS a(event_id)
                 WHERE NOT EXISTS (SELECT FROM inbox_events e WHERE e.provider = 'due' AND e.event_id = a.event_id)
            """),
            {"ids": [event_id(number) for number in accepted]},
        ).scalar_one()
    engine.dispose()
    return int(missing)


def main() -> None:
    """Measure and tell; exit 1 when an accepted event is missing."""
    parser = argparse.ArgumentParser(prog="bin/bench receiver", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds with 64 connections only: a try, no figures")
    quick = parser.parse_args().quick
    with ended_by_signals():
        figures = measure(quick=quick)
    tell("receiver", figures)
    if figures["missing"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
