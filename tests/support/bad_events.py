"""Events at the real door and in the real ingest, and what there is to be seen of them afterwards."""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import structlog
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from dispatch import logs
from ops.alerts import firing
from ops.reports.metrics import fleet_metrics
from tests.support.door import Signer, no_redis, samples, settings
from tests.support.signing import IBEX_SECRET, STRIPE_SECRET, bridge_headers, bridge_key, stripe_headers
from web.app import create_app, stop
from workers.desk import WorkerDesk, make_desk

SIGNER = Signer()
KEYS = {
    "DUE_WEBHOOK_PUBLIC_KEYS": SIGNER.setting,
    "DUE_API_KEY": "key",
    "BRIDGE_WEBHOOK_PUBLIC_KEYS": bridge_key().der_base64,
    "BRIDGE_API_KEY": "key",
    "IBEX_WEBHOOK_SECRETS": IBEX_SECRET,
    "IBEX_EMAIL": "ops",
    "IBEX_PASSWORD": "key",
    "STRIPE_WEBHOOK_SECRETS": STRIPE_SECRET,
    "STRIPE_SECRET_KEY": "key",
    **{f"{one}_BASE_URL": f"https://{one.lower()}.invalid" for one in ("DUE", "BRIDGE", "IBEX", "STRIPE")},
}


class Seen:
    """One door, one worker's ingest, one log."""

    def __init__(self, client: FlaskClient, desk: WorkerDesk, engine: Engine, log: io.StringIO) -> None:
        self.client = client
        self.desk = desk
        self.engine = engine
        self.log = log

    def knock(self, provider: str, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Post it, proved as the provider would unless `headers` say otherwise: the status, and the answer's word."""
        proved = proof(provider, body) if headers is None else dict(headers)
        answer = self.client.post(f"/webhooks/{provider}", data=body, headers=proved)
        said = answer.json or {}
        return answer.status_code, str(said.get("status" if answer.status_code == 200 else "type")).rpartition(":")[2]

    def take(self, body: bytes, provider: str = "due") -> dict[str, Any]:
        """Post it proved, ingest it; the event's row."""
        assert self.knock(provider, body) == (200, "accepted")
        self.ingest()
        with self.engine.connect() as connection:
            found = connection.execute(text("SELECT * FROM inbox_events ORDER BY id DESC LIMIT 1")).mappings().one()
        return dict(found)

    def ingest(self) -> None:
        """Handle every event that is due."""
        self.desk.events(self.values("SELECT id FROM inbox_events WHERE due_at <= rk_now()"))

    def empty(self) -> None:
        """Forget the events; what came of them cannot be taken back, so they must not have opened anything."""
        with self.engine.begin() as connection:
            connection.execute(text("TRUNCATE inbox_events CASCADE"))
        self.log.truncate(0)

    def values(self, query: str) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query)).scalars())

    def counts(self, *tables: str) -> list[int]:
        """How many rows each holds."""
        return [self.values(f"SELECT count(*) FROM {table}")[0] for table in tables]  # noqa: S608 -- our own names

    def fires(self) -> set[str]:
        """The alerts that fire, but for those about processes that no test runs."""
        with self.engine.connect() as connection:
            return {alert.rule.name for alert in firing(connection)} - {"clock-stopped", "no-workers"}

    def refused(self, provider: str) -> Mapping[str, float]:
        """What the door turned away, by reason."""
        page = samples(self.client.get("/metrics").text)
        start = f'rampkeeper_door_refusals_total{{provider="{provider}",reason="'
        return {name.removeprefix(start)[:-2]: count for name, count in page.items() if name.startswith(start)}


def proof(provider: str, body: bytes) -> dict[str, str]:
    """The headers that prove it, now; IBEX's proof stands within the body."""
    now = datetime.now(UTC)
    match provider:
        case "due":
            return dict(SIGNER.headers(body))
        case "bridge":
            return bridge_headers(body, now)
        case "stripe":
            return stripe_headers(body, now)
        case _:
            return {}


def echoing(body: Mapping[str, Any], name: str = "webhookSecret") -> bytes:
    """A body of IBEX's with its secret."""
    return json.dumps({**body, name: IBEX_SECRET}).encode()


@contextmanager
def watching(engine: Engine, database_url: str) -> Iterator[Seen]:
    """A door and an ingest on that database, with nobody to call."""
    log = io.StringIO()
    logs.configure("debug", stream=log)
    read = settings(database_url, "redis://127.0.0.1:1", **KEYS)
    app = create_app(read, engine=engine, redis=no_redis(), wake=lambda ids: None, fleet_metrics=fleet_metrics)
    desk = make_desk(read)
    yield Seen(app.test_client(), desk, engine, log)
    stop(app)
    desk.close()
    structlog.reset_defaults()


def set_aside(seen: Seen, provider: str, body: bytes, reason: str) -> None:
    """Take it in: quarantined once, with a reason for people, alerted; nothing is credited and nothing is asked."""
    seen.empty()

    row = seen.take(body, provider)

    assert (row["state"], reason in (row["reason"] or "")) == ("dead", True), row["reason"]
    letters = seen.values("SELECT error FROM dead_letters WHERE event_id IS NOT NULL AND flow_id IS NULL")
    assert letters == ["unusable_event"]
    assert seen.counts("flows", "journal_entries", "receipts", "looks") == [0, 0, 0, 0]
    assert "dead-letters-open" in seen.fires()
    said = seen.log.getvalue()
    assert "exception" not in said
    assert "Traceback" not in said


def is_only_a_hint(seen: Seen, provider: str, body: bytes, state: str) -> None:
    """Take it in: it is no fault, and it moves nothing by itself."""
    row = seen.take(body, provider)

    assert (row["state"], row["reason"] if state == "handled" else None) == (state, None)
    assert seen.counts("dead_letters", "journal_entries", "receipts") == [0, 0, 0]
    assert "exception" not in seen.log.getvalue()
