"""Comparisons: their runs, what each found, and the breaks they open and close. Tables `reconciliation_*`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from db.breaks import Found, open_breaks
from funding.reconcile.records import Finding

LOST_AFTER: Final = timedelta(minutes=10)  # a run that has not said a word for so long has no process any more


@dataclass(frozen=True, slots=True)
class Begun:
    """A run under way, and the window that it covers. `at`: when it began, by the database's clock."""

    id: UUID
    since: datetime
    until: datetime
    at: datetime


def begin(
    connection: Connection,
    run: UUID,
    provider: str,
    *,
    since: datetime,
    until: datetime,
    source: str,
    asked_by: str | None,
) -> Begun:
    """Write a run down before its provider is asked; earlier ones whose process has gone are marked failed."""
    connection.execute(
        text("""
            UPDATE reconciliation_runs
               SET status = 'failed', finished_at = rk_now(), error = 'its process ended before it was done'
             WHERE status = 'running' AND alive_at < rk_now() - CAST(:lost AS interval)
        """),
        {"lost": LOST_AFTER},
    )
    row = connection.execute(
        text("""
            INSERT INTO reconciliation_runs (id, provider, since, until, source, asked_by)
            VALUES (:id, :provider, :since, :until, :source, :by) RETURNING started_at
        """),
        {"id": run, "provider": provider, "since": since, "until": until, "source": source, "by": asked_by},
    ).one()
    return Begun(run, since, until, row.started_at)


def keep_alive(connection: Connection, run: UUID) -> bool:
    """Say that the run goes on; False when somebody has given it up for lost."""
    return (
        connection.execute(
            text("UPDATE reconciliation_runs SET alive_at = rk_now() WHERE id = :id AND status = 'running'"),
            {"id": run},
        ).rowcount
        == 1
    )


def fail(connection: Connection, run: UUID, error: str) -> None:
    """Write down why a run ended early. Nothing it had found is kept, nothing is closed."""
    connection.execute(
        text("""
            UPDATE reconciliation_runs SET status = 'failed', finished_at = rk_now(), error = :error
             WHERE id = :id AND status = 'running'
        """),
        {"id": run, "error": error},
    )


def lock(connection: Connection, provider: str) -> None:
    """Let one comparison of a provider write at a time, until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('comparison'), hashtext(:p))"), {"p": provider})


@dataclass(frozen=True, slots=True)
class Written:
    """How many breaks some findings opened and reopened."""

    opened: int = 0
    reopened: int = 0


def write(connection: Connection, run: UUID, findings: Sequence[Finding], *, first: int) -> Written:
    """Open the breaks of some findings and make them lines `first` and on of the run's report, in the order given."""
    what = open_breaks(
        connection, [Found(one.found, flow=one.flow, at=one.at) for one in findings], found_by="comparison"
    )
    rows = [
        {
            "run": run,
            "number": first + place,
            "break": opened.id,
            "type": one.found.type,
            "subject": one.found.subject,
            "flow": one.flow,
            "ours": one.found.ours,
            "theirs": one.found.theirs,
            "amount": one.found.amount.minor if one.found.amount else None,
            "asset": one.found.amount.asset if one.found.amount else None,
            "action": one.found.suggested_action,
        }
        for place, (one, opened) in enumerate(zip(findings, what, strict=True))
    ]
    if rows:
        connection.execute(_FINDING, rows)
    return Written(
        opened=sum(one.what == "opened" for one in what), reopened=sum(one.what == "reopened" for one in what)
    )


_FINDING = text("""
    INSERT INTO reconciliation_findings (run_id, number, break_id, type, subject, flow_id, ours, theirs, amount_at_risk,
                                         asset, suggested_action)
    VALUES (:run, :number, :break, :type, :subject, :flow, :ours, :theirs, :amount, :asset, :action)
""")

# A break's subject begins with the kind it is about, or says that several or a listing of that kind are (`rules`).
_NOT_FOUND: Final = """b.provider = :provider AND b.about_at >= :since AND b.about_at < :until
    AND NOT EXISTS (SELECT FROM reconciliation_findings f WHERE f.run_id = :run AND f.break_id = b.id)
    AND EXISTS (SELECT FROM unnest(CAST(:kinds AS text[])) AS k(kind)
                 WHERE starts_with(b.subject, kind || ' ') OR starts_with(b.subject, kind || 's for ')
                    OR starts_with(b.subject, 'comparison of ' || kind || 's'))"""

