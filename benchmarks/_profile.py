"""Our worker process under a profiler of processor time, and which parts that time goes to.

Run as a program with a folder, the profile of each thread is left there at the end. The profiler asks the clock
at each call, so what makes many small calls looks dearer than it is: read the shares as a first hint.
"""

import cProfile
import pstats
import sys
import sysconfig
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final
from uuid import uuid4

from benchmarks._result import ROOT
from benchmarks._worker import unlimited

PARTS: Final = {
    "psycopg": "Postgres: psycopg",
    "psycopg_binary": "Postgres: psycopg",
    "sqlalchemy": "Postgres: SQLAlchemy",
    "requests": "calls to providers: requests, urllib3",
    "urllib3": "calls to providers: requests, urllib3",
    "dramatiq": "Valkey: Dramatiq, redis, limits",
    "redis": "Valkey: Dramatiq, redis, limits",
    "limits": "Valkey: Dramatiq, redis, limits",
    "structlog": "logging",
}
_HTTP: Final = frozenset({"http", "email", "socket.py", "ssl.py", "urllib", "selectors.py"})
_SITE: Final = Path(sysconfig.get_path("purelib"))
_STANDARD: Final = Path(sysconfig.get_path("stdlib"))

Function = tuple[str, int, str]


def part_of(file: str) -> str:
    """The part that a function of this file belongs to; "" for one of no file, which is its caller's."""
    path = Path(file)
    if path.is_relative_to(_SITE):
        name = path.relative_to(_SITE).parts[0]
        return PARTS.get(name, f"library {name}")
    if path.is_relative_to(ROOT):
        return f"ours: {path.relative_to(ROOT).parts[0]}"
    if path.is_relative_to(_STANDARD):
        return PARTS["requests"] if path.relative_to(_STANDARD).parts[0] in _HTTP else "standard library"
    return "" if file == "~" else "made while running"


def shares(profiles: list[Path]) -> list[tuple[str, float]]:
    """Each part's share of the processor time of these profiles, the largest first."""
    taken: Counter[str] = Counter()
    for profile in profiles:
        functions = vars(pstats.Stats(str(profile)))["stats"]
        for (file, _, _), (_, _, own_s, _, callers) in functions.items():
            if part := part_of(file):
                taken[part] += own_s
                continue
            for (caller_file, _, _), (_, _, from_there_s, _) in callers.items():
                taken[part_of(caller_file) or "standard library"] += from_there_s
    total = sum(taken.values())
    return [(part, own_s / total) for part, own_s in taken.most_common()]


def profiled(folder: Path) -> None:
    """Work until told to stop, every thread under a profiler of its own."""
    profilers: list[cProfile.Profile] = []

    def begin(*_: object) -> None:
        profiler = cProfile.Profile(time.thread_time)
        profilers.append(profiler)
        profiler.enable()  # on this thread, in the place of this function

    threading.setprofile(begin)
    unlimited()
    for profiler in profilers:
        if profiler.getstats():
            profiler.dump_stats(folder / f"{uuid4().hex}.profile")


if __name__ == "__main__":
    profiled(Path(sys.argv[1]))
