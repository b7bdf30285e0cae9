"""Histories drawn from seeds. A failing one says its seed, its story, and what is not true at its end."""

import pytest
import sqlalchemy
from sqlalchemy import text

from tests.simulation.history import History, Plan
from tests.simulation.truth import untrue

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


@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(12))
def test_every_history_ends_well(engine: sqlalchemy.Engine, block: int) -> None:
    failures = [told for seed in range(block * 10, block * 10 + 10) if (told := play(engine, seed, Plan()))]
    assert not failures, f"{len(failures)} of 10 histories end badly; the first:\n{failures[0]}"
