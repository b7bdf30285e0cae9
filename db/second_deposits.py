"""Deposits told of by events without an id: what came before, and what people said of it.

Reads and writes `inbox_events`, `flows`, `breaks`. Their event is found by its body alone, so equal bytes may be one
deposit told of twice, or two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from funding.flows.due_legacy import ANOTHER, JUDGED, RESEND, SECOND_DEPOSIT
from funding.money import Money

ANSWERS: Final = (ANOTHER, RESEND)
_REPLAY: Final = "replay:"


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it first came: its row, its event id, and which arrival of the same bytes it was, from 1."""

    row: int
    event_id: str

    @property
    def arrival(self) -> int:
        """The number in `sha256:<digest>:<number>`; 1 for an event with an id of its own."""
        name, _, number = self.event_id.rpartition(":")
        return int(number) if name.startswith("sha256:") and number.isdigit() else 1

    @property
    def subject(self) -> str:
        """What breaks about it are called by."""
        return f"event {self.row}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The link a deposit came in by: whose it is, and its attributes."""

    customer: str
    attributes: Mapping[str, Any]


def first_told(connection: Connection, row: int, event_id: str) -> Told:
    """The event itself, or the one that a replay repeats. Served by the primary key."""
    while event_id.startswith(_REPLAY):
        original = int(event_id.split(":")[1])
        found = connection.execute(
            text("SELECT id, event_id FROM inbox_events WHERE id = :id"), {"id": original}
        ).one_or_none()
        if found is None:
            break
        row, event_id = found
    return Told(row, event_id)


def account(connection: Connection, provider: str, kind: str, external_id: str) -> Account | None:
    """That link, locked; None: nobody has it. Served by the primary key of customer_links.

    Until the transaction ends nobody else judges money on that account: two workers that judge equal events at once
    would both find none before, and the older of two flows must be there for all to see before the younger one is.
    """
    row = connection.execute(
        text("""
            SELECT customer_id, attributes FROM customer_links
             WHERE provider = :provider AND kind = :kind AND external_id = :id
               FOR NO KEY UPDATE
        """),
        {"provider": provider, "kind": kind, "id": external_id},
    ).one_or_none()
    return Account(customer=row.customer_id, attributes=row.attributes) if row else None


def has_equal(connection: Connection, customer: str, virtual_account: str, mode: str, amount: Money) -> bool:
    """Whether a flow of that account, mode and amount was ever opened. Served by ix_flows_customer."""
    found: bool = connection.execute(
        text("""
            SELECT EXISTS (SELECT FROM flows
                            WHERE customer_id = :customer AND data ->> 'virtual_account' = :account
                              AND data ->> 'mode' = :mode AND asset = :asset AND amount = :minor)
        """),
        {
            "customer": customer,
            "account": virtual_account,
            "mode": mode,
            "asset": amount.asset,
            "minor": amount.minor,
        },
    ).scalar_one()
    return found


def said_of(connection: Connection, provider: str, told: Told) -> str | None:
    """What a person said of it: "another", "a resend" as RESEND; None: nothing yet."""
    said: str | None = connection.execute(
        text("""
            SELECT h.what FROM breaks b JOIN break_history h ON h.break_id = b.id
             WHERE b.provider = :provider AND b.type = :type AND b.subject = :subject AND b.status = 'closed'
               AND h.what = ANY(:answers)
             ORDER BY h.id DESC LIMIT 1
        """),
        {"provider": provider, "type": SECOND_DEPOSIT, "subject": told.subject, "answers": list(ANSWERS)},
    ).scalar_one_or_none()
    return said


# What people say of it ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Doubt:
    """A break that may be a second deposit: about an event that opened nothing yet, or about a flow that waits."""

    type: str
    status: str
    event: int | None
    flow: UUID | None


def lock(connection: Connection, found: UUID) -> Doubt:
    """That break, locked with what it is about: first the flow or event, then itself, as workers lock them."""
    row = connection.execute(text("SELECT type, flow_id, event_id FROM breaks WHERE id = :id"), {"id": found}).one()
    connection.execute(text("SELECT FROM flows WHERE id = :id FOR UPDATE"), {"id": row.flow_id})
    connection.execute(text("SELECT FROM inbox_events WHERE id = :id FOR UPDATE"), {"id": row.event_id})
    status = connection.execute(text("SELECT status FROM breaks WHERE id = :id FOR UPDATE"), {"id": found}).scalar_one()
    return Doubt(row.type, status, row.event_id, row.flow_id)


def read_again(connection: Connection, event: int) -> bool:
    """Have an event, already locked, handled once more; False: its bytes have been cleared."""
    done = connection.execute(
        text("""
            UPDATE inbox_events SET state = 'received', due_at = rk_now(), announced_at = NULL, attempts = 0,
                                    reason = NULL, handled_at = NULL
             WHERE id = :id AND body IS NOT NULL
        """),
        {"id": event},
    )
    return done.rowcount == 1


def set_aside(connection: Connection, event: int, *, reason: str) -> None:
    """An event, already locked, is nothing to act on."""
    connection.execute(
        text("""
            UPDATE inbox_events SET state = 'ignored', reason = :reason, due_at = NULL, announced_at = NULL,
                                    handled_at = rk_now()
             WHERE id = :id
        """),
        {"id": event, "reason": reason},
    )


def judge_flow(connection: Connection, flow: UUID, answer: str) -> None:
    """Write into a flow, already locked, what was said of it."""
    connection.execute(
        text("""
            UPDATE flows SET data = data || jsonb_build_object(CAST(:name AS text), CAST(:said AS text))
             WHERE id = :id
        """),
        {"id": flow, "name": JUDGED, "said": answer},
    )
