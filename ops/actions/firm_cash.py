"""The firm's own cash at Alpaca, as Alpaca shows it, beside our books."""

import structlog
from sqlalchemy import Connection

from db import breaks, findings, invariants, standing_breaks
from db.engine import UnitOfWork
from db.invariants import BALANCE, Clearing
from funding.money import Money
from funding.outcomes import BalanceReading, BreakFound
from funding.ports.alpaca import AlpacaJournals

log = structlog.get_logger(__name__)


def compare(begin: UnitOfWork, alpaca: AlpacaJournals) -> str:
    """Open or close the break of the firm's cash, when nothing moved before, during or just after; what it came to.

    Raises: as any read.
    """
    before = _clearing_now(begin)
    if before.moving:
        return "firm cash is moving"
    firm = alpaca.firm_account
    cash = alpaca.get_balances(firm).cash
    with begin() as connection:
        findings.add_readings(
            connection, [BalanceReading(provider="alpaca", account=firm, name="cash", amount=cash)], customer=None
        )
        if _clearing(connection) != before:
            return "firm cash is moving"
        difference = Money(cash.minor - before.amount.minor, cash.asset)
        opening = invariants.before_our_books(connection, "alpaca", firm, difference)
        return _tell_difference(connection, before.amount, cash, opening)


def _clearing_now(begin: UnitOfWork) -> Clearing:
    with begin() as connection:
        return _clearing(connection)


def _clearing(connection: Connection) -> Clearing:
    return invariants.clearing(connection, "alpaca", "USD", cash_poll="activities")


def _tell_difference(connection: Connection, ours: Money, theirs: Money, opening: Money) -> str:
    subject = "alpaca:clearing USD"
    off = theirs.minor - ours.minor - opening.minor
    if off == 0:
        standing_breaks.close(connection, "alpaca", BALANCE, subject, note="the balances agree again")
        return "firm cash agrees"
    found = BreakFound(
        provider="alpaca",
        type=BALANCE,
        subject=subject,
        ours=str(Money(ours.minor + opening.minor, ours.asset)),
        theirs=str(theirs),
        amount=Money(abs(off), ours.asset),
        suggested_action="compare the firm account's activities at Alpaca with rampkeeper ledger entries",
    )
    breaks.open_break(connection, found, found_by="sweep")
    log.error("firm_cash.differs", off_minor=off)
    return "firm cash differs"
