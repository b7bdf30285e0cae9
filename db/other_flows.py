"""What a step may ask of flows beside its own, of receipts and of balances, in short transactions.

Tables `flows`, `receipts`, `poll_marks`, `balances`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from db.claims import Claim
from db.engine import UnitOfWork
from funding.calls import Arrivals, Arrived
from funding.ledger.entries import LedgerAccount
from funding.money import Money

POLLED_LATELY: Final = timedelta(minutes=5)  # a crowd of accounts is read within that time
NOT_THERE: Final = ("pending", "failed")  # a receipt's statuses

_OWNED = text("""
    SELECT external_id FROM flow_references
     WHERE provider = :provider AND kind = :kind AND external_id = ANY(:ids) AND flow_id <> :flow
""")

_ONE_BEFORE = text("""
    SELECT EXISTS (
      SELECT FROM flows mine
        JOIN flows other ON other.customer_id = mine.customer_id AND other.kind = mine.kind
             AND other.state = mine.state AND other.status = 'open' AND other.asset = mine.asset
             AND other.amount = mine.amount AND other.data ->> :alike = mine.data ->> :alike
             AND (other.created_at, other.id) < (mine.created_at, mine.id)
       WHERE mine.id = :flow
         AND NOT EXISTS (SELECT FROM flow_references r
                          WHERE r.flow_id = other.id AND r.provider = :provider AND r.kind = :kind))
""")

_ONE_ALIKE = text("""
    SELECT EXISTS (
      SELECT FROM flows mine
        JOIN flows other ON other.customer_id = mine.customer_id AND other.kind = mine.kind
             AND other.state = mine.state AND other.status = 'open' AND other.asset_out = mine.asset_out
             AND other.amount_out = mine.amount_out AND other.data ->> :alike = mine.data ->> :alike
             AND other.id <> mine.id
       WHERE mine.id = :flow
         AND NOT EXISTS (SELECT FROM flow_references r
                          WHERE r.flow_id = other.id AND r.provider = :provider AND r.kind = :kind))
""")

_ON_RAMP_WAITS = text("""
    SELECT EXISTS (
      SELECT FROM flows mine
        JOIN flows other ON other.customer_id = mine.customer_id AND other.kind = 'bridge_on_ramp'
             AND other.status = 'open' AND other.asset_out = :asset AND other.amount_out = CAST(:amount AS numeric)
             AND coalesce(regexp_replace(lower(other.data ->> 'chain_hash'), '^0x', '')
                          = regexp_replace(lower(CAST(:chain_hash AS text)), '^0x', ''), true)
       WHERE mine.id = :flow)
""")

_POLLED = text("""
    SELECT EXISTS (SELECT FROM poll_marks WHERE provider = :provider AND poll = 'transactions' AND subject = :account
                                            AND high_water_mark > rk_now() - CAST(:lately AS interval))
""")

_RECEIPTS = text("""
    SELECT transaction_id, asset, amount FROM receipts r
     WHERE r.provider = :provider AND r.account = :account AND r.happened_at >= CAST(:since AS timestamptz)
       AND NOT r.status = ANY(:not_there)
       AND NOT EXISTS (SELECT FROM flow_references f
                        WHERE f.provider = r.provider AND f.kind = 'transaction' AND f.external_id = r.transaction_id
                          AND f.flow_id <> :flow)
     ORDER BY r.happened_at, r.transaction_id
""")

_UNDER_WAY = text("""
    SELECT EXISTS (
      SELECT FROM flows mine JOIN flows other ON other.customer_id = mine.customer_id AND other.id <> mine.id
       WHERE mine.id = :flow AND other.status = 'open' AND other.kind = ANY(:kinds))
""")

_AVAILABLE = text("""
    SELECT b.available FROM balances b JOIN ledger_accounts a ON a.id = b.account_id
     WHERE a.owner = :owner AND a.name = :name AND a.asset = :asset
""")


class OtherFlows:
    """The flows beside the claimed one. Shape: `funding.calls.OtherFlows`."""

    def __init__(self, begin: UnitOfWork, claim: Claim) -> None:
        self._begin = begin
        self._flow = claim.flow.id

    def owned(self, provider: str, kind: str, ids: Sequence[str]) -> Collection[str]:
        """Those of the provider's ids that belong to another flow. Served by the primary key of flow_references."""
        if not ids:
            return ()
        values = {"provider": provider, "kind": kind, "ids": list(ids), "flow": self._flow}
        with self._begin() as connection:
            return frozenset(connection.execute(_OWNED, values).scalars())

    def one_before(self, provider: str, kind: str, *, alike: str) -> bool:
        """Whether an older open flow in the same state, of the same amount and data `alike`, has no such object yet.

        Served by ix_flows_customer and ix_flow_references_flow.
        """
        values = {"provider": provider, "kind": kind, "alike": alike, "flow": self._flow}
        with self._begin() as connection:
            return bool(connection.execute(_ONE_BEFORE, values).scalar())

    def one_alike(self, provider: str, kind: str, *, alike: str) -> bool:
        """Whether another flow waits in the same state for such an object, of the same `amount_out` and data `alike`.

        Served by ix_flows_customer and ix_flow_references_flow.
        """
        values = {"provider": provider, "kind": kind, "alike": alike, "flow": self._flow}
        with self._begin() as connection:
            return bool(connection.execute(_ONE_ALIKE, values).scalar())

    def on_ramp_waits(self, amount: Money, *, chain_hash: str | None) -> bool:
        """Whether an open on-ramp of this flow's customer waits for tokens of that amount, which may be these.

        By their chain's hash, where both are known. Served by ix_flows_customer.
        """
        values = {"asset": amount.asset, "amount": amount.minor, "chain_hash": chain_hash, "flow": self._flow}
        with self._begin() as connection:
            return bool(connection.execute(_ON_RAMP_WAITS, values).scalar())

    def arrivals(self, provider: str, account: str, *, since: datetime) -> Arrivals:
        """What came to an account from then on, as far as our own polls and looks have read it.

        Served by ix_receipts_account, and the primary keys of flow_references and poll_marks.
        """
        values = {"provider": provider, "account": account, "since": since, "flow": self._flow}
        with self._begin() as connection:
            # The poll's mark first: what it has read by then is among the receipts, or still wakes this flow.
            polled = connection.execute(_POLLED, values | {"lately": POLLED_LATELY}).scalar()
            rows = connection.execute(_RECEIPTS, values | {"not_there": list(NOT_THERE)}).all()
        there = [Arrived(row.transaction_id, Money(int(row.amount), row.asset)) for row in rows]
        return Arrivals(there, bool(polled))

    def under_way(self, kinds: Sequence[str]) -> bool:
        """Whether another open flow of these kinds is the customer's. Served by ix_flows_customer."""
        with self._begin() as connection:
            return bool(connection.execute(_UNDER_WAY, {"flow": self._flow, "kinds": list(kinds)}).scalar())

    def available(self, account: LedgerAccount) -> Money:
        """What a customer's account holds beyond its holds. Served by the unique index of accounts."""
        values = {"owner": account.owner, "name": account.name, "asset": account.asset}
        with self._begin() as connection:
            return Money(int(connection.execute(_AVAILABLE, values).scalar() or 0), account.asset)
