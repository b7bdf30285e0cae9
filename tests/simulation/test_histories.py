"""Histories drawn from seeds. A failing one says its seed, its story, and what is not true at its end."""

from collections.abc import Iterator

import pytest
import sqlalchemy
from sqlalchemy import text

from db.engine import make_engine
from tests.simulation.history import History, Plan
from tests.simulation.truth import untrue

HISTORIES = 500
BLOCK = 20  # histories on one database
CONNECTIONS = 8  # one for each process standing still inside a transaction, and those of the one that acts
TABLES = """customers, customer_links, worker_sessions, flows, attempts, transitions, flow_references, intentions,
            inbox_events, ledger_accounts, journal_entries, postings, balances, dead_letters, breaks, break_history,
            notifications, notification_attempts, looks, provider_gates, balance_readings"""


def empty(engine: sqlalchemy.Engine) -> None:
    """Take every row of a history away; only a superuser may get past the append-only guards."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"TRUNCATE {TABLES} CASCADE"))


def play(engine: sqlalchemy.Engine, seed: int, plan: Plan) -> str | None:
    """What went wrong with this seed, for a person to read; None when nothing did."""
    empty(engine)
    history = History(engine, seed, plan)
    history.play()
    wrong = untrue(engine, history.world)
    if not wrong:
        return None
    return "\n".join([f"seed {seed}:", *(f"- {line}" for line in wrong), "", str(history.story)])


@pytest.fixture
def kept(database_url: str) -> Iterator[sqlalchemy.Engine]:
    """An engine that keeps its connections: a new one for each transaction takes more time than the history."""
    engine = make_engine(database_url, pool=CONNECTIONS)
    yield engine
    engine.dispose()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(HISTORIES // BLOCK))
def test_every_history_ends_well(kept: sqlalchemy.Engine, block: int) -> None:
    seeds = range(block * BLOCK, (block + 1) * BLOCK)
    failures = [told for seed in seeds if (told := play(kept, seed, Plan()))]
    assert not failures, f"{len(failures)} of {BLOCK} histories end badly; the first:\n{failures[0]}"
