"""Customers and their links: what ties a customer to something at a provider. Tables `customers`, `customer_links`."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

Key = tuple[str, str, str]  # provider, kind, external id: unique


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLink:
    """A link to be written."""

    customer: str
    provider: str
    kind: str
    external_id: str
    attributes: Mapping[str, Any]

    @property
    def key(self) -> Key:
        """What is unique about it."""
        return self.provider, self.kind, self.external_id


def lock_customers(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Those of `ids` that exist, locked in id order, with their level."""
    rows = connection.execute(
        text("SELECT id, level FROM customers WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), {"ids": list(ids)}
    )
    return {row.id: row.level for row in rows}


def put_customers(connection: Connection, levels: Mapping[str, int | None]) -> int:
    """Add customers and set levels; how many rows changed. A level of None leaves an old one, and is 0 for a new one.

    Locks the rows it meets in id order.
    """
    ids = sorted(levels)
    done = connection.execute(
        text("""
            INSERT INTO customers (id, level)
            SELECT id, coalesce(level, 0)
              FROM unnest(CAST(:ids AS text[]), CAST(:levels AS integer[])) AS c(id, level) WHERE level IS NOT NULL
                OR NOT EXISTS (SELECT FROM customers known WHERE known.id = c.id)
             ORDER BY id
            ON CONFLICT (id) DO UPDATE SET level = excluded.level WHERE customers.level <> excluded.level
        """),
        {"ids": ids, "levels": [levels[id_] for id_ in ids]},
    )
    return done.rowcount


def links_of(connection: Connection, keys: Sequence[Key]) -> dict[Key, str]:
    """The customer of each link that exists. Served by the primary key."""
    rows = connection.execute(
        text("""
            SELECT provider, kind, external_id, customer_id FROM customer_links
             WHERE (provider, kind, external_id) IN (
               SELECT * FROM unnest(CAST(:providers AS text[]), CAST(:kinds AS text[]), CAST(:ids AS text[])))
        """),
        _columns(keys),
    )
    return {(row.provider, row.kind, row.external_id): row.customer_id for row in rows}


def put_links(connection: Connection, links: Sequence[NewLink]) -> tuple[list[Key], list[Key]]:
    """Add links, and set the attributes of those the same customer has: the keys added, and those changed.

    A link that another customer has stays as it is and is in neither list: compare with `links_of` in the same
    transaction. Locks the rows it meets in key order.
    """
    ordered = sorted(links, key=lambda link: link.key)
    rows = connection.execute(
        text("""
            INSERT INTO customer_links (provider, kind, external_id, customer_id, attributes)
            SELECT provider, kind, external_id, customer_id, attributes::jsonb
              FROM unnest(CAST(:providers AS text[]), CAST(:kinds AS text[]), CAST(:ids AS text[]),
                          CAST(:customers AS text[]), CAST(:attributes AS text[]))
                   AS l(provider, kind, external_id, customer_id, attributes)
            ON CONFLICT (provider, kind, external_id) DO UPDATE SET attributes = excluded.attributes
             WHERE customer_links.customer_id = excluded.customer_id
               AND customer_links.attributes <> excluded.attributes
            RETURNING provider, kind, external_id, (xmax = 0) AS fresh
        """),
        {
            **_columns([link.key for link in ordered]),
            "customers": [link.customer for link in ordered],
            "attributes": [json.dumps(dict(link.attributes)) for link in ordered],
        },
    )
    added: list[Key] = []
    changed: list[Key] = []
    for row in rows:
        (added if row.fresh else changed).append((row.provider, row.kind, row.external_id))
    return added, changed


def having_one(connection: Connection, ids: Collection[str], provider: str, kind: str) -> set[str]:
    """Those of the customers who have exactly one link of that kind. Served by ix_customer_links_customer."""
    rows = connection.execute(
        text("""
            SELECT customer_id FROM customer_links
             WHERE customer_id = ANY(:ids) AND provider = :provider AND kind = :kind
             GROUP BY customer_id HAVING count(*) = 1
        """),
        {"ids": list(ids), "provider": provider, "kind": kind},
    )
    return set(rows.scalars())


def give_owner(connection: Connection, waiting: Sequence[tuple[str, str, str]]) -> list[UUID]:
    """Flows that waited for the owner of a virtual account get the customer of its link now; their ids.

    `waiting` are (provider, kind of flow, virtual account); flows that are over stay nobody's. Locks the flows in id
    order. Served by ix_flows_unowned and the primary key of customer_links.
    """
    rows = connection.execute(
        text("""
            WITH waiting AS (
              SELECT f.id, l.customer_id
                FROM unnest(CAST(:providers AS text[]), CAST(:kinds AS text[]), CAST(:accounts AS text[]))
                     AS w(provider, kind, account)
                JOIN flows f ON f.kind = w.kind AND f.data ->> 'virtual_account' = w.account
                JOIN customer_links l ON l.provider = w.provider AND l.kind = 'virtual_account'
                                     AND l.external_id = w.account
               WHERE f.customer_id IS NULL AND f.status <> 'closed'
               ORDER BY f.id FOR UPDATE OF f
            )
            UPDATE flows f SET customer_id = w.customer_id FROM waiting w WHERE f.id = w.id RETURNING f.id
        """),
        {
            "providers": [provider for provider, _, _ in waiting],
            "kinds": [kind for _, kind, _ in waiting],
            "accounts": [account for _, _, account in waiting],
        },
    )
    return sorted(rows.scalars())


def give_named(connection: Connection, flow_kind: str, ids: Collection[str]) -> list[UUID]:
    """Flows whose payer named one of these customers before they were here get them now; their ids.

    Flows that are over stay nobody's. Locks the flows in id order. Served by ix_flows_unowned, whose entries without a
    virtual account are few: payments for customers nobody knows.
    """
    rows = connection.execute(
        text("""
            WITH waiting AS (
              SELECT f.id, c.id AS customer_id FROM flows f JOIN customers c ON c.id = f.data ->> 'named'
               WHERE f.customer_id IS NULL AND f.data ->> 'virtual_account' IS NULL
                 AND f.kind = :kind AND f.status <> 'closed' AND c.id = ANY(:ids)
               ORDER BY f.id FOR UPDATE OF f
            )
            UPDATE flows f SET customer_id = w.customer_id FROM waiting w WHERE f.id = w.id RETURNING f.id
        """),
        {"kind": flow_kind, "ids": list(ids)},
    )
    return sorted(rows.scalars())


def set_owner(connection: Connection, flow: UUID, customer: str) -> None:
    """Give one flow, already locked, its customer."""
    connection.execute(
        text("UPDATE flows SET customer_id = :customer WHERE id = :flow AND customer_id IS NULL"),
        {"flow": flow, "customer": customer},
    )


def list_customers(connection: Connection, *, limit: int, since: datetime | None, level: int | None) -> list[Any]:
    """The newest first, each with its links in the order they were added."""
    rows = connection.execute(
        text(f"""
            SELECT {_SHOWN} FROM customers c
             WHERE (CAST(:since AS timestamptz) IS NULL OR c.created_at >= :since)
               AND (CAST(:level AS integer) IS NULL OR c.level = :level)
             ORDER BY c.created_at DESC, c.id LIMIT :limit
        """),  # noqa: S608 -- a constant of this file, no value
        {"limit": limit, "since": since, "level": level},
    )
    return [dict(row) for row in rows.mappings()]


def show_customer(connection: Connection, customer: str) -> dict[str, Any] | None:
    """One customer with their links; None: nobody has that id."""
    row = (
        connection.execute(
            text(f"SELECT {_SHOWN} FROM customers c WHERE c.id = :id"),  # noqa: S608 -- a constant of this file
            {"id": customer},
        )
        .mappings()
        .first()
    )
    return dict(row) if row else None


_SHOWN = """c.id AS customer, c.level, c.created_at, coalesce((
    SELECT jsonb_agg(jsonb_build_object('provider', l.provider, 'kind', l.kind, 'external_id', l.external_id,
                                        'attributes', l.attributes)
                     ORDER BY l.created_at, l.provider, l.kind, l.external_id)
      FROM customer_links l WHERE l.customer_id = c.id), '[]') AS links"""


def _columns(keys: Sequence[Key]) -> dict[str, list[str]]:
    return {"providers": [k[0] for k in keys], "kinds": [k[1] for k in keys], "ids": [k[2] for k in keys]}
