"""Entries as they are written: each once, each reversal tied to what it reverses, balances beside them."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, Engine, text

from db import ledger
from funding.ledger.due_deposit import cash_arrived
from funding.ledger.entries import HOUSE, LedgerAccount, credit, debit, entry, reversal
from funding.money import Money

ARRIVED = cash_arrived("alpaca", "act_1", Money(100_00, "USD"), None)
BANK = LedgerAccount(owner=HOUSE, name="due:clearing", kind="asset", asset="USD")
THEIRS = [
    LedgerAccount(owner=f"customer:{whose}", name="deposit", kind="liability", asset="USD") for whose in ("ann", "bo")
]
AT_ONCE, EACH = 6, 30
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


def test_balances_that_many_move_at_once_end_at_the_sum_of_their_postings(engine: Engine) -> None:
    """In both orders of the accounts at once: whoever took them as named would wait for each other in a circle."""
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO customers (id) VALUES ('ann'), ('bo')"))
        opening = [
            entry("opening", one.owner, debit(BANK, Money(1, "USD")), credit(one, Money(1, "USD"))) for one in THEIRS
        ]
        ledger.post(connection, None, opening)

    def move(who: int) -> None:
        for n in range(EACH):
            first, second = THEIRS if (who + n) % 2 else THEIRS[::-1]
            split = entry(
                f"{who}/{n}",
                "cash",
                debit(BANK, Money(10, "USD")),
                credit(first, Money(7, "USD")),
                credit(second, Money(3, "USD")),
                debit(first, Money(2, "USD"), "pending"),
                credit(BANK, Money(2, "USD"), "pending"),
            )
            with engine.begin() as connection:
                assert ledger.post(connection, None, [split]) == 1

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(move, range(AT_ONCE)))

    with engine.connect() as connection:
        kept = connection.execute(text("SELECT posted, pending FROM balances ORDER BY account_id")).all()
        summed = connection.execute(
            text("""
                SELECT -sum(p.amount) FILTER (WHERE layer = 'posted') AS posted,
                       coalesce(sum(p.amount) FILTER (WHERE layer = 'pending'), 0) AS pending
                  FROM postings p JOIN ledger_accounts a ON a.id = p.account_id WHERE a.owner <> 'house'
                 GROUP BY account_id ORDER BY account_id
            """)
        ).all()
    assert kept == summed
    assert sum(row.posted for row in kept) == AT_ONCE * EACH * 10 + 2
