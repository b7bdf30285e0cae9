"""Secrets and people: planted wherever they can come in, looked for wherever something is said or kept."""

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from db import due_work
from db.customers import NewLink
from dispatch.wake import Wake
from funding.flows.table import FLOWS
from ops.actions import customers
from ops.actions.desk import Desk
from ops.reports.metrics import fleet_metrics
from tests.support.command_line import CommandLine
from tests.support.door import Signer, settings
from tests.support.telling import Heard, listening
from web.app import create_app, stop
from workers.desk import WorkerDesk, make_desk

SIGNER = Signer()
BROKERAGE = "9f0d1c1e-0a52-4c39-9d40-2f6d8a7b1c01"
FIRM = "9f0d1c1e-0a52-4c39-9d40-2f6d8a7b1c99"
SECRETS = {
    "DUE_API_KEY": "due-key-planted-1,due-key-planted-2",
    "DUE_LEGACY_WEBHOOK_SECRET": "legacy-planted",
    "ALPACA_KEY_ID": "ALPACAIDPLANTED",
    "ALPACA_SECRET": "alpaca-secret-planted",
    "NOTIFY_WEBHOOK_SECRETS": "whsec_cGxhbnRlZHBsYW50ZWRwbGFudGVkcGxhbnRlZA==",
    "METRICS_TOKEN": "metrics-planted",
    "ENCRYPTION_KEYS": "k1:cGxhbnRlZHBsYW50ZWRwbGFudGVkcGxhbnRlZDEyMzQ=",
}
PEOPLE = ["Ximena Plantada", "ximena@planted.example", "900100200300", "101000019", "900 100 200 300"]
PLANTED = [*PEOPLE, "planted", "Plantada", "PLANTED", "cGxhbnRlZ"]
DETAILS = {"schema": "bank_us", "accountNumber": "900100200300", "routingNumber": "101000019", "name": PEOPLE[0]}


def transfer(name: str, status: str) -> dict[str, Any]:
    return {
        "id": name,
        "ownerId": "acct_1",
        "status": status,
        "source": {"amount": "250.00", "fee": "0.00", "currency": "USDC", "rail": "base", "virtualAccountId": "va_1"},
        "destination": {
            "amount": "249.25", "fee": "0.75", "currency": "USD", "rail": "ach", "label": PEOPLE[0], "details": DETAILS,
        },
        "memo": f"for {PEOPLE[0]}",
        "createdAt": "2026-01-01T10:30:00Z",
    }  # fmt: skip


SAID = f"{PEOPLE[1]} may not pay to 900100200300 with CREDENTIAL"  # its own, as a careless provider may repeat it
ANSWERS: dict[str, tuple[int, bytes]] = {
    "refused": (422, json.dumps({"code": 40010001, "message": SAID}).encode()),
    "broken": (500, json.dumps({"message": SAID, "account": DETAILS}).encode()),
    "not let in": (401, json.dumps({"message": SAID}).encode()),
    "not found": (404, json.dumps({"error": SAID}).encode()),
    "busy": (429, json.dumps({"message": SAID}).encode()),
    "nonsense": (200, f"<html>{PEOPLE[0]} {PEOPLE[1]}".encode()),
    "wrong shape": (200, json.dumps({"id": PEOPLE[0], "status": [DETAILS], "cash": PEOPLE[2]}).encode()),
    "redirect": (302, PEOPLE[0].encode()),
}


class Provider(http.server.ThreadingHTTPServer):
    """Due shows transfers as they are; everything else answers as `mode` says. It is the team's backend too."""

    daemon_threads = True
    mode = "refused"
    asked = 0


