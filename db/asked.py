"""Flows that a customer asked for: the newest of a kind, and how it stands. Table `flows`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One flow as it stands. `number`: how many of its kind the customer had before it."""

    id: UUID
    kind: str
    state: str
    status: str
    parked_reason: str | None
    data: Mapping[str, Any]
    number: int


_SHOWN = "f.id, f.kind, f.state, f.status, f.parked_reason, f.data"


def newest(connection: Connection, customer: str, kind: str) -> Asked | None:
    """The flow of that kind that the customer began last; None: none. Lock the customer to begin another.

    Served by ix_flows_customer.
    """
    row = connection.execute(
        text(f"""
            SELECT {_SHOWN}, count(*) OVER () - 1 AS number FROM flows f
             WHERE f.customer_id = :customer AND f.kind = :kind
             ORDER BY f.created_at DESC, f.id LIMIT 1
        """),  # noqa: S608 -- a constant of this file
        {"customer": customer, "kind": kind},
    ).first()
    return None if row is None else _asked(row)


def by_id(connection: Connection, flow: UUID) -> Asked | None:
    """One flow, by primary key; its number is not counted."""
    row = connection.execute(
        text(f"SELECT {_SHOWN}, 0 AS number FROM flows f WHERE f.id = :flow"),  # noqa: S608 -- the same
        {"flow": flow},
    ).first()
    return None if row is None else _asked(row)


def _asked(row: Row[Any]) -> Asked:
    return Asked(
        id=row.id,
        kind=row.kind,
        state=row.state,
        status=row.status,
        parked_reason=row.parked_reason,
        data=row.data,
        number=row.number,
    )


def references(connection: Connection, flow: UUID) -> Mapping[tuple[str, str], str]:
    """The newest object of each provider and kind that a flow owns. Served by ix_flow_references_flow."""
    rows = connection.execute(
        text("SELECT provider, kind, external_id FROM flow_references WHERE flow_id = :flow ORDER BY number"),
        {"flow": flow},
    )
    return {(row.provider, row.kind): row.external_id for row in rows}


def links(connection: Connection, customer: str, provider: str, kind: str) -> list[str]:
    """The ids of a customer's links of that kind, the oldest first. Served by ix_customer_links_customer."""
    rows = connection.execute(
        text("""
            SELECT external_id FROM customer_links
             WHERE customer_id = :customer AND provider = :provider AND kind = :kind ORDER BY created_at, external_id
        """),
        {"customer": customer, "provider": provider, "kind": kind},
    )
    return list(rows.scalars())
