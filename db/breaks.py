"""Breaks: disagreements with a provider or with ourselves, one row each. Tables `breaks`, `break_history`."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from funding.outcomes import BreakFound


@dataclass(frozen=True, slots=True)
class Opened:
    """A break's id and what was news about it: "opened", "reopened", or None when it was open already."""

    id: UUID
    what: str | None


_FOUND = text("""
    WITH seen AS (
      INSERT INTO breaks (id, provider, type, subject, found_by, flow_id, event_id, ours, theirs, amount_at_risk, asset,
                          suggested_action)
      VALUES (:id, :provider, :type, :subject, :found_by, :flow, :event, :ours, :theirs, :amount, :asset, :action)
      ON CONFLICT (provider, type, subject) DO UPDATE
         SET seen_at = rk_now(), ours = excluded.ours, theirs = excluded.theirs,
             amount_at_risk = excluded.amount_at_risk, asset = excluded.asset, status = 'open', closed_at = NULL,
             flow_id = coalesce(excluded.flow_id, breaks.flow_id)
      RETURNING id, (xmax = 0) AS fresh, opened_at
    ), reopened AS (
      SELECT b.id FROM breaks b JOIN seen s ON s.id = b.id WHERE b.status = 'closed'
    ), told AS (
      INSERT INTO break_history (break_id, what)
      SELECT id, CASE WHEN fresh THEN 'opened' ELSE 'reopened' END FROM seen
       WHERE fresh OR id IN (SELECT id FROM reopened)
      RETURNING what
    )
    SELECT seen.id, (SELECT what FROM told) AS what FROM seen
""")
_CLOSE_OF_FLOW = text("""
    WITH closed AS (
      UPDATE breaks SET status = 'closed', closed_at = rk_now()
       WHERE flow_id = :flow AND status = 'open' AND found_by = ANY(:found_by) AND NOT (id = ANY(:but))
      RETURNING id
    )
    INSERT INTO break_history (break_id, what, note) SELECT id, 'closed', :note FROM closed
""")


def open_break(
    connection: Connection,
    found: BreakFound,
    *,
    found_by: str,
    flow: UUID | None = None,
    event: int | None = None,
) -> Opened:
    """Write a break down, once by (provider, type, subject); seen again it is reopened if it was closed."""
    row = connection.execute(
        _FOUND,
        {
            "id": uuid4(),
            "provider": found.provider,
            "type": found.type,
            "subject": found.subject,
            "found_by": found_by,
            "flow": flow,
            "event": event,
            "ours": found.ours,
            "theirs": found.theirs,
            "amount": found.amount.minor if found.amount else None,
            "asset": found.amount.asset if found.amount else None,
            "action": found.suggested_action,
        },
    ).one()
    return Opened(row.id, row.what)


def close_breaks_of_flow(
    connection: Connection,
    flow: UUID,
    *,
    note: str,
    found_by: Sequence[str] = ("step", "sweep"),
    but: Sequence[UUID] = (),
) -> None:
    """Close what the flow's own steps had found, since it went on. Served by ix_breaks_flow."""
    connection.execute(_CLOSE_OF_FLOW, {"flow": flow, "note": note, "found_by": list(found_by), "but": list(but)})