class Answering(http.server.BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.path.startswith("/v1/transfers/") and self.server.mode != "not let in":
            return self._answer(200, json.dumps(transfer(self.path.split("/")[3], "payment_processed")).encode())
        return self._answer(*ANSWERS[self.server.mode])

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    def _answer(self, status: int, body: bytes) -> None:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        plain = base64.b64decode(given).replace(b":", b" or ") if scheme == "Basic" else given.encode()
        body = body.replace(b"CREDENTIAL", plain)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", f"http://127.0.0.1:1/{PEOPLE[2]}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the test's own output."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def said() -> Iterator[Heard]:
    with listening("debug", process="worker") as found:
        yield found


def post(client: Any, body: dict[str, Any] | bytes, *, signed: bool = True) -> int:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = SIGNER.headers(raw) if signed else {"X-Webhook-Signature": PEOPLE[2]}
    status: int = client.post("/webhooks/due", data=raw, headers=headers | {"User-Agent": "due"}).status_code
    return status


def work(desk: WorkerDesk) -> None:
    """Every event, step and notification that is due now."""
    for _ in range(30):
        with desk.begin() as connection:
            connection.execute(
                text("UPDATE flows SET due_at = rk_now() WHERE due_at IS NOT NULL AND attempt_id IS NULL")
            )
            connection.execute(text("UPDATE notifications SET due_at = rk_now() WHERE due_at IS NOT NULL"))
            events = due_work.events(connection, limit=100)
            flows = due_work.flows(connection, limit=100)
            told = list(connection.execute(text("SELECT id FROM notifications WHERE due_at IS NOT NULL")).scalars())
        desk.events(events)
        for flow, kind, state in flows:
            step = FLOWS[kind].step_of(state)
            if step is not None:
                desk.step(step, flow)
        for notification in told:
            desk.notification(notification)


def everything_in(engine: Engine) -> str:
    """Every row of every table, as text."""
    with engine.connect() as connection:
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
        rows = [connection.execute(text(f"SELECT t::text FROM {table} t")).scalars() for table in tables]  # noqa: S608 - names of our own tables
        return "\n".join(row for found in rows for row in found)


def everything_in_redis(url: str) -> str:
    with Redis.from_url(url) as redis:
        return "\n".join(f"{key!r} {redis.dump(key)!r}" for key in redis.scan_iter("*"))


@pytest.mark.parametrize("mode", ANSWERS)
def test_nothing_planted_is_said_or_kept_however_a_step_fails(
    mode: str, provider: Provider, said: Heard, engine: Engine, database_url: str, valkey_url: str
) -> None:
    provider.mode = mode
    address = f"http://127.0.0.1:{provider.server_address[1]}"
    read = settings(
        database_url,
        valkey_url,
        **SECRETS,
        DUE_BASE_URL=address,
        ALPACA_BASE_URL=address,
        ALPACA_FIRM_ACCOUNT_ID=FIRM,
        DUE_WEBHOOK_PUBLIC_KEYS=SIGNER.setting,
        NOTIFY_WEBHOOK_URL=f"{address}/hook-planted",
        NOTIFY_APPRISE_URLS=f"json://ximena:planted@127.0.0.1:{provider.server_address[1]}/planted",
        NOTIFY_ALLOW_PRIVATE="1",
        RETRY_TRIES="1",
        RETRY_FIRST_S="0.05",
    )
    desk = make_desk(read)
    links = [
        NewLink(customer="c1", provider="due", kind="virtual_account", external_id="va_1",
                attributes={"mode": "va_auto", "account": "acct_1"}),
        NewLink(customer="c1", provider="alpaca", kind="brokerage_account", external_id=BROKERAGE, attributes={}),
    ]  # fmt: skip
    customers.add_customer(Desk(begin=desk.begin, by="ana"), "c1", level=2, links=links)
    app = create_app(
        read, engine=engine, redis=desk.redis, wake=Wake(desk.broker, desk.redis).events, fleet_metrics=fleet_metrics
    )
    client = app.test_client()
    desk.session.start()
    try:
        good = {"id": "e1", "type": "transfer.status_changed", "data": transfer("tf_1", "funds_received")}
        assert post(client, good) == 200
        assert post(client, good | {"id": "e2", "data": {"id": PEOPLE[0], "ownerId": PEOPLE[1]}}) == 200
        assert post(client, good | {"id": "e3", "type": "bp.kyc.status_changed", "data": DETAILS}) == 200
        assert post(client, good, signed=False) == 401
        assert post(client, json.dumps(PEOPLE).encode()) == 400
        work(desk)
        metrics = client.get("/metrics", headers={"Authorization": "Bearer metrics-planted"}).text
    finally:
        desk.session.end()
        stop(app)
        desk.close()

    assert provider.asked > 0
    cli = CommandLine(database_url)
    listings = [("events", "list"), ("flows", "list"), ("dead-letters", "list"), ("providers", "list"),
                ("notifications", "list"), ("report", "dead-letters", "--format", "html"),
                ("report", "daily", "--format", "csv")]  # fmt: skip
    places = {
        "log": said.log.getvalue(),
        "Sentry": json.dumps(said.sentry),
        "metrics": metrics,
        "Redis": everything_in_redis(valkey_url),
        "database": everything_in(engine),
        "command line": "\n".join(cli(*words).output for words in listings),
        "settings": repr(read) + repr(desk),
    }
    assert "flow" in places["Redis"] or "ingest" in places["Redis"]
    for place, content in places.items():
        for word in PLANTED:
            at = content.find(word)
            assert at < 0, f"{word!r} in {place}: ...{content[max(at - 300, 0) : at + 200]}"
