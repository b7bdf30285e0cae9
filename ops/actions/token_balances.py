"""Customers' tokens at IBEX, as IBEX shows its accounts, beside our books."""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from sqlalchemy import Connection

from db import breaks, invariants, standing_breaks, token_accounts
from db.engine import UnitOfWork
from db.invariants import BALANCE, Clearing
from db.token_accounts import TokenAccount
from funding.money import Money
from funding.outcomes import BreakFound
from funding.ports.ibex import IbexBalances

ASSETS: Final = ("USDC", "USDT")
_MOVING: Final = "tokens are moving"

log = structlog.get_logger(__name__)


def compare(begin: UnitOfWork, ibex: IbexBalances) -> str:
    """Open or close the break of each token: the sum of the linked accounts beside what our books hold at IBEX.

    Nothing is said while tokens move, nor where IBEX leaves out an account. Raises: as any read.
    """
    before = _held(begin)
    if any(one.moving for one in before.values()):
        return _MOVING
    shown = ibex.list_balances()
    with begin() as connection:
        accounts = token_accounts.linked(connection, "ibex")
        if left_out := [one.account for one in accounts if one.account not in shown]:
            return f"ibex leaves out {len(left_out)} accounts"
        if _clearings(connection) != before:
            return _MOVING
        off = [asset for asset in ASSETS if _differs(connection, before[asset].amount, accounts, shown)]
    return f"tokens differ: {', '.join(off)}" if off else "tokens agree"


def _held(begin: UnitOfWork) -> dict[str, Clearing]:
    with begin() as connection:
        return _clearings(connection)


def _clearings(connection: Connection) -> dict[str, Clearing]:
    moving = token_accounts.are_moving(connection)
    found = {asset: invariants.clearing(connection, "ibex", asset, cash_poll="transactions") for asset in ASSETS}
    return {asset: Clearing(one.amount, one.postings, one.moving or moving) for asset, one in found.items()}


def _differs(connection: Connection, ours: Money, accounts: Sequence[TokenAccount], shown: Mapping[str, Money]) -> bool:
    theirs = opening = 0
    for one in accounts:
        balance = shown[one.account]
        if balance.asset != ours.asset:
            continue
        theirs += balance.minor
        # Of a customer whom our books know nothing of, all that is there was there before.
        unknown = Money(0 if ours.asset in one.used else balance.minor, ours.asset)
        opening += invariants.before_our_books(connection, "ibex", one.account, unknown).minor
    subject = f"ibex:clearing {ours.asset}"
    off = theirs - opening - ours.minor
    if off == 0:
        standing_breaks.close(connection, "ibex", BALANCE, subject, note="the balances agree again")
        return False
    found = BreakFound(
        provider="ibex",
        type=BALANCE,
        subject=subject,
        ours=str(Money(ours.minor + opening, ours.asset)),
        theirs=str(Money(theirs, ours.asset)),
        amount=Money(abs(off), ours.asset),
        suggested_action="rampkeeper reconcile run --provider ibex; look for receipts that no flow has taken, and fees",
    )
    breaks.open_break(connection, found, found_by="sweep")
    log.error("token_balances.differ", asset=ours.asset, off_minor=off)
    return True
