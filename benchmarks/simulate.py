"""Histories of tests/simulation, drawn from seeds, on every core: how many, how many end badly, how quick."""

import argparse
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

from benchmarks._result import tell
from embedded.leash import end_with_parent
from embedded.postgres import PostgresServer
from migrations.run import upgrade
from ops.cli.signals import ended_by_signals
from tests.simulation.plan import PLANS
from tests.simulation.play import play
from tests.simulation.stage import Stage
from tests.support.databases import Databases

SEEDS: Final = 2_000
QUICK: Final = 40
BLOCK: Final = 100  # histories on one database: a failure is told when its block has ended
TEMPLATE: Final = "simulation"
SAY_EVERY_S: Final = 10.0


def main() -> int:
    """Exit code 1 when a history ends badly; its story comes before the last line."""
    parser = argparse.ArgumentParser(prog="bin/bench simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=None, help=f"how many; {SEEDS:,}, or {QUICK} with --quick")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--plan", choices=PLANS, default="rough", help="how rough a history is")
    parser.add_argument("--quick", action="store_true", help="a few seeds, to see that it works")
    chosen = parser.parse_args()
    count = chosen.seeds if chosen.seeds is not None else QUICK if chosen.quick else SEEDS
    if count < 1:
        parser.error("--seeds: at least one")
    failures = 0
    with ended_by_signals(), PostgresServer() as server:
        Databases(server.url).make_template(TEMPLATE, upgrade)
        began = time.monotonic()
        for told in _failures(server.url, range(chosen.first, chosen.first + count), chosen.plan):
            failures += 1
            print(told, end="\n\n", flush=True)
        took_s = time.monotonic() - began
    tell("simulate", {"histories": count, "failures": failures, "histories_per_s": count / took_s})
    return 1 if failures else 0


def _failures(server: str, seeds: range, plan: str) -> Iterator[str]:
    """Play them all, one process a core; what went wrong, as it is found."""
    blocks = [seeds[start : start + BLOCK] for start in range(0, len(seeds), BLOCK)]
    pool = ProcessPoolExecutor(
        os.cpu_count(), mp_context=get_context("spawn"), initializer=_end_only_with, initargs=(os.getpid(),)
    )
    try:
        playing = [pool.submit(_play, server, block, plan) for block in blocks]
        said_at = time.monotonic()
        for number, done in enumerate(playing, start=1):
            yield from done.result()
            if time.monotonic() - said_at > SAY_EVERY_S:
                said_at = time.monotonic()
                print(f"{min(number * BLOCK, len(seeds)):,} of {len(seeds):,} histories", file=sys.stderr)
    finally:
        pool.shutdown(cancel_futures=True)


def _end_only_with(parent: int) -> None:
    """Ctrl-C is the parent's to answer; when it is gone, so is this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)


def _play(server: str, seeds: Sequence[int], plan: str) -> list[str]:
    """Play a block on a database of its own; on another from where a history breaks off and leaves it as it is."""
    databases = Databases(server)
    left = deque(seeds)
    told: list[str] = []
    while left:
        with databases.clone(TEMPLATE) as url:
            told += _until_one_breaks_off(url, left, plan)
    return told


def _until_one_breaks_off(url: str, left: deque[int], plan: str) -> Iterable[str]:
    stage = Stage(url)
    try:
        while left:
            seed = left.popleft()
            if found := play(stage, seed, plan):
                yield found
    except Exception:  # noqa: BLE001 - whatever it is, the simulation has found it
        again = f"play it again: .venv/bin/python -m tests.simulation {seed} --plan {plan}"
        yield f"seed {seed} of plan {plan} breaks off:\n{traceback.format_exc()}{again}"
    finally:
        stage.close()


if __name__ == "__main__":
    sys.exit(main())
