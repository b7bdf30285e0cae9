"""Play a history of a seed, and say what is wrong at its end."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog
from sqlalchemy import Engine, event, text

from db.engine import make_engine
from tests.simulation.clock import drawn_ids
from tests.simulation.history import History
from tests.simulation.plan import PLANS
from tests.simulation.truth import untrue_at_the_end

CONNECTIONS = 8  # one for each process standing still inside a transaction, and those of the one that acts
TABLES = (
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
)


def engine_on(url: str) -> Engine:
    """An engine that keeps its connections and plans each statement once: both take longer than running it."""
    engine = make_engine(url, pool=CONNECTIONS)

    @event.listens_for(engine, "connect")
    def plan_once(driver: psycopg.Connection, _: object) -> None:
        driver.prepare_threshold = 0
        driver.execute("SET plan_cache_mode = force_generic_plan")
        driver.commit()

    return engine


def empty(engine: Engine) -> None:
    """Take every row of a history away; only a superuser may get past the append-only guards."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in TABLES:
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - the names above; far quicker than TRUNCATE


def play(engine: Engine, seed: int, plan: str = "rough") -> str | None:
    """What went wrong with this seed, for a person to read; None when nothing did."""
    history = told(engine, seed, plan)
    wrong = untrue_at_the_end(engine, history.world, history.quiet)
    if not wrong:
        return None
    again = f"play it again: .venv/bin/python -m tests.simulation {seed} --plan {plan}"
    return "\n".join([f"seed {seed} of plan {plan}:", *(f"- {line}" for line in wrong), again, "", str(history.story)])


def told(engine: Engine, seed: int, plan: str) -> History:
    """The history of this seed, played to its end."""
    empty(engine)
    with drawn_ids(seed), without_logs():
        history = History(engine, seed, PLANS[plan])
        history.play()
    return history


@contextmanager
def without_logs() -> Iterator[None]:
    """A history tells its own story: the product's log lines would take longer than its steps."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
