"""What lists and shows read of flows and events. Nothing here locks; lists are newest first.

Rows come as plain dicts in the shapes of the outside surface: ids are text, times are aware datetimes, amounts are
Decimals without a fraction, in minor units.
"""

# ruff: noqa: S608 (queries are put together from constants of this package; values are always parameters)

import re
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from db.flows import owners

Shown = dict[str, Any]

REFERENCE_KINDS: Final = (
    ("due", "transfer"),
    ("alpaca", "journal"),
    ("bridge", "deposit"),
    ("bridge", "transfer"),
    ("bridge", "drain"),
    ("ibex", "transaction"),
    ("stripe", "onramp_session"),
    ("stripe", "checkout_session"),
    ("stripe", "payment_intent"),
)

FLOW: Final = """
    f.id::text AS id, f.kind, f.state, f.status <> 'open' AS final, f.parked_at IS NOT NULL AS parked,
    coalesce(f.parked_reason, CASE WHEN f.status = 'open' THEN f.snooze_reason ELSE (
      SELECT t.reason FROM transitions t WHERE t.flow_id = f.id ORDER BY t.id DESC LIMIT 1) END) AS reason,
    f.customer_id AS customer, f.asset, f.amount, f.asset_out, f.amount_out, f.due_at, f.created_at, f.moved_at,
    f.closed_at,
    coalesce((SELECT jsonb_agg(jsonb_build_object('provider', r.provider, 'kind', r.kind, 'id', r.external_id)
                               ORDER BY r.number)
                FROM flow_references r WHERE r.flow_id = f.id), '[]') AS provider_refs
"""
EVENT: Final = """
    e.id::text AS id, e.provider, e.event_id, e.type, e.source, e.state, e.flow_id::text AS flow, e.received_at,
    e.handled_at, e.attempts, e.last_error
"""
_EVENT_SHOWN: Final = f"""{EVENT}, e.reason, e.route, e.matched_key, e.duplicates, e.waits_for, e.due_at,
    e.body IS NOT NULL AS body_stored, e.body_key AS sealed_with"""


def list_flows(
    connection: Connection,
    *,
    limit: int,
    kind: str | None = None,
    state: str | None = None,
    status: str | None = None,
    provider: str | None = None,
    customer: str | None = None,
    parked: bool = False,
    since: datetime | None = None,
) -> list[Shown]:
    """Flows; `provider` is whom a flow's present step speaks to. Served by ix_flows_created_at, walked backwards."""
    return _rows(
        connection,
        f"""
        SELECT {FLOW} FROM flows f
         WHERE (CAST(:kind AS text) IS NULL OR f.kind = :kind)
           AND (CAST(:state AS text) IS NULL OR f.state = :state)
           AND (CAST(:status AS text) IS NULL OR f.status = :status)
           AND (CAST(:provider AS text) IS NULL OR f.provider = :provider)
           AND (CAST(:customer AS text) IS NULL OR f.customer_id = :customer)
           AND (NOT :parked OR f.parked_at IS NOT NULL)
           AND (CAST(:since AS timestamptz) IS NULL OR f.created_at >= :since)
         ORDER BY f.created_at DESC, f.id LIMIT :limit
        """,
        limit=limit,
        kind=kind,
        state=state,
        status=status,
        provider=provider,
        customer=customer,
        parked=parked,
        since=since,
    )


def find_flows(connection: Connection, start: str) -> list[UUID]:
    """The ids that begin with `start`, or of the flow that owns that id at a provider; at most two, to tell one.

    Served by the primary keys of both tables.
    """
    owned = [(provider, kind, start) for provider, kind in REFERENCE_KINDS]
    found = set(owners(connection, owned).values())
    between = id_range(start)
    if between is not None:
        ids = text("SELECT id FROM flows WHERE id BETWEEN :first AND :last LIMIT 2")
        found |= set(connection.execute(ids, {"first": between[0], "last": between[1]}).scalars())
    return sorted(found)


