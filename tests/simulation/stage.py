"""Where histories are played one after the other: a database that is emptied in between, and the pretended world."""

from types import TracebackType
from typing import Final, Self

from sqlalchemy import Engine

from sandbox.world import World
from tests.simulation.clock import Clock
from tests.simulation.door import WEBHOOKS
from tests.simulation.quick import AtHand, quick_engine, tell
from tests.simulation.reach import apps_of
from tests.simulation.standby import Standby

TABLES: Final = (
    "customers",
    "customer_links",
    "worker_sessions",
    "flows",
    "attempts",
    "transitions",
    "flow_references",
    "intentions",
    "inbox_events",
    "ledger_accounts",
    "journal_entries",
    "postings",
    "balances",
    "dead_letters",
    "breaks",
    "break_history",
    "notifications",
    "notification_attempts",
    "looks",
    "provider_gates",
    "balance_readings",
    "clock_leases",
    "clock_jobs",
    "ticks",
    "stream_cursors",
    "poll_marks",
    "polled_objects",
    "receipts",
)
_CLEAR: Final = "; ".join(
    [
        "BEGIN; SET LOCAL session_replication_role = replica",  # only so does a superuser get past append-only guards
        *(f"DELETE FROM {table}" for table in TABLES),  # noqa: S608 - the names above; far quicker than TRUNCATE
        "COMMIT",
    ]
).encode()
# Here everybody may set the clock: who is asking need not be looked up some thousand times a history.
_CLOCK: Final = b"""
    CREATE OR REPLACE FUNCTION rk_now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
      SELECT coalesce(nullif(current_setting('rampkeeper.now', true), '')::timestamptz, statement_timestamp()) $$
"""
TIDY_AFTER: Final = 50  # histories: the rows they deleted are in everybody's way by then


class Stage:
    """One database at the newest schema, one world of providers, one clock; `clear` makes all of them new."""

    def __init__(self, url: str) -> None:
        self.engine = quick_engine(url)
        self.connections = AtHand(self.engine)
        self.connections.tell(_CLOCK)
        self.standby = Standby(self.connections, TABLES)
        self.clock = Clock()
        self.world = World(
            clock=lambda: self.clock.now,
            config={
                **WEBHOOKS,
                "firm_cash": "1000000",
                "journal_queue_seconds": 2.0,
                "journal_clearing_seconds": 3.0,
            },
        )
        self.apps = apps_of(self.world)
        self._played = 0

    def clear(self, seed: int) -> None:
        """Take every row of a history away, and begin the world anew from this seed."""
        self.connections.tell(_CLEAR)
        self._played += 1
        if self._played % TIDY_AFTER == 0:
            self._tidy()
        self.clock = Clock()
        self.world.reset(seed)

    def close(self) -> None:
        """Leave the database to whoever made it."""
        self.connections.close()
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tidy(self) -> None:
        """Give the room of deleted rows back. Statistics are nobody's: every statement is planned already."""
        self.connections.tell(f"VACUUM {', '.join(TABLES)}".encode())


def empty(engine: Engine) -> None:
    """Take every row of a history away, on an engine of quick connections."""
    tell(engine, _CLEAR)
