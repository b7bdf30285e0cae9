"""Entries as they are written: each once, and each reversal tied to what it reverses."""

from sqlalchemy import Connection, Engine, text

from db import ledger
from funding.ledger.due_deposit import cash_arrived
from funding.ledger.entries import reversal
from funding.money import Money

ARRIVED = cash_arrived("alpaca", "act_1", Money(100_00, "USD"), None)
CORRECTED = reversal(ARRIVED, cause="alpaca/act_2", purpose="correction")


def reversed_by(connection: Connection) -> list[tuple[str, str]]:
    """(cause of the reversal, cause of what it reverses), in order."""
    rows = connection.execute(
        text("""
            SELECT e.cause, r.cause AS reversed FROM journal_entries e JOIN journal_entries r ON r.id = e.reverses_id
             ORDER BY e.id
        """)
    )
    return [(row.cause, row.reversed) for row in rows]


def test_a_reversal_outside_any_flow_knows_what_it_reverses(engine: Engine) -> None:
    with engine.begin() as connection:
        assert ledger.post(connection, None, [ARRIVED]) == 1
    with engine.begin() as connection:
        assert ledger.post(connection, None, [ARRIVED, CORRECTED, CORRECTED]) == 1
        assert ledger.post(connection, None, [CORRECTED]) == 0
        assert reversed_by(connection) == [(CORRECTED.cause, ARRIVED.cause)]
        assert connection.execute(text("SELECT count(*), sum(amount) FROM postings")).one() == (4, 0)
