"""Repair: letters replayed or abandoned, flows taken out of their parking, events sent again.

Everything here runs inside an action's transaction (`ops.actions`), after the rows it changes were locked in the
order flows, events, letters, each by id: the order in which the workers lock them too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Row, text

from db.flows import Due


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter, and where its flow or event stands now. `parked`: it waits for a person still."""

    id: UUID
    flow: UUID | None
    event: int | None
    customer: str | None
    kind: str
    step: str
    error: str
    status: str
    state: str
    parked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which letters: every condition given must hold. `ids` are letters' own."""

    ids: Sequence[UUID] | None = None
    fingerprint: str | None = None
    kind: str | None = None
    provider: str | None = None
    customer: str | None = None
    error: str | None = None
    blame: str | None = None
    since: datetime | None = None
    statuses: Sequence[str] = ("open", "replaying")


_LETTERS = """
    SELECT d.id, d.flow_id, d.event_id, coalesce(f.customer_id, d.customer_id) AS customer_id, d.kind, d.step, d.error,
           d.status, coalesce(f.state, e.state) AS state,
           CASE WHEN d.flow_id IS NULL THEN e.state = 'dead' ELSE f.parked_at IS NOT NULL END AS parked
      FROM dead_letters d
      LEFT JOIN flows f ON f.id = d.flow_id
      LEFT JOIN inbox_events e ON e.id = d.event_id
"""
_FOUND = text(f"""
    {_LETTERS}
     WHERE (CAST(:ids AS uuid[]) IS NULL OR d.id = ANY(:ids))
       AND (CAST(:ids AS uuid[]) IS NOT NULL OR d.status = ANY(:statuses))
       AND (CAST(:fingerprint AS text) IS NULL OR d.fingerprint = :fingerprint)
       AND (CAST(:kind AS text) IS NULL OR d.kind = :kind)
       AND (CAST(:provider AS text) IS NULL OR d.provider = :provider)
       AND (CAST(:customer AS text) IS NULL OR coalesce(f.customer_id, d.customer_id) = :customer)
       AND (CAST(:error AS text) IS NULL OR d.error = :error)
       AND (CAST(:blame AS text) IS NULL OR d.blame = :blame)
       AND (CAST(:since AS timestamptz) IS NULL OR d.opened_at >= :since)
     ORDER BY d.opened_at, d.id LIMIT :limit
""")
_LOCKED = text(f"{_LETTERS} WHERE d.id = ANY(:ids) ORDER BY d.id FOR UPDATE OF d")


def find_letters(connection: Connection, wanted: Filter, *, limit: int) -> list[Letter]:
    """Letters, the oldest first, so that those of one customer stand in the order they died. Locks nothing."""
    rows = connection.execute(
        _FOUND,
        {
            "ids": list(wanted.ids) if wanted.ids is not None else None,
            "fingerprint": wanted.fingerprint,
            "kind": wanted.kind,
            "provider": wanted.provider,
            "customer": wanted.customer,
            "error": wanted.error,
            "blame": wanted.blame,
            "since": wanted.since,
            "statuses": list(wanted.statuses),
            "limit": limit,
        },
    )
    return [_letter(row) for row in rows]


