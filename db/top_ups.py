"""Stripe top-ups as their commands see them. Table `flows`."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from funding.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """One top-up. `session` is its id at Stripe, None until it was made; `why` says why it waits, or how it ended."""

    id: UUID
    state: str
    status: str
    parked: bool
    why: str | None
    customer: str | None
    amount: Money | None
    network: str | None
    address: str | None
    ordered_minor: int | None
    claim_asked: bool
    session: str | None


_READ = text("""
    SELECT f.id, f.state, f.status, f.parked_at IS NOT NULL AS parked,
           coalesce(f.parked_reason, f.snooze_reason) AS why, f.customer_id, f.asset, f.amount,
           f.data ->> 'network' AS network, f.data ->> 'address' AS address,
           CAST(f.data ->> 'ordered_minor' AS numeric) AS ordered_minor, f.data ? 'claim' AS claim_asked,
           (SELECT r.external_id FROM flow_references r
             WHERE r.flow_id = f.id AND r.provider = 'stripe' AND r.kind IN ('onramp_session', 'checkout_session')
             ORDER BY r.number LIMIT 1) AS session
      FROM flows f WHERE f.id = :flow AND f.kind = 'stripe_top_up'
""")


def read(connection: Connection, flow: UUID) -> TopUp | None:
    """One top-up; None: there is none of that id. Served by primary keys and ix_flow_references_flow."""
    row = connection.execute(_READ, {"flow": flow}).one_or_none()
    if row is None:
        return None
    return TopUp(
        id=row.id,
        state=row.state,
        status=row.status,
        parked=row.parked,
        why=row.why,
        customer=row.customer_id,
        amount=None if row.amount is None else Money(int(row.amount), row.asset),
        network=row.network,
        address=row.address,
        ordered_minor=None if row.ordered_minor is None else int(row.ordered_minor),
        claim_asked=row.claim_asked,
        session=row.session,
    )


_ADDRESSES = text("""
    SELECT external_id FROM customer_links
     WHERE customer_id = :customer AND provider = 'stripe' AND kind = 'wallet_address'
       AND lower(attributes ->> 'network') = :network
     ORDER BY created_at, external_id
""")


def addresses(connection: Connection, customer: str, network: str) -> list[str]:
    """The customer's own wallets on that network, the oldest link first. Served by ix_customer_links_customer.

    One address may be a wallet on several networks: then its links are told apart by "<network>/" before it.
    """
    found = connection.execute(_ADDRESSES, {"customer": customer, "network": network}).scalars()
    return [one.removeprefix(f"{network}/") for one in found]
