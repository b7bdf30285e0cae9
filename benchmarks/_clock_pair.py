"""Two clocks on one database: whichever leads is killed without a word, and another put in its place."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from threading import Event, Semaphore
from typing import Any, Final, TypeVar

import psycopg

from benchmarks._processes import BenchmarkFailed, Processes

PAUSE_S: Final = 5.0  # at most, from when a pair is whole until its leader is killed: several of the clock's rhythms
WHOLE_WITHIN_S: Final = 90.0  # a busy machine starts sixteen clocks
LOOK_EVERY_S: Final = 0.1
# A new leader writes its term down in the transaction that makes its first ticks.
_LEADER: Final = """
    SELECT l.holder::text FROM clock_leases l
     WHERE l.expires_at > rk_now() AND EXISTS (SELECT FROM clock_jobs j WHERE j.term = l.term)
"""

Found = TypeVar("Found")


class Pair:
    """One pair, for a thread of its own. `starting` limits how many clocks of all pairs start at a time.

    `stop` ends every wait. `play` raises: BenchmarkFailed.
    """

    def __init__(
        self,
        name: str,
        *,
        processes: Processes,
        folder: Path,
        database_url: str,
        settings: Mapping[str, str],
        starting: Semaphore,
        stop: Event,
    ) -> None:
        self.name = name
        self.database_url = database_url
        self.kills = 0
        self._processes = processes
        self._folder = folder
        self._settings = {**settings, "DATABASE_URL": database_url}
        self._starting = starting
        self._stop = stop
        self._started: list[str] = []
        self._holders: dict[str, str] = {}  # process by the name under which it holds the lease

    def play(self, kills: int, random: Random) -> None:
        """Kill so many leaders, each at a random moment while the pair is whole; it is whole again at the end."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            self._start()
            self._start()
            self._leader(connection)
            for _ in range(kills):
                self._pause(random.uniform(0, PAUSE_S))
                self._kill_leader(connection)

    def announced(self) -> list[tuple[str, str]]:
        """Job and slot of each tick that one of its clocks says it has made, one line for each time."""
        return [(line["job"], line["slot"]) for name in self._started for line in self._told(name, "clock.ticked")]

    def _kill_leader(self, connection: psycopg.Connection[Any]) -> None:
        """Kill it, and wait until another leads and a new one follows."""
        leader = self._leader(connection)
        for pid in self._processes.pids([leader]):
            os.kill(pid, signal.SIGKILL)
            self.kills += 1
        self._until(lambda: not self._processes.alive([leader]), f"{leader} is gone")
        self._start()
        self._until(lambda: self._leader(connection) != leader, "another leads")

    def _start(self) -> None:
        """One more clock; it follows, or takes the lease if nobody holds it."""
        name = f"{self.name}-{len(self._started)}"
        self._started.append(name)
        with self._starting:
            self._processes.start(name, [sys.executable, "-P", "-m", "scheduler"], self._settings)
            (line,) = self._until(lambda: self._told(name, "clock.started"), f"{name} has started")
        self._holders[line["holder"]] = name

    def _leader(self, connection: psycopg.Connection[Any]) -> str:
        """The process that leads, once it has made its first ticks."""

        def leading() -> str | None:
            row = connection.execute(_LEADER).fetchone()
            return self._holders.get(row[0]) if row else None

        return self._until(leading, "one of them leads")

    def _told(self, name: str, event: str) -> list[dict[str, Any]]:
        """Lines of that event in its log; the last line may be cut off by a kill."""
        path = self._folder / f"{name}.log"
        found = []
        for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
            with suppress(json.JSONDecodeError):
                told = json.loads(line) if event in line else {}
                found += [told] if told.get("event") == event else []
        return found

    def _until(self, look: Callable[[], Found | None], what: str) -> Found:
        """What `look` finds, once it is something. Raises: BenchmarkFailed: not in time, or all is to end."""
        deadline = time.monotonic() + WHOLE_WITHIN_S
        while not (found := look()):
            if time.monotonic() > deadline:
                last = self._processes.said(self._started[-1])
                raise BenchmarkFailed(f"{self.name}: not within {WHOLE_WITHIN_S:.0f} s: {what}\n{last}")
            self._pause(LOOK_EVERY_S)
        return found

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise BenchmarkFailed(f"{self.name} was stopped")
