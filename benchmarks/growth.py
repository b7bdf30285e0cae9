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
from benchmarks._watch import Statements
from benchmarks.flows import LINE, Arena, Round, Size, say
from ops.cli.signals import ended_by_signals

CLOSED: Final = 1_000_000  # flows; each with three events, as many as Due sends of one
QUICK: Final = 50_000
TEMPLATES: Final = 500  # deposits that really run, and are copied
FULL_SIZE: Final = Size(rounds=3, warm_up=200, deposits=1_500)
QUICK_SIZE: Final = Size(rounds=1, warm_up=50, deposits=200)
SLOWER: Final = 1.5
NOTEWORTHY_MS: Final = 20.0  # of a statement in a round
# As on a small server of its own: a quarter of 4 GiB, and checkpoints by time rather than by the filling.
SERVER: Final = {"shared_buffers": "1GB", "max_wal_size": "8GB", "maintenance_work_mem": "512MB"}


def main() -> None:
    """Measure and tell; exit 1 when a deposit is lost or doubled, or something does not run."""
    parser = argparse.ArgumentParser(prog="bin/bench growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"beside {QUICK:,} closed flows, one round: a try")
    parser.add_argument("--closed", type=int, help="beside so many closed flows")
    parser.add_argument("--deposits", type=int, help="how many in each round")
    given = parser.parse_args()
    size = QUICK_SIZE if given.quick else FULL_SIZE
    if given.deposits:
        size = replace(size, deposits=given.deposits)
    try:
        with ended_by_signals(), ExitStack() as stack:
            found = measure(stack, given.closed or (QUICK if given.quick else CLOSED), size)
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
            runner=[sys.executable, "-P", "-m", "benchmarks._worker"],
            name=name,
        )
        for number, name in enumerate(("empty", "grown"))
    }
    for house in houses.values():
        arena.play(house, replace(size, deposits=min(TEMPLATES, size.deposits)))
    say(f"filling one of two databases with {closed:,} closed flows and all their rows")
    began = time.monotonic()
    made = fill(houses["grown"].database_url, closed, say=say)
    filled_s = time.monotonic() - began
    say(f"{made:,} closed flows in {filled_s:.0f} s")
    rounds: dict[str, list[Round]] = {name: [] for name in houses}
    for number in range(size.rounds):
        say(f"round {number + 1} of {size.rounds}")
        for name in sorted(houses, reverse=number % 2 == 1):
            rounds[name].append(arena.play(houses[name], size))
        say(_slower(*(rounds[name][-1].counted for name in houses)))
    sides = list(zip(rounds["empty"], rounds["grown"], strict=True))
    return {
        "flows_per_s_empty": statistics.median(empty.per_s for empty, _ in sides),
        "flows_per_s_full": statistics.median(full.per_s for _, full in sides),
        "ratio": statistics.median(full.per_s / empty.per_s for empty, full in sides),
        "cpu_ms_per_flow_empty": statistics.median(_cpu_ms(empty) for empty, _ in sides),
        "cpu_ms_per_flow_full": statistics.median(_cpu_ms(full) for _, full in sides),
        "closed_flows": made,
        "fill_s": filled_s,
    }


def _cpu_ms(played: Round) -> float:
    """Of a deposit, all processes: what a machine that others use too says least wrongly."""
    return played.cpu_ms + played.postgres_cpu_ms + played.valkey_cpu_ms


def _slower(empty: Statements, full: Statements) -> str:
    """The statements that take longer beside closed flows, each on a line: both times a call, and how often."""
    before = {text: ms / times for text, times, ms in empty.calls}
    lines = [
        f"{before.get(text, 0.0):8.3f} -> {ms / times:8.3f} ms, {times} times  {' '.join(text.split())[:LINE]}"
        for text, times, ms in full.calls
        if ms / times > SLOWER * before.get(text, 0.0) and ms > NOTEWORTHY_MS
    ]
    return "\n".join(["statements that take longer there:", *lines]) if lines else "no statement takes longer there"


if __name__ == "__main__":
    main()
