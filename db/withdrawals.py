"""Withdrawals as their commands see them, and the balance that they are taken from. Table `flows`, `balances`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from db.listings import FLOW, Shown
from funding.ledger.entries import LedgerAccount
from funding.money import Money

_AVAILABLE = text("""
    SELECT b.available FROM balances b JOIN ledger_accounts a ON a.id = b.account_id
     WHERE a.owner = :owner AND a.name = :name AND a.asset = :asset FOR UPDATE OF b
""")


def lock_available(connection: Connection, account: LedgerAccount) -> Money:
    """What a customer's account holds beyond its holds; its row is locked. Served by the unique index of accounts."""
    values = {"owner": account.owner, "name": account.name, "asset": account.asset}
    return Money(int(connection.execute(_AVAILABLE, values).scalar() or 0), account.asset)


_UNDER_WAY = text("""
    SELECT id FROM flows
     WHERE customer_id = :customer AND kind = 'bridge_withdrawal'
       AND state IN ('requested', 'held', 'sent_to_bridge', 'paying_out') AND status = 'open'
""")


def under_way(connection: Connection, customer: str) -> UUID | None:
    """The customer's withdrawal that stands in the way of another. Served by uq_flows_withdrawal_under_way."""
    found: UUID | None = connection.execute(_UNDER_WAY, {"customer": customer}).scalar()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a withdrawal was begun with."""

    customer: str
    amount: Money
    data: Mapping[str, Any]


def begun(connection: Connection, flow: UUID) -> Begun | None:
    """The withdrawal of that id, by primary key; None: there is none."""
    row = connection.execute(
        text("SELECT customer_id, asset, amount, data FROM flows WHERE id = :flow AND kind = 'bridge_withdrawal'"),
        {"flow": flow},
    ).one_or_none()
    return (
        None
        if row is None
        else Begun(customer=row.customer_id, amount=Money(int(row.amount), row.asset), data=row.data)
    )


# A hold is one pending entry and ends with its mirror: what they sum to is what is held.
_HELD = text("""
    SELECT coalesce(sum(p.amount), 0) FROM journal_entries e JOIN postings p ON p.entry_id = e.id
      JOIN ledger_accounts a ON a.id = p.account_id
     WHERE e.flow_id = :flow AND p.layer = 'pending' AND a.owner <> 'house'
""")


def held(connection: Connection, flow: UUID) -> int:
    """What of the customer's tokens is held for it, in minor units. Served by uq_journal_entries_cause."""
    return int(connection.execute(_HELD, {"flow": flow}).scalar_one())


# Before a transfer is there nothing is sent; then only by an intention. Breaks of these types say what nobody expected:
# Bridge has tokens, IBEX two sends, a late answer an object. After lost commits not even an intention proves anything.
_MAY_HAVE_LEFT = text("""
    SELECT f.state NOT IN ('requested', 'held') OR f.look_first
           OR EXISTS (SELECT FROM flow_references r
                       WHERE r.flow_id = f.id AND r.provider = 'ibex' AND r.kind = 'transaction')
           OR EXISTS (SELECT FROM intentions i
                       WHERE i.flow_id = f.id AND i.call = 'send' AND i.outcome NOT IN ('refused', 'unsent'))
           OR EXISTS (SELECT FROM breaks b
                       WHERE b.flow_id = f.id AND b.status = 'open'
                         AND b.type IN ('state_differs', 'duplicate', 'missing_here'))
      FROM flows f WHERE f.id = :flow
""")


def may_have_left(connection: Connection, flow: UUID) -> bool:
    """Whether its tokens may have been sent, as far as is known here; the flow is locked.

    By primary key, ix_flow_references_flow, the unique key of intentions and ix_breaks_flow.
    """
    return bool(connection.execute(_MAY_HAVE_LEFT, {"flow": flow}).scalar())


_BANK: Final = "f.data ->> 'bank_name' AS bank_name, f.data ->> 'last4' AS last4"


def list_withdrawals(
    connection: Connection,
    *,
    limit: int,
    since: datetime | None = None,
    customer: str | None = None,
    state: str | None = None,
    parked: bool = False,
) -> list[Shown]:
    """Withdrawals with the bank each goes to, newest first. Served by ix_flows_created_at, walked backwards."""
    rows = connection.execute(
        text(f"""
            SELECT {FLOW}, {_BANK} FROM flows f
             WHERE f.kind = 'bridge_withdrawal'
               AND (CAST(:customer AS text) IS NULL OR f.customer_id = :customer)
               AND (CAST(:state AS text) IS NULL OR f.state = :state)
               AND (NOT :parked OR f.parked_at IS NOT NULL)
               AND (CAST(:since AS timestamptz) IS NULL OR f.created_at >= :since)
             ORDER BY f.created_at DESC, f.id LIMIT :limit
        """),  # noqa: S608 -- constants; values are parameters
        {"limit": limit, "since": since, "customer": customer, "state": state, "parked": parked},
    )
    return [dict(row) for row in rows.mappings()]


def read(connection: Connection, flow: UUID) -> Shown | None:
    """One withdrawal as it is listed, by primary key; None: there is none of that id."""
    query = f"SELECT {FLOW}, {_BANK} FROM flows f WHERE f.id = :flow AND f.kind = 'bridge_withdrawal'"  # noqa: S608 -- the same
    row = connection.execute(text(query), {"flow": flow}).mappings().first()
    return None if row is None else dict(row)
