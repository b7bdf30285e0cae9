"""Keys, tokens and webhook secrets of Bridge, IBEX and Stripe, and whom they know: said and kept nowhere."""

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from db import ledger
from db.customers import NewLink
from dispatch.wake import Wake
from funding.ledger import accounts
from funding.ledger.entries import credit, debit, entry
from funding.money import Money
from ops.actions import customers, top_ups, withdrawals
from ops.actions.desk import Desk
from ops.reports.metrics import fleet_metrics
from tests.integration.test_bad_secrets import everything_in, everything_in_redis, work
from tests.support.command_line import CommandLine
from tests.support.door import settings
from tests.support.signing import bridge_event, bridge_headers, bridge_key, stripe_event, stripe_headers
from tests.support.telling import Heard, listening
from tests.support.visitor import USERS, Visitor
from web.app import create_app, stop
from workers.desk import make_desk

STRIPE_SECRET = "whsec_stripe_planted"
IBEX_SECRET = "ibex-echoed-planted"
SECRETS = {
    "BRIDGE_API_KEY": "sk-bridge-planted-1,sk-bridge-planted-2",
    "STRIPE_SECRET_KEY": "sk_test_planted_1,sk_test_planted_2",
    "STRIPE_WEBHOOK_SECRETS": STRIPE_SECRET,
    "IBEX_WEBHOOK_SECRETS": IBEX_SECRET,
    "METRICS_TOKEN": "metrics-planted",
}
SIGN_IN = {
    "client": {"IBEX_CLIENT_ID": "client-1", "IBEX_CLIENT_SECRET": "client-secret-planted", "IBEX_AUDIENCE": "aud"},
    "e-mail": {"IBEX_EMAIL": "ibex%40planted.example", "IBEX_PASSWORD": "password-planted"},
}
TOKEN = "eyJ-token-planted"
PEOPLE = ["Ximena Plantada", "ximena@planted.example", "900100200300"]
PLANTED = [*PEOPLE, "planted", "Plantada"]
WALLET = "0x52908400098527886E0F7030069857D2E4169EE7"
HOME = "TDeuy7kpVisCUnthKSJWSEa4YctUzB7Ks4"
SAID = f"{PEOPLE[1]} may not pay to 900100200300 with CREDENTIAL"  # our own, as a careless provider may repeat it
ANSWERS: dict[str, tuple[int, bytes]] = {
    "refused": (422, json.dumps({"message": SAID, "code": "invalid_parameters"}).encode()),
    "refused, as Stripe does": (
        400,
        json.dumps({"error": {"message": SAID, "type": "invalid_request_error"}}).encode(),
    ),
    "refused, in plain text": (400, SAID.encode()),
    "broken": (500, json.dumps({"error": SAID}).encode()),
    "not let in": (401, json.dumps({"message": SAID}).encode()),
    "forbidden": (403, json.dumps({"message": SAID}).encode()),
    "nonsense": (200, f"<html>{PEOPLE[0]} {PEOPLE[1]}".encode()),
    "wrong shape": (200, json.dumps({"id": PEOPLE[0], "status": [SAID], "client_secret": "cos_planted"}).encode()),
}
MADE = "made"  # all that creates succeeds, and tells more than we asked for; the rest is refused


class Provider(http.server.ThreadingHTTPServer):
    """Bridge, IBEX and Stripe at one address: signing in and reading customers goes well, the rest as `mode` says."""

    daemon_threads = True
    mode = "refused"
    asked: dict[str, int]
    reference: str | None = None  # of the transfer that was ordered