# That a listing does not show an object any more is no evidence that it is gone: it takes a flow, or seeing it agree.
_SHOWN: Final = """(:whole OR b.type <> 'missing_here'
    OR EXISTS (SELECT FROM unnest(CAST(:kinds AS text[])) AS k(kind)
                WHERE starts_with(b.subject, kind || ' ')
                  AND (EXISTS (SELECT FROM flow_references r
                                WHERE r.provider = b.provider AND r.kind = k.kind
                                  AND r.external_id = substr(b.subject, length(k.kind) + 2))
                       OR EXISTS (SELECT FROM reconciliation_records t
                                   WHERE t.run_id = :run AND t.kind = k.kind
                                     AND t.external_id = substr(b.subject, length(k.kind) + 2)))))
"""

_CLOSE = text(f"""
    WITH closed AS (
      UPDATE breaks b SET status = 'closed', closed_at = rk_now()
       WHERE b.status = 'open' AND {_NOT_FOUND} AND {_SHOWN}
      RETURNING b.id, b.type, b.subject
    )
    INSERT INTO break_history (break_id, what, note)
    SELECT id, 'closed', 'a comparison did not find it any more' FROM closed ORDER BY type, subject
""")  # noqa: S608 -- built from the constant above

_GONE = text(f"""
    UPDATE breaks b SET resolved_by = NULL WHERE b.status = 'closed' AND b.resolved_by IS NOT NULL AND {_NOT_FOUND}
""")  # noqa: S608 -- built from the constant above


def close_others(connection: Connection, run: Begun, provider: str, kinds: Sequence[str], *, whole: bool) -> int:
    """Close the breaks about the run's window that a comparison once found and this run did not; how many.

    `kinds`: of the objects that were compared whole.

    `whole`: the records are all there are, so that what they do not hold is gone.
    One that a person had resolved and that is gone now is new again should it return. Served by ix_breaks_about.
    """
    values = {"run": run.id, "provider": provider, "kinds": list(kinds), "since": run.since, "until": run.until}
    closed = connection.execute(_CLOSE, values | {"whole": whole}).rowcount
    connection.execute(_GONE, values)
    return closed


def finish(connection: Connection, run: UUID, counts: Mapping[str, Any]) -> bool:
    """Write what a run came to; False when somebody has given it up for lost."""
    return (
        connection.execute(
            text("""
                UPDATE reconciliation_runs
                   SET status = 'finished', finished_at = rk_now(), counts = CAST(:counts AS jsonb)
                 WHERE id = :id AND status = 'running'
            """),
            {"id": run, "counts": json.dumps(counts)},
        ).rowcount
        == 1
    )


def accounts(connection: Connection, provider: str, parts: Mapping[str, Sequence[str]]) -> list[str]:
    """Every account of that provider that a link or a flow of ours names, sorted. Reads all links and flows.

    `parts`: by kind of flow, the data that name its account, joined by a slash.
    """
    rows = connection.execute(
        text("""
            SELECT name FROM (
              SELECT CASE kind WHEN 'account' THEN external_id ELSE attributes ->> 'account' END AS name
                FROM customer_links WHERE provider = :provider AND kind IN ('account', 'virtual_account')
              UNION SELECT (SELECT string_agg(f.data ->> named.part, '/' ORDER BY named.place)
                              FROM jsonb_array_elements_text(p.parts) WITH ORDINALITY AS named(part, place))
                FROM jsonb_each(CAST(:parts AS jsonb)) AS p(kind, parts) JOIN flows f ON f.kind = p.kind) known
             WHERE name <> '' ORDER BY name COLLATE "C"
        """),
        {"provider": provider, "parts": json.dumps({kind: list(named) for kind, named in parts.items()})},
    )
    return list(rows.scalars())


def oldest_open(connection: Connection, provider: str) -> datetime | None:
    """The moment that the oldest open break of a comparison is about, if there is one. Served by ix_breaks_about."""
    found: datetime | None = connection.execute(
        text("""
            SELECT min(about_at) FROM breaks WHERE provider = :provider AND about_at IS NOT NULL AND status = 'open'
        """),
        {"provider": provider},
    ).scalar_one()
    return found
