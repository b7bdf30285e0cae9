"""Breaks: disagreements with a provider or with ourselves, one row each. Tables `breaks`, `break_history`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import Connection, text

from funding.outcomes import BreakFound

_BREAKS: Final = UUID("5d0f3c1e-6a0b-4c57-9f0e-2b7c1a9d4e63")


@dataclass(frozen=True, slots=True)
class Opened:
    """A break's id and what was news about it: "opened", "reopened", or None when it was open already."""

    id: UUID
    what: str | None


# What a person has resolved stays closed while a comparison or a flow finds it unchanged; anything new reopens it.
_FOUND = text("""
    WITH given AS (
      SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:providers AS text[]), CAST(:types AS text[]),
                           CAST(:subjects AS text[]), CAST(:flows AS uuid[]), CAST(:events AS bigint[]),
                           CAST(:ours AS text[]), CAST(:theirs AS text[]), CAST(:amounts AS numeric[]),
                           CAST(:assets AS text[]), CAST(:actions AS text[]), CAST(:about AS timestamptz[]))
                AS g(id, provider, type, subject, flow_id, event_id, ours, theirs, amount, asset, action, about_at)
    ), standing AS (
      SELECT b.id, b.status, b.resolved_by IS NOT NULL AND b.found_by IN ('comparison', 'step', 'ingest')
             AND (b.ours, b.theirs, b.amount_at_risk, b.asset)
                 IS NOT DISTINCT FROM (g.ours, g.theirs, g.amount, g.asset) AS settled
        FROM breaks b JOIN given g USING (provider, type, subject)
    ), seen AS (
      INSERT INTO breaks AS b (id, provider, type, subject, found_by, flow_id, event_id, ours, theirs, amount_at_risk,
                               asset, suggested_action, about_at)
      SELECT id, provider, type, subject, :found_by, flow_id, event_id, ours, theirs, amount, asset, action, about_at
        FROM given ORDER BY provider, type, subject
      ON CONFLICT (provider, type, subject) DO UPDATE
         SET seen_at = rk_now(), ours = excluded.ours, theirs = excluded.theirs,
             amount_at_risk = excluded.amount_at_risk, asset = excluded.asset,
             suggested_action = excluded.suggested_action,
             about_at = coalesce(excluded.about_at, b.about_at), flow_id = coalesce(excluded.flow_id, b.flow_id),
             status = CASE WHEN b.id IN (SELECT id FROM standing WHERE settled) THEN b.status ELSE 'open' END,
             closed_at = CASE WHEN b.id IN (SELECT id FROM standing WHERE settled) THEN b.closed_at END,
             resolved_by = CASE WHEN b.id IN (SELECT id FROM standing WHERE settled) THEN b.resolved_by END
      RETURNING b.id, (xmax = 0) AS fresh, b.status, b.provider, b.type, b.subject
    ), told AS (
      INSERT INTO break_history (break_id, what)
      SELECT seen.id, CASE WHEN fresh THEN 'opened' ELSE 'reopened' END
        FROM seen LEFT JOIN standing s ON s.id = seen.id
       WHERE fresh OR (s.status = 'closed' AND seen.status = 'open')
       ORDER BY seen.provider, seen.type, seen.subject
      RETURNING break_id, what
    )
    SELECT seen.id, told.what, seen.provider, seen.type, seen.subject
      FROM seen LEFT JOIN told ON told.break_id = seen.id
""")
_CLOSE_OF_FLOW = text("""
    WITH closed AS (
      UPDATE breaks SET status = 'closed', closed_at = rk_now()
       WHERE flow_id = :flow AND status = 'open' AND found_by = ANY(:found_by) AND NOT (id = ANY(:but))
      RETURNING id
    )
    INSERT INTO break_history (break_id, what, note) SELECT id, 'closed', :note FROM closed
""")


@dataclass(frozen=True, slots=True)
class Found:
    """A break that was found, what it concerns, and the moment it is about where a comparison knows one."""

    found: BreakFound
    flow: UUID | None = None
    event: int | None = None
    at: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What is unique about it: provider, type, subject."""
        return self.found.provider, self.found.type, self.found.subject


def open_break(
    connection: Connection,
    found: BreakFound,
    *,
    found_by: str,
    flow: UUID | None = None,
    event: int | None = None,
) -> Opened:
    """Write a break down, once by (provider, type, subject); seen again it is reopened if it was closed."""
    return open_breaks(connection, [Found(found, flow, event)], found_by=found_by)[0]


def open_breaks(connection: Connection, found: Sequence[Found], *, found_by: str) -> list[Opened]:
    """As `open_break` for many at once, no two of one key; what became of each, in the order given.

    Rows are written in the order of their keys, so that two writers cannot wait for each other in a circle. One that
    a person resolved stays closed while what is found is the same.
    """
    if not found:
        return []
    rows = connection.execute(
        _FOUND,
        {
            "found_by": found_by,
            "ids": [break_id(*one.key) for one in found],
            "providers": [one.found.provider for one in found],
            "types": [one.found.type for one in found],
            "subjects": [one.found.subject for one in found],
            "flows": [one.flow for one in found],
            "events": [one.event for one in found],
            "ours": [one.found.ours for one in found],
            "theirs": [one.found.theirs for one in found],
            "amounts": [one.found.amount.minor if one.found.amount else None for one in found],
            "assets": [one.found.amount.asset if one.found.amount else None for one in found],
            "actions": [one.found.suggested_action for one in found],
            "about": [one.at for one in found],
        },
    )
    opened = {(row.provider, row.type, row.subject): Opened(row.id, row.what) for row in rows}
    return [opened[one.key] for one in found]


def break_id(provider: str, break_type: str, subject: str) -> UUID:
    """The id of a new break: made of what is unique about it, so that the same disagreement has it everywhere."""
    return uuid5(_BREAKS, f"{provider}|{break_type}|{subject}")


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
