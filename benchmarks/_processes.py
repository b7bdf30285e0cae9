"""Processes of a benchmark: started on free ports, logged, stopped, and what processor time they have taken."""

import os
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from benchmarks._result import ROOT
from embedded.guardian import Guardian
from embedded.ports import free_port, is_listening

START_WITHIN: Final = timedelta(seconds=60)
STOP_WITHIN: Final = timedelta(seconds=40)
_PROC: Final = Path("/proc")


class BenchmarkFailed(Exception):
    """A part of it did not run; what it said is the message."""


class Processes:
    """Children of `guardian` by name, with their logs in `folder` and nothing of Python's own environment."""

    def __init__(self, guardian: Guardian, folder: Path) -> None:
        self._guardian = guardian
        self._folder = folder
        self._plain = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Its process id."""
        env = {**self._plain, **environment}
        return self._guardian.start(name, command, env=env, cwd=ROOT, log=self._folder / f"{name}.log")

    def serve(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Start a server on a free port, given to it as PORT, and wait until it listens: the port.

        Raises: BenchmarkFailed.
        """
        port = free_port()
        self.start(name, command, {**environment, "PORT": str(port)})
        deadline = time.monotonic() + START_WITHIN.total_seconds()
        while not is_listening(port):
            if self._guardian.pid_of(name) is None or time.monotonic() > deadline:
                raise BenchmarkFailed(f"{name} did not start:\n{self.said(name)}")
            time.sleep(0.05)
        return port

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run a program to its end. Raises: BenchmarkFailed: it failed."""
        self.start(name, command, environment)
        if self._guardian.wait(name, START_WITHIN) != 0:
            raise BenchmarkFailed(f"{name} failed:\n{self.said(name)}")

    def stop(self, names: Collection[str]) -> None:
        """Have them finish what is under way, and wait until they have. Raises: BenchmarkFailed: one does not end."""
        for name in names:
            self._guardian.signal(name, 15)
        for name in names:
            if self._guardian.wait(name, STOP_WITHIN) is None and self._guardian.pid_of(name) is not None:
                raise BenchmarkFailed(f"{name} does not stop:\n{self.said(name)}")

    def alive(self, names: Collection[str]) -> bool:
        """Whether all of them run."""
        return all(self._guardian.pid_of(name) is not None for name in names)

    def pids(self, names: Collection[str]) -> list[int]:
        """Of those that run."""
        return [pid for name in names if (pid := self._guardian.pid_of(name)) is not None]

    def said(self, name: str) -> str:
        """The end of its log."""
        log = self._folder / f"{name}.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""


def cpu_s(pids: Collection[int]) -> float:
    """Processor seconds taken by these processes, all below them, and those of them that have ended.

    Raises: BenchmarkFailed: the system does not tell; Linux does.
    """
    if not (_PROC / "self" / "stat").exists():
        raise BenchmarkFailed("processor time is read from /proc, which only Linux has")
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in _PROC.glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile: its parent knows
            continue
        pid = int(path.parent.name)
        parents[pid] = int(fields[1])
        ticks[pid] = sum(map(int, fields[11:15]))  # user and system time, its own and that of children waited for
    found = set(pids)
    while below := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= below
    return sum(ticks.get(pid, 0) for pid in found) / os.sysconf("SC_CLK_TCK")
