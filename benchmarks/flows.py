"""Whole flows a second through all our processes: deposits beside DBOS and Celery, other kinds beside deposits."""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import gettempdir
from types import MappingProxyType
from typing import Any, Final
from urllib.request import urlopen
from uuid import uuid4

from benchmarks._contestants import Contestant, Running, ours, peer, settings
from benchmarks._events import PEOPLE
from benchmarks._kinds import DEPOSIT, KINDS, Kind, add_people
from benchmarks._kinds import settings as kind_settings
from benchmarks._peers import peers_python
from benchmarks._processes import BenchmarkFailed, Processes, cpu_s
from benchmarks._profile import shares
from benchmarks._result import tell
from benchmarks._watch import Statements, Watch, make_watcher
from benchmarks._webhooks import ACCOUNTS, transfer_id
from embedded.guardian import Guardian
from embedded.postgres import PostgresServer
from embedded.valkey import ValkeyServer
from ops.cli.signals import ended_by_signals

STUCK_S: Final = 90.0  # without another whole deposit a contestant is given up
LOOK_EVERY_S: Final = 0.2
LINE: Final = 140  # characters of a statement that are listed
SELDOM: Final = 0.01  # of a deposit: what comes by the clock rather than by deposits is not listed
SERVER: Final = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.max": "10000"}
PYTHON: Final = (sys.executable, "-P", "-m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is done; `workers` processes of `threads` each, the same for every contestant."""

    rounds: int
    warm_up: int
    deposits: int
    workers: int = 2
    threads: int = 8


FULL: Final = Size(rounds=3, warm_up=200, deposits=2000)
QUICK: Final = Size(rounds=1, warm_up=ACCOUNTS, deposits=200)  # every customer has deposited once
KIND_FULL: Final = Size(rounds=3, warm_up=100, deposits=PEOPLE)  # one of each customer
KIND_QUICK: Final = Size(rounds=1, warm_up=50, deposits=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one contestant did in one round; all but the first of one deposit. `cpu_ms` is its own processes'."""

    per_s: float
    cpu_ms: float
    postgres_cpu_ms: float
    valkey_cpu_ms: float
    statements: float
    commits: float
    counted: Statements
    calls: float = 0.0  # to providers


class Arena:
    """The servers that all contestants share, and the numbers already sent. `server`: further settings of Postgres."""

    def __init__(self, stack: ExitStack, *, server: Mapping[str, str] = MappingProxyType({})) -> None:
        say("starting Postgres, which keeps every commit, Valkey and the instant providers")
        self.postgres = stack.enter_context(PostgresServer(durable=True, settings={**SERVER, **server}))
        self.valkey = stack.enter_context(ValkeyServer())
        guardian = stack.enter_context(Guardian())
        self.folder = Path(gettempdir()) / f"rampkeeper-bench-{uuid4().hex}"
        guardian.remove_at_end(self.folder)
        self.folder.mkdir(mode=0o700)
        self.processes = Processes(guardian, self.folder)
        port = self.processes.serve("instant", [*PYTHON, "benchmarks._instant"], {})
        self.providers = f"http://127.0.0.1:{port}"
        self._password = make_watcher(self.postgres.url)
        self._next = 0

    def play(self, contestant: Contestant, size: Size, *, undisturbed: bool = False) -> Round:
        """Start it, warm it up, give it its deposits, and stop it; `undisturbed` by what each start polls and compares.

        Raises: BenchmarkFailed.
        """
        with Watch(contestant.database_url, self._password, contestant.kind) as watch:
            running = Running(contestant, self.processes)
            try:
                self._flows(running, watch, size.warm_up)
                until = time.monotonic() + STUCK_S
                while undisturbed and watch.reads_listings() and time.monotonic() < until:
                    time.sleep(LOOK_EVERY_S)
                watch.begin_counting()
                before, asked = self._cpu(running), self._made()["calls"]
                first = self._next
                self._flows(running, watch, size.deposits)
                after, asked = self._cpu(running), self._made()["calls"] - asked
                counted = watch.counted()
            finally:
                running.stop()
            try:
                seconds = watch.span_s(first, size.deposits)
            except ValueError as error:
                raise BenchmarkFailed(f"{contestant.name}: {error}") from error
            if off := watch.off_balance():
                raise BenchmarkFailed(f"{contestant.name}: its books do not balance: {off}")
            self._made_once(contestant, first, size.deposits)
            own, postgres, valkey = (
                (late - early) * 1000 / size.deposits for early, late in zip(before, after, strict=True)
            )
            played = Round(
                per_s=size.deposits / seconds,
                cpu_ms=own,
                postgres_cpu_ms=postgres,
                valkey_cpu_ms=valkey,
                statements=counted.statements / size.deposits,
                commits=counted.commits / size.deposits,
                counted=counted,
                calls=asked / size.deposits,
            )
            say(f"{contestant.name:<8} {_told(played)}; rows {watch.rows_per_deposit()}")
            return played

    def _flows(self, running: Running, watch: Watch, count: int) -> None:
        """Begin so many, and wait until all of them are whole."""
        wanted = watch.whole() + count
        numbers = range(self._next, self._next + count)
        self._next += count
        running.contestant.kind.begin(running.port, running.contestant.database_url, numbers)
        whole, progress = -1, time.monotonic()
        while (now_whole := watch.whole()) < wanted:
            if now_whole > whole:
                whole, progress = now_whole, time.monotonic()
            fault = running.fault()
            if fault or time.monotonic() - progress > STUCK_S:
                raise BenchmarkFailed(fault or f"{wanted - whole} flows are stuck:\n{running.said()}")
            time.sleep(LOOK_EVERY_S)

    def _cpu(self, running: Running) -> tuple[float, float, float]:
        servers = ([pid] if (pid := one.pid) else [] for one in (self.postgres, self.valkey))
        return cpu_s(running.pids), *(cpu_s(pids) for pids in servers)  # type: ignore[return-value]  # two servers

    def _made_once(self, contestant: Contestant, first: int, count: int) -> None:
        """Exactly one journal a deposit, one payout and one send a withdrawal, as the providers counted."""
        made = self._made()
        if contestant.kind is DEPOSIT and (wrong := not_once(made["journals"], first, count)):
            raise BenchmarkFailed(f"{contestant.name}: journals that were not made once: {wrong}")
        for what in contestant.kind.made:
            if len(made[what]) < count or any(times != 1 for times in made[what].values()):
                raise BenchmarkFailed(f"{contestant.name}: {what} that were not made once each: {made[what]}")

    def _made(self) -> dict[str, Any]:
        with closing(urlopen(f"{self.providers}/_made")) as answer:  # noqa: S310 - our own loopback address
            made: dict[str, Any] = json.load(answer)
        return made


def not_once(made: Mapping[str, int], first: int, count: int) -> dict[str, int]:
    """Of these numbers' transfers, those without a journal or with several: how many of each."""
    counts = {name: made.get(name, 0) for name in map(transfer_id, range(first, first + count))}
    return {name: times for name, times in counts.items() if times != 1}


def measure(size: Size, *, alone: bool, list_statements: bool = False, profile: bool = False) -> dict[str, float]:
    """The figures, by name. Raises: BenchmarkFailed, EmbeddedError."""
    python = None if alone else peers_python()
    with ExitStack() as stack:
        arena = Arena(stack)
        url = arena.postgres.url
        shared = settings(redis_url=arena.valkey.url, providers=arena.providers, threads=size.threads)
        runner = [*PYTHON, "benchmarks._profile", str(arena.folder)] if profile else [*PYTHON, "benchmarks._worker"]
        contestants = [ours(url, shared, workers=size.workers, runner=runner)]
        if python is not None:
            contestants += [
                peer(name, url, shared, python=python, workers=size.workers, redis_database=number)
                for number, name in enumerate(("dbos", "celery"), start=1)
            ]
        for one in contestants:
            if one.prepare:
                arena.processes.run(f"{one.name}-prepare", one.prepare, one.settings)
        rounds: dict[str, list[Round]] = {one.name: [] for one in contestants}
        for number in range(size.rounds):
            say(f"round {number + 1} of {size.rounds}")
            turn = number % len(contestants)  # so that nobody always goes first
            for one in contestants[turn:] + contestants[:turn]:
                played = arena.play(one, size)
                if list_statements:
                    say(listed(played.counted, size.deposits))
                rounds[one.name].append(played)
        if profile:
            for part, share in shares(list(arena.folder.glob("*.profile"))):
                say(f"{share:6.1%}  {part}")
    return figures(rounds)


def measure_kind(kind: Kind, size: Size, *, list_statements: bool = False) -> dict[str, float]:
    """The figures of another kind beside deposits, by name. Raises: BenchmarkFailed, EmbeddedError."""
    with ExitStack() as stack:
        arena = Arena(stack)
        url = arena.postgres.url
        shared = settings(redis_url=arena.valkey.url, providers=arena.providers, threads=size.threads)
        shared |= kind_settings(arena.providers)
        runner = [*PYTHON, "benchmarks._worker"]
        deposits = ours(url, shared, workers=size.workers, runner=runner, name="deposits")
        redis_url = f"{arena.valkey.url.rpartition('/')[0]}/1"
        others = ours(url, {**shared, "REDIS_URL": redis_url}, workers=size.workers, runner=runner, name=kind.name)
        say("adding customers")
        add_people(others.database_url, 2 * size.rounds * (size.warm_up + size.deposits))  # both sides number on
        contestants = [replace(others, kind=kind), deposits]
        rounds: dict[str, list[Round]] = {one.name: [] for one in contestants}
        for number in range(size.rounds):
            say(f"round {number + 1} of {size.rounds}")
            for one in contestants if number % 2 == 0 else reversed(contestants):
                played = arena.play(one, size, undisturbed=True)
                if list_statements:
                    say(listed(played.counted, size.deposits))
                rounds[one.name].append(played)
    return beside_deposits(rounds[kind.name], rounds["deposits"])


def beside_deposits(theirs: Sequence[Round], deposits: Sequence[Round]) -> dict[str, float]:
    """Medians over the rounds. `ratio_due_per_call` is of the calls to providers that both make in a second."""
    sides = list(zip(theirs, deposits, strict=True))
    found = {
        "flows_per_s": statistics.median(one.per_s for one in theirs),
        "due_deposit_per_s": statistics.median(due.per_s for due in deposits),
        "ratio_due": statistics.median(one.per_s / due.per_s for one, due in sides),
        "calls_per_flow": statistics.median(one.calls for one in theirs),
        "due_calls_per_flow": statistics.median(due.calls for due in deposits),
        "ratio_due_per_call": statistics.median(one.per_s * one.calls / (due.per_s * due.calls) for one, due in sides),
    }
    for before, rounds in (("", theirs), ("due_", deposits)):
        for read in ("cpu_ms", "postgres_cpu_ms", "valkey_cpu_ms", "statements", "commits"):
            found[f"{before}{read}_per_flow"] = statistics.median(getattr(played, read) for played in rounds)
    return found


def figures(rounds: dict[str, list[Round]]) -> dict[str, float]:
    """Medians over the rounds; a ratio is the median of the rounds' own ratios, each taken side by side."""

    def middle(name: str, read: str) -> float:
        return float(statistics.median(getattr(played, read) for played in rounds[name]))

    found: dict[str, float] = {"flows_per_s": middle("ours", "per_s")}
    for name in [name for name in rounds if name != "ours"]:
        found[f"{name}_per_s"] = middle(name, "per_s")
        pairs = zip(rounds["ours"], rounds[name], strict=True)
        found[f"ratio_{name}"] = statistics.median(our.per_s / their.per_s for our, their in pairs)
    for name in rounds:
        before = "" if name == "ours" else f"{name}_"
        for read in ("cpu_ms", "postgres_cpu_ms", "valkey_cpu_ms", "statements", "commits"):
            found[f"{before}{read}_per_flow"] = middle(name, read)
    return found


def _told(played: Round) -> str:
    return (
        f"{played.per_s:.1f}/s; of a deposit: CPU {played.cpu_ms:.2f} ms, in Postgres {played.postgres_cpu_ms:.2f} ms, "
        f"in Valkey {played.valkey_cpu_ms:.2f} ms, {played.statements:.2f} statements, {played.commits:.2f} commits"
    )


def listed(counted: Statements, deposits: int) -> str:
    """Each statement on a line, by how often: times and milliseconds in Postgres, both of a deposit."""
    lines = [
        f"{times / deposits:6.2f} {ms / deposits:8.3f} ms  {' '.join(text.split())[:LINE]}"
        for text, times, ms in counted.calls
        if times >= deposits * SELDOM
    ]
    return "\n".join(lines)


def say(line: str) -> None:
    """One line of progress, beside the figures."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and tell; exit 1 when a contestant loses or doubles a deposit, or does not run."""
    parser = argparse.ArgumentParser(prog="bin/bench flows", description=__doc__)
    parser.add_argument("--kind", choices=KINDS, default=DEPOSIT.name, help="of which flow; others beside deposits")
    parser.add_argument("--quick", action="store_true", help="one round of 200: a try, no figures")
    parser.add_argument("--alone", action="store_true", help="ours without its peers")
    parser.add_argument("--profile", action="store_true", help="ours alone, slowed down: where a worker's time goes")
    parser.add_argument("--deposits", type=int, help=f"how many flows in each round; of other kinds at most {PEOPLE}")
    parser.add_argument("--statements", action="store_true", help="list the statements of a deposit too")
    given = parser.parse_args()
    kind = KINDS[given.kind]
    size = (QUICK if given.quick else FULL) if kind is DEPOSIT else (KIND_QUICK if given.quick else KIND_FULL)
    if given.deposits:
        size = replace(size, deposits=given.deposits if kind is DEPOSIT else min(given.deposits, PEOPLE))
    try:
        with ended_by_signals():
            if kind is DEPOSIT:
                found = measure(
                    size, alone=given.alone or given.profile, list_statements=given.statements, profile=given.profile
                )
            else:
                found = measure_kind(kind, size, list_statements=given.statements)
    except BenchmarkFailed as failure:
        sys.exit(str(failure))
    tell("flows", found)


if __name__ == "__main__":
    main()
