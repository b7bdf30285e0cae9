"""Leading clocks killed at random moments, in pairs side by side: how late the next tick is, and whether once."""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import gettempdir
from threading import Event, Semaphore
from typing import Final
from uuid import uuid4

from benchmarks._clock_judge import WITHIN, Judged, judge
from benchmarks._clock_pair import Pair
from benchmarks._processes import BenchmarkFailed, Processes
from benchmarks._result import tell
from benchmarks.receiver import new_database, say
from embedded.guardian import Guardian
from embedded.postgres import PostgresServer
from embedded.valkey import ValkeyServer
from ops.cli.signals import ended_by_signals

CONNECTIONS: Final = 300  # a clock has up to 8, and those of the killed linger
STARTING: Final = 2  # at a time: a clock that starts takes a whole core for a second
# Polls tick so often that most kills fall near a slot, but not within a takeover: none may be passed over.
SETTINGS: Final = {"DUE_API_KEY": "k", "DUE_BASE_URL": "http://127.0.0.1:9", "POLL_S": "12"}


@dataclass(frozen=True, slots=True)
class Size:
    """So many pairs, and so many kills in each."""

    pairs: int
    kills: int


FULL: Final = Size(pairs=8, kills=25)
QUICK: Final = Size(pairs=2, kills=2)


def main() -> int:
    """Exit code 1 when a tick is missed, doubled or later than it may be, or something does not run."""
    parser = argparse.ArgumentParser(prog="bin/bench clock", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two pairs, two kills in each: a try")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    given = parser.parse_args()
    try:
        with ended_by_signals(), ExitStack() as stack:
            figures = measure(stack, QUICK if given.quick else FULL, given.seed)
    except BenchmarkFailed as failure:
        sys.exit(str(failure))
    tell("clock", figures)
    late = figures["max_late_s"] > WITHIN.total_seconds()
    return 1 if late or figures["missed"] or figures["doubled"] else 0


def measure(stack: ExitStack, size: Size, seed: int) -> dict[str, float]:
    """The figures, by name. Raises: BenchmarkFailed, EmbeddedError."""
    postgres = stack.enter_context(PostgresServer(durable=True, max_connections=CONNECTIONS))
    valkey = stack.enter_context(ValkeyServer())
    guardian = stack.enter_context(Guardian())
    folder = Path(gettempdir()) / f"rampkeeper-bench-{uuid4().hex}"
    guardian.remove_at_end(folder)
    folder.mkdir(mode=0o700)
    processes, starting, stop = Processes(guardian, folder), Semaphore(STARTING), Event()
    pairs = [
        Pair(
            name,
            processes=processes,
            folder=folder,
            database_url=new_database(postgres.url, name),
            settings={**SETTINGS, "REDIS_URL": f"{valkey.url.rpartition('/')[0]}/{number}"},
            starting=starting,
            stop=stop,
        )
        for number, name in enumerate(f"pair_{number}" for number in range(size.pairs))
    ]
    say(f"{size.pairs} pairs of clocks, {size.kills} leaders of each to be killed")
    began = time.monotonic()
    play(pairs, size.kills, seed, stop)
    took_s = time.monotonic() - began
    judged = [judge(pair.database_url, pair.announced()) for pair in pairs]
    return {
        "kills": sum(pair.kills for pair in pairs),
        "max_late_s": max(one.late_s for one in judged),
        "missed": sum(one.missed for one in judged),
        "doubled": sum(one.doubled for one in judged),
        "ticks": sum(one.ticks for one in judged),
        "seconds": took_s,
    }


def play(pairs: Sequence[Pair], kills: int, seed: int, stop: Event) -> None:
    """Play all pairs side by side; the first that fails ends the others. Raises: BenchmarkFailed."""
    with ThreadPoolExecutor(len(pairs)) as threads:
        playing = {threads.submit(pair.play, kills, Random(f"{seed} {pair.name}")): pair for pair in pairs}
        try:
            for done in as_completed(playing):
                done.result()
                pair = playing[done]
                say(f"{pair.name}: {pair.kills} killed, {_line(judge(pair.database_url, pair.announced()))}")
        finally:
            stop.set()


def _line(judged: Judged) -> str:
    return (
        f"{judged.ticks} ticks, the latest {judged.late_s:.1f} s late, {judged.missed} missed, {judged.doubled} doubled"
    )


if __name__ == "__main__":
    sys.exit(main())