def id_range(start: str) -> tuple[UUID, UUID] | None:
    """The first and last UUID whose text begins so; None when none can."""
    digits = start.replace("-", "").lower()
    if not digits or not re.fullmatch("[0-9a-f]{1,32}", digits):
        return None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def show_flow(connection: Connection, flow: UUID) -> Shown | None:
    """One flow with its history, each part oldest first; None: there is none of that id."""
    found = _rows(connection, f"SELECT {FLOW} FROM flows f WHERE f.id = :id", id=flow)
    if not found:
        return None
    return found[0] | {
        "transitions": _rows(connection, _TRANSITIONS, id=flow),
        "attempts": _rows(connection, _ATTEMPTS, id=flow),
        "entries": _rows(connection, ENTRIES.format(condition="e.flow_id = :id", order="e.id"), id=flow),
        "events": _rows(connection, f"SELECT {EVENT} FROM inbox_events e WHERE e.flow_id = :id ORDER BY e.id", id=flow),
        "dead_letters": _rows(
            connection, f"SELECT {LETTER} FROM dead_letters d WHERE d.flow_id = :id ORDER BY d.opened_at, d.id", id=flow
        ),
    }


def list_events(
    connection: Connection,
    *,
    limit: int,
    kind: str | None = None,
    state: str | None = None,
    provider: str | None = None,
    source: str | None = None,
    since: datetime | None = None,
) -> list[Shown]:
    """Events; `kind` is their type in the provider's words. Served by ix_inbox_events_received_at, backwards."""
    return _rows(
        connection,
        f"""
        SELECT {EVENT} FROM inbox_events e
         WHERE (CAST(:kind AS text) IS NULL OR e.type = :kind)
           AND (CAST(:state AS text) IS NULL OR e.state = :state)
           AND (CAST(:provider AS text) IS NULL OR e.provider = :provider)
           AND (CAST(:source AS text) IS NULL OR e.source = :source)
           AND (CAST(:since AS timestamptz) IS NULL OR e.received_at >= :since)
         ORDER BY e.received_at DESC, e.id DESC LIMIT :limit
        """,
        limit=limit,
        kind=kind,
        state=state,
        provider=provider,
        source=source,
        since=since,
    )


def show_event(connection: Connection, event: int) -> Shown | None:
    """One event with what was kept about its arrival, never its body; None: there is none of that id."""
    found = _rows(connection, f"SELECT {_EVENT_SHOWN} FROM inbox_events e WHERE e.id = :id", id=event)
    if not found:
        return None
    letters = f"SELECT {LETTER} FROM dead_letters d WHERE d.event_id = :id ORDER BY d.opened_at, d.id"
    return found[0] | {"dead_letters": _rows(connection, letters, id=event)}


LETTER: Final = """
    d.id::text AS id, d.flow_id::text AS flow, d.event_id::text AS event, d.kind, d.step, d.customer_id AS customer,
    d.error, d.message, d.blame, d.fingerprint, d.attempts, d.opened_at, d.status, d.resolved_by, d.resolved_at
"""
_TRANSITIONS: Final = """
    SELECT from_state AS "from", to_state AS "to", reason, attempt_id::text AS attempt, effective_at, recorded_at
      FROM transitions WHERE flow_id = :id ORDER BY id
"""
_ATTEMPTS: Final = """
    SELECT id::text AS id, step, visit, number, claims, started_at, finished_at, outcome, error, message, provider,
           request_id, late
      FROM attempts WHERE flow_id = :id ORDER BY started_at, id
"""
# Formatted with constants only: a condition and an order, written in this package.
ENTRIES: Final = """
    SELECT e.id::text AS id, e.flow_id::text AS flow, e.cause, e.purpose, e.reverses_id::text AS reverses,
           e.effective_at, e.recorded_at,
           (SELECT jsonb_agg(jsonb_build_object('customer', a.customer_id, 'account', a.name, 'layer', p.layer,
                                                'asset', p.asset, 'amount', p.amount) ORDER BY p.id)
              FROM postings p JOIN ledger_accounts a ON a.id = p.account_id WHERE p.entry_id = e.id) AS postings
      FROM journal_entries e WHERE {condition} ORDER BY {order}
"""


def _rows(connection: Connection, query: str, **values: Any) -> list[Shown]:
    return [dict(row) for row in connection.execute(text(query), values).mappings()]
