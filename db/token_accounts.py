"""Accounts of customers at a provider of tokens, beside our books. Tables `customer_links`, `flows`, `postings`."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class TokenAccount:
    """A linked account. `used`: our books know of tokens of its customer, by asset."""

    account: str
    customer: str
    used: frozenset[str]


_LINKED = text("""
    SELECT l.external_id, l.customer_id,
           ARRAY(SELECT a.asset FROM ledger_accounts a
                  WHERE a.owner = 'customer:' || l.customer_id AND a.name = 'wallet') AS used
      FROM customer_links l WHERE l.provider = :provider AND l.kind = 'account' ORDER BY l.external_id
""")

_MOVING = text("""
    SELECT EXISTS (SELECT FROM flows WHERE status = 'open'
                      AND (kind, state) IN (('bridge_on_ramp', 'converting'), ('bridge_on_ramp', 'sent_on_chain'),
                                            ('bridge_withdrawal', 'held'), ('bridge_withdrawal', 'returned')))
""")


def linked(connection: Connection, provider: str) -> Sequence[TokenAccount]:
    """Every linked account, by id. Served by the primary key of customer_links and the unique index of accounts."""
    rows = connection.execute(_LINKED, {"provider": provider})
    return [TokenAccount(row.external_id, row.customer_id, frozenset(row.used)) for row in rows]


def are_moving(connection: Connection) -> bool:
    """Whether tokens may just have come or gone that our books do not show. Served by ix_flows_open_moved_at."""
    return bool(connection.execute(_MOVING).scalar_one())
