"""Receipts: tokens that came to accounts of customers, one row by transaction. Table `receipts`.

Which flow has taken one is told by its reference to the transaction, so it is written nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from funding.facts import TokensArrived
from funding.money import Money

_KEEP = text("""
    INSERT INTO receipts (provider, transaction_id, account, address, asset, amount, chain_hash, status, happened_at)
    VALUES (:provider, :transaction, :account, :address, :asset, :amount, :chain_hash, :status, :at)
    ON CONFLICT (provider, transaction_id) DO UPDATE
       SET status = excluded.status, asset = excluded.asset, amount = excluded.amount,
           address = coalesce(excluded.address, receipts.address),
           chain_hash = coalesce(excluded.chain_hash, receipts.chain_hash)
""")


def keep(connection: Connection, provider: str, arrived: TokensArrived) -> None:
    """Write what is said of a receipt over what was said before. Locks its row, by primary key."""
    connection.execute(
        _KEEP,
        {
            "provider": provider,
            "transaction": arrived.transaction,
            "account": arrived.account,
            "address": arrived.address,
            "asset": arrived.amount.asset,
            "amount": arrived.amount.minor,
            "chain_hash": arrived.chain_hash,
            "status": arrived.status,
            "at": arrived.at,
        },
    )


# An on-ramp waits for what Bridge sent, a withdrawal for what comes back of a payout.
_WAITING_FOR = text("""
    SELECT f.id FROM flows f
      JOIN customer_links l ON l.customer_id = f.customer_id AND l.kind = 'account'
     WHERE (l.provider, l.external_id) IN (SELECT * FROM unnest(CAST(:providers AS text[]), CAST(:accounts AS text[])))
       AND f.status = 'open'
       AND (f.kind, f.state) IN (('bridge_on_ramp', 'sent_on_chain'), ('bridge_withdrawal', 'returned'))
""")


def waiting_for(connection: Connection, accounts: Sequence[tuple[str, str]]) -> list[UUID]:
    """Flows that wait for tokens on these (provider, account); not locked yet.

    Served by the primary key of customer_links and ix_flows_customer.
    """
    if not accounts:
        return []
    values = {"providers": [one for one, _ in accounts], "accounts": [one for _, one in accounts]}
    return list(connection.execute(_WAITING_FOR, values).scalars())


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """A receipt that no flow has taken."""

    provider: str
    transaction: str
    account: str
    amount: Money
    happened_at: datetime


_UNCLAIMED = text("""
    SELECT provider, transaction_id, account, asset, amount, happened_at FROM receipts r
     WHERE first_seen_at < rk_now() - CAST(:age AS interval) AND first_seen_at > rk_now() - CAST(:back AS interval)
       AND NOT EXISTS (SELECT FROM flow_references f WHERE f.provider = r.provider AND f.kind = 'transaction'
                                                       AND f.external_id = r.transaction_id)
     ORDER BY first_seen_at, transaction_id
""")


def unclaimed(connection: Connection, *, age: timedelta, back: timedelta) -> list[Unclaimed]:
    """Receipts known for longer than `age` and not longer than `back` that no flow has taken, the oldest first.

    Served by ix_receipts_first_seen_at.
    """
    rows = connection.execute(_UNCLAIMED, {"age": age, "back": back})
    return [
        Unclaimed(row.provider, row.transaction_id, row.account, Money(int(row.amount), row.asset), row.happened_at)
        for row in rows
    ]
