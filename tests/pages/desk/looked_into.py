"""What people and comparisons did on the day, some in hostile names: acts, runs, a paused provider."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from db import audit, gates
from tests.support.desk_scene import HOSTILE_CUSTOMER, SCRIPT, Scene

LINES = 60  # findings, and acts: more than a page holds
FINGERPRINT = "a1b2c3d4"


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedInto:
    """Runs by how they ended, and the break that the finished one found again."""

    finished: UUID
    failed: UUID
    found: UUID


def look_into(connection: Connection, scene: Scene) -> LookedInto:
    """Let it be written, as the product writes it."""
    found = connection.execute(
        text("SELECT id FROM breaks WHERE flow_id = :flow"), {"flow": scene.ownerless}
    ).scalar_one()
    runs = LookedInto(finished=uuid4(), failed=uuid4(), found=found)
    connection.execute(
        text("""
            INSERT INTO reconciliation_runs (id, provider, since, until, started_at, finished_at, status, counts, error,
                                             asked_by, source)
            VALUES (:finished, 'due', now() - interval '7 days', now(), now() - interval '2 minutes', now(), 'finished',
                    jsonb_build_object('ours', 4, 'theirs', 5, 'opened', 3, 'reopened', 1, 'closed', 2,
                                       'findings', jsonb_build_object('unmatched_event', CAST(:lines AS int))),
                    NULL, :hostile, 'listing'),
                   (:failed, 'alpaca', now() - interval '7 days', now(), now() - interval '1 hour', now(), 'failed',
                    '{}', :hostile, NULL, 'file')
        """),
        {"finished": runs.finished, "failed": runs.failed, "lines": LINES, "hostile": SCRIPT},
    )
    connection.execute(
        text("""
            INSERT INTO reconciliation_findings (run_id, number, break_id, type, subject, flow_id, ours, theirs,
                                                 amount_at_risk, asset, suggested_action)
            SELECT :run, n, :found, 'unmatched_event', 'subject ' || n || ' ' || :hostile, :flow, NULL, :hostile,
                   250000000, 'USDC', :hostile
              FROM generate_series(1, :lines) AS n
        """),
        {"run": runs.finished, "found": found, "flow": scene.ownerless, "hostile": SCRIPT, "lines": LINES},
    )
    gates.pause(connection, "stripe", reason=SCRIPT, by=HOSTILE_CUSTOMER)
    connection.execute(
        text("INSERT INTO receiver_keys (provider, fingerprint) VALUES ('stripe', :key)"), {"key": FINGERPRINT}
    )
    connection.execute(
        text("""
            INSERT INTO poll_marks (provider, poll, subject, high_water_mark, finished_at, findings, last_error)
            VALUES ('stripe', 'onramp_sessions', 'one', now() - interval '1 hour', now(), 3, NULL),
                   ('stripe', 'onramp_sessions', 'two', now() - interval '2 hours', now() - interval '1 minute', 4,
                    :hostile)
        """),
        {"hostile": SCRIPT},
    )
    acts = [audit.Act("flow.wake", str(scene.moving), {"state": "received"})] * LINES
    audit.append(connection, "bo", acts)
    audit.append(connection, HOSTILE_CUSTOMER, [audit.Act("break.note", SCRIPT, {SCRIPT: None, "reason": SCRIPT})])
    return runs
