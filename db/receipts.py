"""Receipts: tokens that came to accounts of customers, one row by transaction. Table `receipts`.

Which flow has taken one is told by its reference to the transaction, so it is written nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from funding.facts import TokensArrived
from funding.money import Money

FAILED: Final = "failed"
ENDS: Final = ("completed", FAILED)  # statuses after which nothing more happens to a receipt

_KEEP = text("""
    INSERT INTO receipts (provider, transaction_id, account, address, asset, amount, chain_hash, status, happened_at)
    VALUES (:provider, :transaction, :account, :address, :asset, :amount, :chain_hash, :status, :at)
    ON CONFLICT (provider, transaction_id) DO UPDATE
       SET status = CASE WHEN receipts.status = ANY(:ends) AND NOT excluded.status = ANY(:ends)
                         THEN receipts.status ELSE excluded.status END,
           asset = excluded.asset, amount = excluded.amount,
           address = coalesce(excluded.address, receipts.address),
           chain_hash = coalesce(excluded.chain_hash, receipts.chain_hash)
""")


def keep(connection: Connection, provider: str, arrived: TokensArrived) -> None:
    """Write what is said of a receipt over what was said before. Locks its row, by primary key.

    News may come in any order: one that has come to its end is not said to be on its way again.
    """
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
            "ends": list(ENDS),
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


# What nobody has taken ------------------------------------------------------------------------------------------------

UNMATCHED: Final = "unmatched_event"
FOUND_BY: Final = "sweep"

_TAKEN = """EXISTS (SELECT FROM flow_references f WHERE f.provider = r.provider AND f.kind = 'transaction'
                                                        AND f.external_id = r.transaction_id)"""


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """A receipt that no flow has taken, and the customer whose account it came to, if that is linked."""

    provider: str
    transaction: str
    account: str
    customer: str | None
    amount: Money
    status: str
    happened_at: datetime

    @property
    def subject(self) -> str:
        """What its break is about."""
        return f"transaction {self.transaction}"


_UNCLAIMED = text(f"""
    SELECT r.provider, r.transaction_id, r.account, l.customer_id, r.asset, r.amount, r.status, r.happened_at
      FROM receipts r
      LEFT JOIN customer_links l ON l.provider = r.provider AND l.kind = 'account' AND l.external_id = r.account
     WHERE r.first_seen_at < rk_now() - CAST(:age AS interval) AND r.first_seen_at > rk_now() - CAST(:back AS interval)
       AND r.amount > 0 AND r.status <> :failed AND NOT {_TAKEN}
       AND NOT EXISTS (SELECT FROM breaks b
                        WHERE b.provider = r.provider AND b.type = :type
                          AND b.subject = 'transaction ' || r.transaction_id
                          AND (b.status = 'open' OR b.resolved_by IS NOT NULL))
     ORDER BY r.first_seen_at, r.transaction_id LIMIT :limit
""")  # noqa: S608 -- built from the constant above

_CLOSE_TAKEN = text(f"""
    WITH closed AS (
      UPDATE breaks b SET status = 'closed', closed_at = rk_now()
        FROM receipts r
       WHERE b.status = 'open' AND b.type = :type AND b.found_by = :found_by AND b.provider = r.provider
         AND r.transaction_id = substr(b.subject, length('transaction ') + 1)
         AND b.subject LIKE 'transaction %'
         AND (r.status = :failed OR {_TAKEN})
      RETURNING b.id, r.status
    )
    INSERT INTO break_history (break_id, what, note)
    SELECT id, 'closed', CASE WHEN status = :failed THEN 'it never arrived' ELSE 'a flow has taken it' END FROM closed
""")  # noqa: S608 -- built from the constant above


def unclaimed(connection: Connection, *, age: timedelta, back: timedelta, limit: int) -> list[Unclaimed]:
    """Receipts that no flow has taken and nobody was told of, the oldest first; at most `limit`.

    They are known for longer than `age` and not longer than `back`; what a person has resolved is not told again.
    Served by ix_receipts_first_seen_at, and the primary key of flow_references; no locks.
    """
    values = {"age": age, "back": back, "limit": limit, "failed": FAILED, "type": UNMATCHED}
    return [
        Unclaimed(
            row.provider,
            row.transaction_id,
            row.account,
            row.customer_id,
            Money(int(row.amount), row.asset),
            row.status,
            row.happened_at,
        )
        for row in connection.execute(_UNCLAIMED, values)
    ]


def close_taken(connection: Connection) -> int:
    """Close the breaks of receipts that a flow has taken, or that never arrived; how many. Served by ix_breaks_open."""
    values = {"failed": FAILED, "type": UNMATCHED, "found_by": FOUND_BY}
    return connection.execute(_CLOSE_TAKEN, values).rowcount
