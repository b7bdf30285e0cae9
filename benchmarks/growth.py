"""Deposits a second beside a million closed ones and all their rows, and beside none: whether the house slows down."""

import argparse
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from benchmarks._contestants import ours, settings
from benchmarks._fill import fill
from benchmarks._processes import BenchmarkFailed
from benchmarks._result import tell
from benchmarks.flows import WORKER, Arena, Size, say
from ops.cli.signals import ended_by_signals

CLOSED: Final = 1_000_000  # flows; each with three events, as many as Due sends of one
QUICK: Final = 50_000
TEMPLATES: Final = 500  # deposits that really run, and are copied
FULL_SIZE: Final = Size(rounds=3, warm_up=200, deposits=1_500)
QUICK_SIZE: Final = Size(rounds=1, warm_up=50, deposits=200)
# As on a small server of its own: a quarter of 4 GiB, and checkpoints by time rather than by the filling.
SERVER: Final = {"shared_buffers": "1GB", "max_wal_size": "8GB", "maintenance_work_mem": "512MB"}


def main() -> None:
    """Measure and tell; exit 1 when a deposit is lost or doubled, or something does not run."""
    parser = argparse.ArgumentParser(prog="bin/bench growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"beside {QUICK:,} closed flows, one round: a try")
    quick = parser.parse_args().quick
    try:
        with ended_by_signals(), ExitStack() as stack:
            found = measure(stack, QUICK if quick else CLOSED, QUICK_SIZE if quick else FULL_SIZE)
    except BenchmarkFailed as failure:
        sys.exit(str(failure))
    tell("growth", found)


def measure(stack: ExitStack, closed: int, size: Size) -> dict[str, float]:
    """The figures, by name; each database has its turn in each round. Raises: BenchmarkFailed, EmbeddedError."""
    arena = Arena(stack, server=SERVER)
    shared = settings(redis_url=arena.valkey.url, providers=arena.providers, threads=size.threads)
    houses = {
        name: ours(
            arena.postgres.url,
            {**shared, "REDIS_URL": f"{arena.valkey.url.rpartition('/')[0]}/{number}"},
            workers=size.workers,
            runner=WORKER,
            name=name,
        )
        for number, name in enumerate(("empty", "full"))
    }
    for house in houses.values():
        arena.play(house, replace(size, warm_up=0, deposits=min(TEMPLATES, size.deposits)))
    say(f"filling one of two databases with {closed:,} closed flows and all their rows")
    began = time.monotonic()
    made = fill(houses["full"].database_url, closed, say=say)
    filled_s = time.monotonic() - began
    say(f"{made:,} closed flows in {filled_s:.0f} s")
    per_s: dict[str, list[float]] = {name: [] for name in houses}
    for number in range(size.rounds):
        say(f"round {number + 1} of {size.rounds}")
        for name in sorted(houses, reverse=number % 2 == 1):
            per_s[name].append(arena.play(houses[name], size).per_s)
    return {
        **{f"flows_per_s_{name}": statistics.median(rounds) for name, rounds in per_s.items()},
        "ratio": statistics.median(f / e for f, e in zip(per_s["full"], per_s["empty"], strict=True)),
        "closed_flows": made,
        "fill_s": filled_s,
    }


if __name__ == "__main__":
    main()
