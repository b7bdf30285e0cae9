"""What IBEX's accounts hold beside our books: a difference is told, what was there before them is none."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine, text

from db import ledger
from funding.ledger import accounts
from funding.ledger.entries import credit, debit, entry
from funding.money import Money
from ops.actions.token_balances import compare
from tests.support.moved_time import MovedTime
from tests.support.rows import add_flow


class Shown:
    """IBEX's accounts, as a test fills them."""

    def __init__(self, **minor: int) -> None:
        self.minor = minor
        self.asset = "USDT"
        self.meanwhile: Any = lambda: None

    def list_balances(self) -> Mapping[str, Money]:
        self.meanwhile()
        return {account: Money(minor, self.asset) for account, minor in self.minor.items()}


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    time = MovedTime(engine)
    with time() as connection:
        connection.execute(text("INSERT INTO customers (id) VALUES ('ana'), ('ben')"))
        connection.execute(
            text("""
                INSERT INTO customer_links (provider, kind, external_id, customer_id)
                VALUES ('ibex', 'account', 'of_ana', 'ana'), ('ibex', 'account', 'of_ben', 'ben')
            """)
        )
        connection.execute(
            text("""
                INSERT INTO poll_marks (provider, poll, subject, high_water_mark)
                VALUES ('ibex', 'transactions', 'of_ana', rk_now())
            """)
        )
    return time


def credit_ana(time: MovedTime, minor: int, *, cause: str = "ibex/transaction/1") -> None:
    tokens = Money(minor, "USDT")
    with time() as connection:
        ledger.post(
            connection,
            None,
            [
                entry(
                    cause,
                    "credited",
                    debit(accounts.clearing("ibex", "USDT"), tokens),
                    credit(accounts.wallet("ana", "USDT"), tokens),
                )
            ],
        )
    time.passes(minutes=2)


def breaks(time: MovedTime) -> list[tuple[str, str, int]]:
    with time() as connection:
        rows = connection.execute(text("SELECT subject, status, amount_at_risk FROM breaks ORDER BY subject"))
        return [(row.subject, row.status, int(row.amount_at_risk)) for row in rows]


def test_what_was_there_before_our_books_is_no_difference(time: MovedTime) -> None:
    shown = Shown(of_ana=5_000000, of_ben=7, of_somebody_else=10**12)
    assert compare(time, shown) == "tokens agree"
    credit_ana(time, 49_500000)
    shown.minor["of_ana"] += 49_500000
    assert compare(time, shown) == "tokens agree"


def test_a_difference_is_told_until_it_is_gone(time: MovedTime) -> None:
    credit_ana(time, 49_500000)
    shown = Shown(of_ana=49_499999, of_ben=0)
    assert compare(time, shown) == "tokens differ: USDT"
    assert breaks(time) == [("ibex:clearing USDT", "open", 1)]
    shown.minor["of_ben"] = 1
    assert compare(time, shown) == "tokens agree", "the tokens stand in another account, and are there"
    assert breaks(time) == [("ibex:clearing USDT", "closed", 1)]


def test_an_account_linked_later_brings_what_it_holds(time: MovedTime) -> None:
    shown = Shown(of_ana=0, of_ben=0)
    assert compare(time, shown) == "tokens agree"
    with time() as connection:
        connection.execute(text("INSERT INTO customer_links VALUES ('ibex', 'account', 'second_of_ben', 'ben')"))
    shown.minor["second_of_ben"] = 12_000000
    assert compare(time, shown) == "tokens agree"


def test_tokens_on_their_way_are_waited_for(time: MovedTime) -> None:
    """They may have arrived a moment before the flow knows."""
    shown = Shown(of_ana=0, of_ben=0)
    assert compare(time, shown) == "tokens agree"
    with time() as connection:
        flow = add_flow(connection, due_at=time.now)
        connection.execute(
            text("UPDATE flows SET kind = 'bridge_on_ramp', state = 'converting', provider = 'bridge' WHERE id = :id"),
            {"id": flow},
        )
    shown.minor["of_ana"] = 49_500000
    assert compare(time, shown) == "tokens are moving"
    assert breaks(time) == []


def test_books_that_move_while_ibex_is_asked_say_nothing(time: MovedTime) -> None:
    shown = Shown(of_ana=0, of_ben=0)
    shown.meanwhile = lambda: credit_ana(time, 5)
    assert compare(time, shown) == "tokens are moving"


def test_an_account_that_ibex_leaves_out_is_not_taken_for_empty(time: MovedTime) -> None:
    credit_ana(time, 5)
    assert compare(time, Shown(of_ben=0)) == "ibex leaves out 1 accounts"
    assert breaks(time) == []


def test_tokens_of_another_kind_are_counted_apart(time: MovedTime) -> None:
    credit_ana(time, 5)
    shown = Shown(of_ana=5, of_ben=0)
    shown.asset = "USDC"
    assert compare(time, shown) == "tokens differ: USDT"
