"""What the ledger says: trial balance, balances, entries. Nothing here locks."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.listings import ENTRIES


def trial_balance(connection: Connection) -> dict[str, int]:
    """The sum of all postings by asset, every asset named: each is zero, or the ledger is damaged. Reads them all."""
    rows = connection.execute(
        text("""
            SELECT a.code, coalesce(sum(p.amount), 0) AS total FROM assets a LEFT JOIN postings p ON p.asset = a.code
             GROUP BY a.code ORDER BY a.code
        """)
    )
    return {row.code: int(row.total) for row in rows}


_CUSTOMERS = text("""
    SELECT a.customer_id AS customer, a.name AS account, a.asset, b.posted, b.pending, b.available
      FROM balances b JOIN ledger_accounts a ON a.id = b.account_id
     WHERE (CAST(:customer AS text) IS NULL OR a.customer_id = :customer)
       AND (CAST(:account AS text) IS NULL OR a.name = :account)
       AND (CAST(:asset AS text) IS NULL OR a.asset = :asset)
     ORDER BY a.customer_id, a.name, a.asset LIMIT :limit
""")
# Positive is what an account of its kind ordinarily holds; `pending` is what open holds will take away.
_HOUSE = text("""
    SELECT NULL AS customer, a.name AS account, a.asset, s.posted, s.pending, s.posted - s.pending AS available
      FROM ledger_accounts a CROSS JOIN LATERAL (
        SELECT CASE WHEN a.kind IN ('asset', 'expense') THEN 1 ELSE -1 END
               * coalesce(sum(p.amount) FILTER (WHERE p.layer = 'posted'), 0) AS posted,
               CASE WHEN a.kind IN ('asset', 'expense') THEN -1 ELSE 1 END
               * coalesce(sum(p.amount) FILTER (WHERE p.layer = 'pending'), 0) AS pending
          FROM postings p WHERE p.account_id = a.id) s
     WHERE a.owner = 'house'
       AND (CAST(:account AS text) IS NULL OR a.name = :account)
       AND (CAST(:asset AS text) IS NULL OR a.asset = :asset)
     ORDER BY a.name, a.asset LIMIT :limit
""")
_READINGS = text("""
    SELECT customer_id AS customer, 'brokerage_' || name AS account, asset, amount, read_at FROM balance_readings
     WHERE provider = 'alpaca' AND customer_id IS NOT NULL
       AND (CAST(:customer AS text) IS NULL OR customer_id = :customer)
       AND (CAST(:asset AS text) IS NULL OR asset = :asset)
     ORDER BY customer_id, name, asset
""")


def balances(
    connection: Connection,
    *,
    limit: int,
    customer: str | None = None,
    account: str | None = None,
    asset: str | None = None,
    house: bool = True,
) -> list[dict[str, Any]]:
    """Customers' balances in the order customer, account, asset, then the house's own where `house`.

    House accounts are summed from their postings, by ix_postings_account. `limit` holds for each of the two.
    """
    wanted = {"account": account, "asset": asset, "limit": limit}
    rows = [dict(row) for row in connection.execute(_CUSTOMERS, {**wanted, "customer": customer}).mappings()]
    if house and customer is None:
        rows += [dict(row) for row in connection.execute(_HOUSE, wanted).mappings()]
    return rows


def broker_readings(
    connection: Connection, *, customer: str | None = None, asset: str | None = None
) -> list[dict[str, Any]]:
    """What Alpaca last showed of customers' own accounts, named `brokerage_cash` and so on. Read, not booked."""
    rows = connection.execute(_READINGS, {"customer": customer, "asset": asset})
    return [dict(row) for row in rows.mappings()]


def entries(
    connection: Connection,
    *,
    limit: int,
    flow: UUID | None = None,
    customer: str | None = None,
    account: str | None = None,
    purpose: str | None = None,
    since: datetime | None = None,
) -> list[dict[str, Any]]:
    """Journal entries with their postings, the newest first. Served by ix_journal_entries_recorded_at, backwards."""
    query = ENTRIES.format(
        condition="""(CAST(:flow AS uuid) IS NULL OR e.flow_id = :flow)
            AND (CAST(:purpose AS text) IS NULL OR e.purpose = :purpose)
            AND (CAST(:since AS timestamptz) IS NULL OR e.recorded_at >= :since)
            AND (CAST(:customer AS text) IS NULL AND CAST(:account AS text) IS NULL OR EXISTS (
                  SELECT FROM postings p JOIN ledger_accounts a ON a.id = p.account_id
                   WHERE p.entry_id = e.id AND (CAST(:customer AS text) IS NULL OR a.customer_id = :customer)
                     AND (CAST(:account AS text) IS NULL OR a.name = :account)))""",
        order="e.recorded_at DESC, e.id DESC LIMIT :limit",
    )
    rows = connection.execute(
        text(query),
        {
            "limit": limit,
            "flow": flow,
            "customer": customer,
            "account": account,
            "purpose": purpose,
            "since": since,
        },
    )
    return [dict(row) for row in rows.mappings()]


def owed_for_flow(connection: Connection, flow: UUID) -> dict[str, int]:
    """What the ledger still holds for a flow's customer, or in suspense, by asset; nothing is left out but zeros.

    On its way in, on its way out, not claimed yet, or set aside in their wallet.
    """
    rows = connection.execute(
        text("""
            SELECT p.asset, sum(CASE p.layer WHEN 'pending' THEN p.amount ELSE -p.amount END) AS held
              FROM journal_entries e JOIN postings p ON p.entry_id = e.id JOIN ledger_accounts a ON a.id = p.account_id
             WHERE e.flow_id = :flow
               AND (a.owner = 'house' AND a.name = 'suspense'
                    OR a.customer_id IS NOT NULL
                       AND (p.layer = 'pending' OR a.name IN ('deposit', 'payout', 'top_up')))
             GROUP BY p.asset HAVING sum(CASE p.layer WHEN 'pending' THEN p.amount ELSE -p.amount END) <> 0
             ORDER BY p.asset
        """),
        {"flow": flow},
    )
    return {row.asset: int(row.held) for row in rows}


def in_suspense(connection: Connection, flow: UUID) -> dict[str, int]:
    """What stands in suspense for a flow, by asset; nothing is left out but zeros."""
    rows = connection.execute(
        text("""
            SELECT p.asset, -sum(p.amount) AS held
              FROM journal_entries e JOIN postings p ON p.entry_id = e.id JOIN ledger_accounts a ON a.id = p.account_id
             WHERE e.flow_id = :flow AND p.layer = 'posted' AND a.owner = 'house' AND a.name = 'suspense'
             GROUP BY p.asset HAVING sum(p.amount) <> 0 ORDER BY p.asset
        """),
        {"flow": flow},
    )
    return {row.asset: int(row.held) for row in rows}
