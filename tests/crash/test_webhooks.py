"""Webhooks that never come, or come as they like, while replies get lost: polling finds all, each is paid once."""

import pytest

from tests.support.fleet import Fleet

pytestmark = pytest.mark.timeout(300)

ALL_DROPPED = {"name": "webhook_dropped", "provider": "due", "probability": 1.0}
MISBEHAVING = (
    {"name": "webhook_dropped", "provider": "due", "probability": 0.5},
    {"name": "webhook_doubled", "provider": "due", "probability": 0.34, "seconds": 0.3},
    {"name": "webhook_reordered", "provider": "due", "probability": 1.0},
    {"name": "reply_lost", "provider": "*", "probability": 0.1},
)


def test_with_every_webhook_dropped_polling_finds_and_finishes_every_deposit(fleet: Fleet) -> None:
    before = fleet.one("SELECT count(*) FROM inbox_events WHERE source = 'webhook'")
    fleet.faults(ALL_DROPPED)
    sent = fleet.send(12)
    fleet.finished(sent)

    assert fleet.one("SELECT count(*) FROM inbox_events WHERE source = 'webhook'") == before
    by_poll = """
        SELECT count(*) FROM transitions t JOIN flow_references r ON r.flow_id = t.flow_id
         WHERE t.from_state IS NULL AND t.reason LIKE 'poll %%' AND r.external_id = ANY(%s)
    """
    assert fleet.one(by_poll, list(sent)) == len(sent)


def test_dropped_doubled_and_reordered_with_replies_lost_each_deposit_is_one_journal(fleet: Fleet) -> None:
    fleet.faults(*MISBEHAVING)
    sent = fleet.send(24, step_seconds=0.3)
    fleet.finished(sent)

    struck = fleet.system.control("GET", "counts")["faults"]
    assert {"webhook_dropped", "webhook_doubled", "webhook_reordered", "reply_lost"} <= {
        name for name, count in struck.items() if count
    }
    journals = fleet.rows(
        """
        SELECT f.state, count(j.external_id) AS journals FROM flow_references r JOIN flows f ON f.id = r.flow_id
          LEFT JOIN flow_references j ON j.flow_id = f.id AND j.kind = 'journal'
         WHERE r.external_id = ANY(%s) GROUP BY f.id
        """,
        list(sent),
    )
    assert {(row["state"], row["journals"]) for row in journals} == {("broker_funded", 1), ("returned", 0)}
