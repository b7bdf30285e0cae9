"""A million records of a provider against a million flows of ours: seconds, memory, and whether each break is found."""

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from sqlalchemy import Engine

from benchmarks._reconcile_fill import fill
from benchmarks._reconcile_planted import LEAST, WINDOW, Provider
from benchmarks._result import tell
from benchmarks.receiver import new_database, say
from db import break_listings
from db.engine import make_engine, unit_of_work
from embedded.postgres import PostgresServer
from ops.actions.reconcile.compare import Comparer, Wanted
from ops.cli.signals import ended_by_signals
from ops.reports.cells import to_json

RECORDS: Final = 1_000_000
QUICK: Final = 20_000
GRACE: Final = timedelta(minutes=10)
# As on a small server of its own: a quarter of 4 GiB, and checkpoints by time rather than by the filling.
SERVER: Final = {"shared_buffers": "1GB", "max_wal_size": "8GB", "maintenance_work_mem": "512MB"}
NAMED: Final = 10  # of what is not as it should be

_TABLE: Final = "CREATE UNLOGGED TABLE beside (LIKE reconciliation_records)"
_COPY: Final = """
    COPY beside (run_id, kind, external_id, status, at, asset, amount, asset_out, amount_out, fee, account, reference,
                 fault) FROM STDIN
"""
_NO_RUN: Final = "00000000-0000-0000-0000-000000000000"
_HASH_JOIN: Final = """
    SELECT count(*) FROM beside t
      JOIN flow_references r ON r.provider = 'due' AND r.kind = t.kind AND r.external_id = t.external_id
"""
_AS_A_HASH: Final = ("SET work_mem = '128MB'", "SET enable_mergejoin = off", "SET enable_nestloop = off")


@dataclass
class Watch:
    """Time as a comparison keeps it: what it would wait, so as not to ask a provider too often, passes at once."""

    began: float = field(default_factory=time.monotonic)
    waited_s: float = 0.0
    read_s: float = 0.0  # until everything was read, and what looked wrong read again

    def sleep(self, seconds: float) -> None:
        """Pass so much time."""
        self.waited_s += seconds

    def monotonic(self) -> float:
        """Seconds, with those that nobody waited."""
        return time.monotonic() + self.waited_s

    def hear(self, line: str) -> None:
        """How far a comparison says it is."""
        if line == "comparing":
            self.read_s = self.took_s

    @property
    def took_s(self) -> float:
        """Seconds since it began, without those that nobody waited."""
        return time.monotonic() - self.began


def main() -> int:
    """Exit code 1 when a planted break is not found, another is invented, or two runs tell different things."""
    parser = argparse.ArgumentParser(prog="bin/bench reconcile", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} records: a try")
    parser.add_argument("--records", type=int, help="so many, against as many flows")
    given = parser.parse_args()
    records = given.records or (QUICK if given.quick else RECORDS)
    if records < LEAST:
        parser.error(f"--records: at least {LEAST:,}")
    with ended_by_signals(), ExitStack() as stack:
        say("starting Postgres, which keeps every commit")
        postgres = stack.enter_context(PostgresServer(durable=True, settings=SERVER))
        figures = measure(new_database(postgres.url, "reconcile"), records)
    tell("reconcile", figures)
    return 1 if figures["found"] < figures["planted"] or figures["invented"] or not figures["identical"] else 0


def measure(database_url: str, records: int) -> dict[str, float]:
    """The figures, by name, on an empty database at the newest schema. Raises: ValueError: too few records."""
    now = datetime.now(UTC)
    provider = Provider(records, now)
    began = time.monotonic()
    fill(database_url, provider, say=say)
    say(f"filled in {time.monotonic() - began:.0f} s; comparing")
    engine = make_engine(database_url, pool=2)
    try:
        reports, seconds = [], []
        for source in (provider, Provider(records, now, backwards=True)):
            watch = Watch()
            reports.append(compare(engine, source, now, watch))
            seconds.append(watch.took_s)
            say(f"compared in {seconds[-1]:.1f} s, the first {watch.read_s:.1f} to read: {reports[-1]['counts']}")
    finally:
        engine.dispose()
    beside_s = copy_and_join(database_url, provider)
    say(f"a copy and one hash join of the same rows take {beside_s:.1f} s")
    return {
        "seconds": max(seconds),
        "peak_mb": peak_mb(),
        "ratio_copy_join": max(seconds) / beside_s,
        **judge(provider, [to_json(report["findings"]) for report in reports], reports[0]["findings"]),
        "copy_join_s": beside_s,
        "records": reports[0]["counts"]["theirs"],
        "flows": reports[0]["counts"]["ours"],
    }


def compare(engine: Engine, source: Provider, now: datetime, watch: Watch) -> dict[str, Any]:
    """Compare as the product does, listing and all; the run as `reconcile show` shows it."""
    begin = unit_of_work(engine)
    comparer = Comparer(begin=begin, grace=GRACE, say=watch.hear, sleep=watch.sleep, monotonic=watch.monotonic)
    wanted = Wanted(provider="due", since=now - WINDOW, until=now)
    run = comparer.with_provider(wanted, lambda _accounts: {"transfer": source})
    with begin() as connection:
        return break_listings.show_run(connection, run)


def judge(provider: Provider, reports: Sequence[str], findings: Sequence[dict[str, Any]]) -> dict[str, int]:
    """What was planted, how much of it was found, what was found besides, and whether all reports are one."""
    expected = provider.expected()
    told = [(one["type"], one["subject"]) for one in findings]
    lost, besides = expected - set(told), [one for one in told if one not in expected]
    for what, which in (("not found", sorted(lost)), ("invented", besides)):
        for kind, subject in which[:NAMED]:
            say(f"{what}: {kind} of {subject}")
    return {
        "planted": len(expected),
        "found": len(expected) - len(lost),
        "invented": len(told) - (len(expected) - len(lost)),
        "identical": int(len(set(reports)) == 1),
    }


def copy_and_join(database_url: str, provider: Provider) -> float:
    """Seconds that the same records take to be copied in at once and joined by id, once, with what our flows own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_TABLE)
        for setting in _AS_A_HASH:
            connection.execute(setting)
        began = time.monotonic()
        with connection.transaction(), connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for record in provider.records():
                copy.write_row((_NO_RUN, *record))
        connection.execute(_HASH_JOIN)
        return time.monotonic() - began


def peak_mb() -> float:
    """The most memory that this process ever held, what it filled our side with included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    sys.exit(main())