def lock_letters(connection: Connection, letters: Sequence[Letter]) -> dict[UUID, Letter]:
    """The letters as they stand once their flows, their events and they themselves are locked, each in id order."""
    flows = [letter.flow for letter in letters if letter.flow is not None]
    events = [letter.event for letter in letters if letter.event is not None]
    if flows:
        connection.execute(text("SELECT FROM flows WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), {"ids": flows})
    if events:
        connection.execute(
            text("SELECT FROM inbox_events WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), {"ids": events}
        )
    rows = connection.execute(_LOCKED, {"ids": [letter.id for letter in letters]})
    return {row.id: _letter(row) for row in rows}


def mark_replaying(connection: Connection, letters: Sequence[UUID]) -> None:
    """These letters are being replayed: uq_dead_letters_flow and uq_dead_letters_event keep a second from starting."""
    connection.execute(
        text("UPDATE dead_letters SET status = 'replaying' WHERE id = ANY(:ids)"), {"ids": list(letters)}
    )


def close_letters(connection: Connection, letters: Sequence[UUID], *, status: str, by: str, resolution: str) -> None:
    """End letters as "resolved" or "abandoned"; `resolution` says why."""
    connection.execute(
        text("""
            UPDATE dead_letters
               SET status = :status, resolved_by = :by, resolution = :resolution, resolved_at = rk_now()
             WHERE id = ANY(:ids)
        """),
        {"ids": list(letters), "status": status, "by": by, "resolution": resolution},
    )


def unclaim(connection: Connection, flows: Sequence[UUID]) -> None:
    """Take flows, already locked, from whoever holds them: what the holder learns is refused, its step made again.

    For flows whose claim was made under what an action has just changed (parked, without an owner or a link): such a
    step only reads, so nothing it did can be lost.
    """
    connection.execute(
        text("""
            WITH held AS (
              SELECT id, attempt_id FROM flows WHERE id = ANY(:flows) AND attempt_id IS NOT NULL
            ), lost AS (
              UPDATE attempts a SET outcome = 'lost', finished_at = rk_now() FROM held h WHERE a.id = h.attempt_id
            )
            UPDATE flows f
               SET fence = f.fence + 1, attempt_id = NULL, session_id = NULL, claimed_at = NULL, claim_until = NULL,
                   announced_at = NULL, due_at = CASE WHEN f.status <> 'closed' THEN rk_now() END
              FROM held h WHERE f.id = h.id
        """),
        {"flows": list(flows)},
    )


def unpark(connection: Connection, flows: Sequence[UUID], *, delays: Sequence[timedelta] = ()) -> list[Due]:
    """Take flows out of their parking, with all their tries; due now, or each after its delay. Closed ones stay.

    A step that was listening to a parked flow loses its claim: it would park the flow again.
    """
    unclaim(connection, flows)
    rows = connection.execute(
        text("""
            UPDATE flows f SET parked_at = NULL, parked_reason = NULL, tries = 0, snoozes = 0, misses = 0,
                               announced_at = NULL, wakes = f.wakes + 1, due_at = rk_now() + w.delay
              FROM unnest(CAST(:ids AS uuid[]), CAST(:delays AS interval[])) AS w(id, delay)
             WHERE f.id = w.id AND f.status <> 'closed'
            RETURNING f.id, f.kind, f.state
        """),
        {"ids": list(flows), "delays": list(delays) or [timedelta(0)] * len(flows)},
    )
    return [(row.id, row.kind, row.state) for row in rows]


def receive_again(connection: Connection, events: Sequence[int], *, delays: Sequence[timedelta]) -> list[int]:
    """Put events that were set aside back to `received`, each due after its delay; their ids."""
    rows = connection.execute(
        text("""
            UPDATE inbox_events e
               SET state = 'received', due_at = rk_now() + w.delay, announced_at = NULL, attempts = 0, reason = NULL,
                   waits_for = NULL, handled_at = NULL
              FROM unnest(CAST(:ids AS bigint[]), CAST(:delays AS interval[])) AS w(id, delay)
             WHERE e.id = w.id AND e.state = 'dead'
            RETURNING e.id
        """),
        {"ids": list(events), "delays": list(delays)},
    )
    return list(rows.scalars())


def copy_event(connection: Connection, event: int) -> tuple[int, str] | None:
    """Write a new event with the same bytes: its id and event id `replay:<id>:<n>`; None when the bytes were cleared.

    The bytes are copied as they are stored: sealed ones stay sealed. Locks the event, so that two replays of it
    get two numbers.
    """
    connection.execute(text("SELECT FROM inbox_events WHERE id = :id FOR UPDATE"), {"id": event})
    row = connection.execute(
        text("""
            INSERT INTO inbox_events (provider, event_id, route, type, source, body, body_key, body_digest, headers)
            SELECT e.provider,
                   'replay:' || e.id || ':' || 1 + (SELECT count(*) FROM inbox_events r
                                                      WHERE r.provider = e.provider AND r.body_digest = e.body_digest
                                                        AND starts_with(r.event_id, 'replay:' || e.id || ':')),
                   e.route, e.type, 'replay', e.body, e.body_key, e.body_digest, e.headers
              FROM inbox_events e WHERE e.id = :id AND e.body IS NOT NULL
            RETURNING id, event_id
        """),
        {"id": event},
    ).first()
    return (row.id, row.event_id) if row else None


def abandon_flow(connection: Connection, flow: UUID, *, reason: str) -> bool:
    """Close a parked flow where it stands; its parking reason stays, its history says why. False: it is not parked."""
    unclaim(connection, [flow])
    done = connection.execute(
        text("""
            WITH closed AS (
              UPDATE flows SET status = 'closed', closed_at = rk_now(), parked_at = NULL, due_at = NULL,
                               announced_at = NULL, snoozed_attempt_id = NULL, watch_until = NULL
               WHERE id = :flow AND parked_at IS NOT NULL AND status <> 'closed' RETURNING id, state
            )
            INSERT INTO transitions (flow_id, from_state, to_state, reason)
            SELECT id, state, state, :reason FROM closed
        """),
        {"flow": flow, "reason": reason},
    )
    return done.rowcount == 1


def parked_for(connection: Connection, flows: Sequence[UUID], *, error: str | None, break_type: str) -> list[UUID]:
    """Those of `flows` that are parked for this error, or for a person because of this break. In id order.

    Served by uq_dead_letters_flow and ix_breaks_flow.
    """
    rows = connection.execute(
        text("""
            SELECT f.id FROM flows f JOIN dead_letters d ON d.flow_id = f.id AND d.status IN ('open', 'replaying')
             WHERE f.id = ANY(:flows) AND f.parked_at IS NOT NULL AND f.status = 'open'
               AND (d.error = CAST(:error AS text)
                    OR d.error = 'needs_person' AND EXISTS (
                         SELECT FROM breaks b WHERE b.flow_id = f.id AND b.status = 'open' AND b.type = :break_type))
             ORDER BY f.id
        """),
        {"flows": list(flows), "error": error, "break_type": break_type},
    )
    return list(rows.scalars())


def lock_flows_of(connection: Connection, waiting: Sequence[tuple[str, str, str]]) -> list[UUID]:
    """Open flows of a (customer, kind of flow, state), locked in id order. Served by ix_flows_customer."""
    rows = connection.execute(
        text("""
            SELECT f.id FROM flows f
              JOIN unnest(CAST(:customers AS text[]), CAST(:kinds AS text[]), CAST(:states AS text[]))
                   AS w(customer, kind, state)
                ON f.customer_id = w.customer AND f.kind = w.kind AND f.state = w.state
             WHERE f.status = 'open' ORDER BY f.id FOR UPDATE OF f
        """),
        {
            "customers": [customer for customer, _, _ in waiting],
            "kinds": [kind for _, kind, _ in waiting],
            "states": [state for _, _, state in waiting],
        },
    )
    return list(rows.scalars())


def _letter(row: Row[tuple[object, ...]]) -> Letter:
    return Letter(
        id=row.id,
        flow=row.flow_id,
        event=row.event_id,
        customer=row.customer_id,
        kind=row.kind,
        step=row.step,
        error=row.error,
        status=row.status,
        state=row.state,
        parked=row.parked,
    )
