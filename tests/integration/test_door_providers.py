"""Bridge, IBEX and Stripe at the web process as it is deployed: over a socket, by the real clock, into Postgres."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from db.engine import make_engine
from embedded.services import Services
from tests.integration.test_door_process import ask, web
from tests.support.databases import Databases
from tests.support.signing import (
    IBEX_SECRET,
    STRIPE_OLD_SECRET,
    STRIPE_SECRET,
    bridge_event,
    bridge_headers,
    bridge_key,
    ibex_event,
    stripe_event,
    stripe_headers,
)
from tests.unit import test_bridge_signature as bridge_sheet
from tests.unit import test_stripe_signature as stripe_sheet

BRIDGE = ["/webhooks/bridge", "/webhooks/bridge/kyc", "/webhooks/bridge/deposit", "/webhooks/bridge/transfer"]
STRIPE = ["/webhooks/stripe", "/webhook/stripe"]
IBEX = ["/webhooks/ibex", "/webhooks/ibex/crypto-receive"]
VECTORS = f"{bridge_sheet.PUBLISHED_KEY},{bridge_sheet.KEY},{bridge_key().der_base64}"


@pytest.fixture(scope="module")
def port(services: Services, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Engine]]:
    """A web process and its database; what it logged is looked through at the end."""
    log: Path = tmp_path_factory.mktemp("door") / "log"
    with ExitStack() as stack:
        url = stack.enter_context(Databases(services.database_url).clone(template))
        engine = make_engine(url, pool=1)
        stack.callback(engine.dispose)
        written = stack.enter_context(log.open("w"))
        process, number = stack.enter_context(
            web(
                url,
                services.redis_url,
                log=written,
                BRIDGE_WEBHOOK_PUBLIC_KEYS=VECTORS,
                BRIDGE_DEPOSIT_WEBHOOK_PUBLIC_KEYS=bridge_key(1).der_base64,
                IBEX_WEBHOOK_SECRETS=f"another-secret,{IBEX_SECRET}",
                STRIPE_WEBHOOK_SECRETS=f"{STRIPE_SECRET},{STRIPE_OLD_SECRET}@/2026-01-01",
                LOG_LEVEL="debug",
            )
        )
        yield number, engine
        assert process.poll() is None
    said = log.read_text()
    assert "webhook.refused" in said
    for secret in (IBEX_SECRET, STRIPE_SECRET, "tx_1", "cos_1", "Traceback"):
        assert secret not in said


def told(port: int, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, str]:
    sent = {"Content-Type": "application/json", **(headers or {})}
    status, said = ask(port, "POST", path, body, **{name.replace("-", "_"): value for name, value in sent.items()})
    document = json.loads(said)
    return status, document.get("type", document["status"] if status == 200 else "").rpartition(":")[2]


def stored(engine: Engine, event_id: str) -> Any:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT * FROM inbox_events WHERE event_id = :id"), {"id": event_id})
        return found.mappings().one_or_none()


def now() -> datetime:
    return datetime.now(UTC)


class TestBridge:
    def test_its_sheets_vectors_are_right_but_old_and_a_single_digest_is_wrong(self, port: tuple[int, Engine]) -> None:
        """Right comes before old: a wrong signature never learns of our clock."""
        published = bridge_sheet.signed(bridge_sheet.PUBLISHED_SIGNATURE, "1705854411204")
        single = bridge_sheet.signed(bridge_sheet.SINGLE_DIGEST)
        path = BRIDGE[0]
        assert told(port[0], path, bridge_sheet.PUBLISHED_BODY, published) == (400, "timestamp-stale")
        assert told(port[0], path, bridge_sheet.BODY, bridge_sheet.signed()) == (400, "timestamp-stale")
        assert told(port[0], path, bridge_sheet.BODY, single) == (401, "signature-wrong")
        assert stored(port[1], "wh_testvector0001") is None

    @pytest.mark.parametrize("path", BRIDGE)
    def test_each_route_takes_what_its_own_key_signed_now(self, port: tuple[int, Engine], path: str) -> None:
        body, own = bridge_event(f"wh_{path}"), 1 if path.endswith("deposit") else 0
        assert told(port[0], path, body, bridge_headers(body, now(), key=1 - own)) == (401, "signature-wrong")
        assert told(port[0], path, body, bridge_headers(body, now(), key=own)) == (200, "accepted")
        assert told(port[0], path, body, bridge_headers(body, now(), key=own)) == (200, "duplicate")
        row = stored(port[1], f"wh_{path}")
        assert (row["provider"], row["route"], row["type"], bytes(row["body"])) == (
            *("bridge", path, "transfer.updated"),
            body,
        )

    def test_microseconds_for_milliseconds_are_a_time_far_from_now(self, port: tuple[int, Engine]) -> None:
        body, shown = bridge_event("wh_micro"), round(now().timestamp() * 1_000_000)
        headers = {"X-Webhook-Signature": f"t={shown},v0={bridge_key().signature(body, shown)}"}
        assert told(port[0], BRIDGE[0], body, headers) == (400, "timestamp-stale")


class TestStripe:
    @pytest.mark.parametrize("path", STRIPE)
    def test_its_sheets_vector_is_right_but_old(self, port: tuple[int, Engine], path: str) -> None:
        assert told(port[0], path, stripe_sheet.BODY, stripe_sheet.signed()) == (400, "timestamp-stale")
        assert told(port[0], path, stripe_sheet.BODY + b" ", stripe_sheet.signed())[0] == 401

    @pytest.mark.parametrize("path", STRIPE)
    def test_an_event_signed_now_is_stored(self, port: tuple[int, Engine], path: str) -> None:
        body = stripe_event(f"evt_{path}")
        assert told(port[0], path, body, stripe_headers(body, now(), "whsec_x", STRIPE_SECRET)) == (200, "accepted")
        assert told(port[0], path, body, stripe_headers(body, now() - timedelta(minutes=6)))[1] == "timestamp-stale"
        assert stored(port[1], f"evt_{path}")["type"] == "crypto.onramp_session.updated"

    def test_a_secret_whose_window_ended_proves_nothing(self, port: tuple[int, Engine]) -> None:
        body = stripe_event("evt_retired")
        assert told(port[0], STRIPE[0], body, stripe_headers(body, now(), STRIPE_OLD_SECRET))[0] == 401
        assert stored(port[1], "evt_retired") is None


class TestIbex:
    @pytest.mark.parametrize("path", IBEX)
    def test_an_event_is_stored_without_its_secret(self, port: tuple[int, Engine], path: str) -> None:
        name = f"tx_{path}"
        assert told(port[0], path, ibex_event(name)) == (200, "accepted")
        assert told(port[0], path, ibex_event(name, secret="another-secret")) == (200, "duplicate")
        row = stored(port[1], f"{name}:completed")
        assert (row["provider"], row["type"]) == ("ibex", "account.transaction")
        assert json.loads(bytes(row["body"])) == json.loads(ibex_event(name, secret=...))
        assert "whsec" not in str(dict(row))

    def test_the_sheets_vector_passes_and_its_neighbours_do_not(self, port: tuple[int, Engine]) -> None:
        flat = {"tx_hash": "0xabc", "address": "0x52908400098527886E0F7030069857D2E4169EE7", "network": "ethereum"}
        answers = [
            told(port[0], IBEX[0], json.dumps(flat | {"webhookSecret": said}).encode())[0]
            for said in (IBEX_SECRET, "ibx_whsec_7Qm3", "IBX_WHSEC_7Qm2", "", None, 7)
        ]
        assert answers == [200, 401, 401, 401, 401, 401]
        assert told(port[0], IBEX[0], json.dumps(flat).encode()) == (401, "signature-missing")

    def test_what_is_not_json_is_400_before_it_is_asked_for_a_secret(self, port: tuple[int, Engine]) -> None:
        assert told(port[0], IBEX[0], f'{{"secret":"{IBEX_SECRET}"'.encode()) == (400, "not-an-object")

    def test_a_huge_body_is_413(self, port: tuple[int, Engine]) -> None:
        assert told(port[0], IBEX[0], ibex_event(more="x" * 262_144)) == (413, "too-large")


def test_nobodys_proof_opens_the_door_of_another(port: tuple[int, Engine]) -> None:
    body = ibex_event("tx_other")
    proofs = bridge_headers(body, now()) | stripe_headers(body, now(), "not-stripes")
    assert told(port[0], "/webhooks/due", body, proofs)[0] == 401
    assert told(port[0], STRIPE[0], body, proofs)[0] == 401
    assert told(port[0], BRIDGE[0], body, stripe_headers(body, now()))[0] == 401
    assert told(port[0], IBEX[0], ibex_event("tx_other", secret=STRIPE_SECRET), proofs)[0] == 401
    assert stored(port[1], "tx_other:completed") is None