class Answering(http.server.BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self._asked("")

    def do_POST(self) -> None:
        self._asked(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

    def _asked(self, body: str) -> None:
        name = f"{self.command} {self.path.partition('?')[0]}"
        self.server.asked[name] = self.server.asked.get(name, 0) + 1
        if body.startswith("{"):
            self.server.reference = json.loads(body).get("client_reference_id") or self.server.reference
        well = {**_ALWAYS, **(_made(body, self.server.reference) if self.server.mode == MADE else {})}
        found = well.get(name)
        refused = ANSWERS["refused" if self.server.mode == MADE else self.server.mode]
        self._answer(*((200, json.dumps(found).encode()) if found is not None else refused))

    def _answer(self, status: int, body: bytes) -> None:
        given = self.headers.get("Api-Key") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        body = body.replace(b"CREDENTIAL", given.encode())
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the test's own output."""


_ALWAYS: dict[str, Any] = {
    "POST /oauth/token": {"access_token": TOKEN, "expires_in": 86400},
    "POST /auth/signin": {"accessToken": TOKEN, "refreshToken": f"refresh-{TOKEN}"},
    "GET /v0/customers/cust_1": {
        "id": "cust_1", "status": "active", "has_accepted_terms_of_service": True, "email": PEOPLE[1],
        "first_name": PEOPLE[0],
    },
}  # fmt: skip


def _made(body: str, reference: str | None) -> dict[str, Any]:
    now = datetime.now(UTC)
    named = dict(one.split("=", 1) for one in body.split("&") if "=" in one)
    transfer = {
        "id": "tr_1", "state": "awaiting_funds", "amount": "100.0", "on_behalf_of": "cust_1",
        "client_reference_id": reference, "created_at": now.isoformat(),
        "source": {"payment_rail": "tron", "currency": "usdt"},
        "destination": {"payment_rail": "ach", "currency": "usd", "account_owner_name": PEOPLE[0]},
        "source_deposit_instructions": {
            "payment_rail": "tron", "currency": "usdt", "amount": "100.0", "to_address": HOME,
            "bank_account_number": PEOPLE[2],
        },
    }  # fmt: skip
    session = {
        "id": "cos_1", "object": "crypto.onramp_session", "status": "initialized", "created": int(now.timestamp()),
        "client_secret": "cos_1_secret_planted", "redirect_url": "https://crypto.link.example/s/planted",
        "metadata": {"flow": named.get("metadata[flow]")}, "transaction_details": None,
        "kyc_details": {"email": PEOPLE[1]},
    }  # fmt: skip
    return {
        "POST /v0/transfers": transfer,
        "GET /v0/transfers/tr_1": transfer,
        "POST /v1/crypto/onramp_sessions": session,
    }


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(("127.0.0.1", 0), Answering) as server:
        server.asked = {}
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def said() -> Iterator[Heard]:
    with listening("debug", process="worker") as found:
        yield found


def a_customer(desk: Desk) -> None:
    """Somebody with links everywhere, and tokens."""
    links = [
        ("bridge", "customer", "cust_1", {}),
        ("bridge", "virtual_account", "va_1", {}),
        ("bridge", "external_account", "ea_1", {"bank_name": "Chase", "last4": "0042"}),
        ("ibex", "account", "acc_1", {}),
        ("stripe", "wallet_address", WALLET, {"network": "ethereum"}),
    ]
    made = [NewLink(customer="c1", provider=p, kind=k, external_id=i, attributes=a) for p, k, i, a in links]
    customers.add_customer(desk, "c1", level=2, links=made)
    amount = Money(1000_000000, "USDT")
    opening = entry(
        "test/c1",
        "opening",
        debit(accounts.clearing("ibex", "USDT"), amount),
        credit(accounts.wallet("c1", "USDT"), amount),
    )
    with desk.begin() as connection:
        ledger.post(connection, None, (opening,))


def told(client: Any) -> list[int]:
    """Events of each provider, proved and not, some with what they must not hold."""
    activity = {
        "id": "act_1", "type": "funds_received", "deposit_id": "dep_1", "amount": "250.00", "currency": "usd",
        "customer_id": "cust_1", "virtual_account_id": "va_1", "source": {"sender_name": PEOPLE[0]},
    }  # fmt: skip
    bridge = bridge_event(event_category="virtual_account.activity", event_type="created", event_object=activity,
                          event_object_id="act_1")  # fmt: skip
    stripe = stripe_event(data={"object": {"id": PEOPLE[1], "client_secret": "cos_1_secret_planted"}})
    flat = {"tx_hash": "0xabc", "address": HOME, "network": "tron", "note": PEOPLE[0]}
    now = datetime.now(UTC)
    sent: list[tuple[str, bytes, dict[str, str]]] = [
        ("bridge", bridge, bridge_headers(bridge, now)),
        ("bridge", bridge, {"X-Webhook-Signature": f"t=1,v0={STRIPE_SECRET}"}),
        ("stripe", stripe, stripe_headers(stripe, now, STRIPE_SECRET)),
        ("stripe", stripe, {"Stripe-Signature": f"t=1,v1={IBEX_SECRET}"}),
        ("ibex", json.dumps(flat | {"webhookSecret": IBEX_SECRET}).encode(), {}),
        (
            "ibex",
            json.dumps(
                {"secret": IBEX_SECRET, "transaction": {"id": PEOPLE[0]}, "x": {"secret": IBEX_SECRET}}
            ).encode(),
            {},
        ),
        ("ibex", json.dumps(flat | {"webhookSecret": f"{IBEX_SECRET}-wrong"}).encode(), {}),
    ]
    return [client.post(f"/webhooks/{name}", data=body, headers=headers).status_code for name, body, headers in sent]


def pages_of(client: Any, flows: list[UUID]) -> str:
    visitor = Visitor(client).sign_in()
    paths = ["/", "/flows?view=all", "/dead-letters", "/breaks", "/search?q=cos_1", *(f"/flows/{one}" for one in flows)]
    return "\n".join(visitor.get(path).text for path in paths)


@pytest.mark.parametrize("way", SIGN_IN)
@pytest.mark.parametrize("mode", [*ANSWERS, MADE])
def test_nothing_planted_is_said_or_kept_however_a_step_fails(
    mode: str, way: str, provider: Provider, said: Heard, engine: Engine, database_url: str, valkey_url: str
) -> None:
    provider.mode = mode
    address = f"http://127.0.0.1:{provider.server_address[1]}"
    urls = {f"{one}_BASE_URL": address for one in ("BRIDGE", "IBEX", "STRIPE")}
    more = {"IBEX_AUTH_URL": address} if way == "client" else {}
    key = bridge_key().der_base64
    read = settings(
        database_url, valkey_url, **SECRETS, **SIGN_IN[way], **urls, **more, BRIDGE_WEBHOOK_PUBLIC_KEYS=key,
        OPS_USERS=USERS, RETRY_TRIES="1", RETRY_FIRST_S="0.05",
    )  # fmt: skip
    desk = make_desk(read)
    operator = Desk(begin=desk.begin, by="ana")
    a_customer(operator)
    wake = Wake(desk.broker, desk.redis).events
    client = (
        app := create_app(read, engine=engine, redis=desk.redis, wake=wake, fleet_metrics=fleet_metrics)
    ).test_client()
    desk.session.start()
    try:
        top_ups.create(
            operator, top_ups.Wanted(customer="c1", network="ethereum", amount=Money(100_000000, "USDC")), enabled=True
        )
        withdrawals.create(
            operator, withdrawals.Wanted(customer="c1", amount="100", external_account="ea_1"), enabled=True
        )
        assert told(client) == [200, 401, 200, 401, 200, 200, 401]
        work(desk)
        with engine.connect() as connection:
            flows = list(connection.execute(text("SELECT id FROM flows")).scalars())
        places = {
            "metrics": client.get("/metrics", headers={"Authorization": "Bearer metrics-planted"}).text,
            "pages": pages_of(client, flows),
        }
    finally:
        desk.session.end()
        stop(app)
        desk.close()

    asked = provider.asked
    assert asked["POST /v1/crypto/onramp_sessions"] > 0
    assert asked["POST /v0/transfers"] > 0
    assert mode != MADE or asked["POST /oauth/token" if way == "client" else "POST /auth/signin"] == 1
    cli = CommandLine(database_url)
    listings = [("events", "list"), ("flows", "list"), ("dead-letters", "list"), ("providers", "list"),
                ("top-ups", "list"), ("withdrawals", "list"), ("report", "daily", "--format", "csv"),
                *(("flows", "show", str(flow)) for flow in flows)]  # fmt: skip
    places |= {
        "log": said.log.getvalue(),
        "Sentry": json.dumps(said.sentry),
        "Redis": everything_in_redis(valkey_url),
        "database": everything_in(engine),
        "command line": "\n".join(cli(*words).output for words in listings),
        "settings": repr(read) + repr(desk),
    }
    for place, content in places.items():
        for word in PLANTED:
            at = content.find(word)
            assert at < 0, f"{word!r} in {place}: ...{content[max(at - 300, 0) : at + 200]}"
