"""What an answer brings along besides the flow's own change: parts of the record's one statement (`db.recording`)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from db import notifications
from db.direct import run
from db.notifications import NewNotification
from funding.outcomes import BalanceReading, LinkMade
from funding.snapshot import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """`references` are the flow's, unless another's already; `results` are (key of an intention, what became of it).

    `links` are of the flow's customer, who must be known.
    """

    references: Sequence[Reference] = ()
    results: Sequence[tuple[UUID, str]] = ()
    readings: Sequence[BalanceReading] = ()
    notifications: Sequence[NewNotification] = ()
    links: Sequence[LinkMade] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which of `PARTS` there is anything for."""
        return tuple(kind for kind in PARTS if getattr(self, kind))


_READ: Final = """
      INSERT INTO balance_readings (provider, account, name, asset, amount, customer_id)
      SELECT provider, account, name, asset, amount, :customer
        FROM jsonb_to_recordset(CAST(:readings AS jsonb))
             AS r(provider text, account text, name text, asset text, amount numeric)
       ORDER BY provider, account, name, asset
      ON CONFLICT (provider, account, name, asset) DO UPDATE
         SET amount = excluded.amount, read_at = rk_now(), customer_id = excluded.customer_id
"""
# What each kind of finding adds to the statement, and to its answer: as much as is there, for each part costs though it
# writes nothing. None of them reads whether the claim still stands: when it does not, all of it is rolled back.
PARTS: Final = {
    "references": """
    referenced AS (
      INSERT INTO flow_references (provider, kind, external_id, flow_id)
      SELECT r.provider, r.kind, r.id, :flow
        FROM jsonb_to_recordset(CAST(:references AS jsonb)) AS r(n int, provider text, kind text, id text)
       ORDER BY r.n
      ON CONFLICT (provider, kind, external_id) DO UPDATE SET flow_id = flow_references.flow_id
      RETURNING provider, kind, external_id, flow_id
    ), woken AS (  -- events that wait for one of these references
      UPDATE inbox_events SET due_at = rk_now(), announced_at = NULL
       WHERE state = 'deferred'
         AND waits_for = ANY(ARRAY(SELECT r.provider || '/' || r.kind || '/' || r.id
                                     FROM jsonb_to_recordset(CAST(:references AS jsonb))
                                          AS r(provider text, kind text, id text)))
      RETURNING id
    )""",
    "results": """
    settled AS (
      UPDATE intentions i SET outcome = r.outcome
        FROM jsonb_to_recordset(CAST(:results AS jsonb)) AS r(key uuid, outcome text)
       WHERE i.key = r.key
         AND i.key = ANY(ARRAY(SELECT key FROM jsonb_to_recordset(CAST(:results AS jsonb)) AS k(key uuid)))
    )""",
    "readings": f"""
    read AS ({_READ})""",
    # A link that is somebody's already stays theirs.
    "links": """
    linked AS (
      INSERT INTO customer_links (provider, kind, external_id, customer_id, attributes)
      SELECT l.provider, l.kind, l.id, :customer, l.attributes
        FROM jsonb_to_recordset(CAST(:links AS jsonb)) AS l(provider text, kind text, id text, attributes jsonb)
       ORDER BY l.provider, l.kind, l.id
      ON CONFLICT (provider, kind, external_id) DO UPDATE SET attributes = excluded.attributes
       WHERE customer_links.customer_id = excluded.customer_id
         AND customer_links.attributes <> excluded.attributes
    )""",
    "notifications": f"""
    told AS ({notifications.INSERT})""",
}
ANSWERS: Final = {
    "references": """
    (SELECT json_agg(json_build_array(provider, kind, external_id, flow_id)) FROM referenced WHERE flow_id <> :flow)
      AS taken, ARRAY(SELECT id FROM woken) AS events""",
    "notifications": "ARRAY(SELECT id FROM told) AS notifications",
}


def values(findings: Findings, *, customer: str | None) -> dict[str, Any]:
    """What the parts are run with, besides the flow."""
    told: dict[str, Any] = {}
    if findings.references:
        told["references"] = json.dumps(
            [
                {"n": n, "provider": one.provider, "kind": one.kind, "id": one.id}
                for n, one in enumerate(dict.fromkeys(findings.references))
            ]
        )
    if findings.results:
        told["results"] = json.dumps(
            [{"key": str(key), "outcome": outcome} for key, outcome in dict(findings.results).items()]
        )
    if findings.readings:
        told |= {"readings": _shown(findings.readings), "customer": customer}
    if findings.links:
        told |= {
            "links": json.dumps(
                [
                    {"provider": one.provider, "kind": one.kind, "id": one.id, "attributes": dict(one.attributes)}
                    for one in findings.links
                ]
            ),
            "customer": customer,
        }
    if findings.notifications:
        told["notifications"] = notifications.as_json(findings.notifications)
    return told


def add_readings(connection: Connection, readings: Sequence[BalanceReading], *, customer: str | None) -> None:
    """Keep the newest balance a provider showed, one a name and asset. Locks the rows in key order."""
    run(connection, _ADD_READINGS, {"readings": _shown(readings), "customer": customer})


_ADD_READINGS: Final = text(_READ)


def _shown(readings: Sequence[BalanceReading]) -> str:
    return json.dumps(
        [
            {
                "provider": reading.provider,
                "account": reading.account,
                "name": reading.name,
                "asset": reading.amount.asset,
                "amount": reading.amount.minor,
            }
            for reading in readings
        ]
    )
