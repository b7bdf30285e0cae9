"""Due's webhooks on a real socket: signed, logged, tried again, resent."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from sandbox.server import SandboxServer
from tests.contract.sandbox.stage import Receiver, Stage, make_stage, wait_for


def register(stage: Stage, receiver: Receiver, **more: Any) -> dict[str, Any]:
    answer = stage.due.post("/v1/webhook_endpoints", {"url": receiver.url, **more})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def log_of(stage: Stage, endpoint: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = stage.due.get(f"/v1/webhook_endpoints/{endpoint['id']}/events/{query}").json()[
        "items"
    ]
    return items


class TestDelivery:
    def test_is_signed_over_the_raw_body_with_the_endpoints_key(self, stage: Stage, receiver: Receiver) -> None:
        endpoint = register(stage, receiver)
        transfer_id = stage.deposit()
        wait_for(lambda: len(receiver.got) == 5)

        key = load_pem_public_key(endpoint["publicKey"].encode())
        announced = load_der_public_key(base64.b64decode(stage.server.ready()["due_public_key"]))
        assert key == announced
        for headers, body in receiver.got:
            signature = bytes.fromhex(headers["X-Webhook-Signature"])
            assert isinstance(key, Ed25519PublicKey)
            key.verify(signature, body)
        event = json.loads(receiver.got[0][1])
        assert set(event) == {"id", "type", "data", "occurredAt", "attemptedAt"}
        assert event["data"]["id"] == transfer_id
        assert event["data"]["source"]["virtualAccountId"] == stage.customer["virtual_account"]

    def test_is_logged_and_resent_with_the_same_bytes(self, stage: Stage, receiver: Receiver) -> None:
        endpoint = register(stage, receiver)
        receiver.status = 500
        stage.deposit(path=["funds_received"])
        failed = wait_for(lambda: log_of(stage, endpoint, "?onlyFailed=true"))
        assert (failed[0]["attempts"], failed[0]["responseStatusCode"]) == (1, 500)

        receiver.status = 200
        retry = f"/v1/webhook_endpoints/{endpoint['id']}/events/{failed[0]['id']}/retry"
        assert stage.due.post(retry).status_code == 200

        wait_for(lambda: len(receiver.got) == 2)
        wait_for(lambda: not log_of(stage, endpoint, "?onlyFailed=true"))
        assert receiver.got[0][1] == receiver.got[1][1]
        assert receiver.got[0][0]["X-Webhook-Signature"] == receiver.got[1][0]["X-Webhook-Signature"]

    def test_is_tried_again_by_itself(self, receiver: Receiver) -> None:
        with SandboxServer(config={"time_scale": 6000, "due_webhook_url": receiver.url}) as server:
            receiver.status = 503
            make_stage(server).deposit(path=["funds_received"])
            wait_for(lambda: len(receiver.got) == 3)
        assert len({body for _, body in receiver.got}) == 1

    def test_goes_only_where_it_is_wanted(self, stage: Stage, receiver: Receiver) -> None:
        register(stage, receiver, events=["bp.tos_accepted"])
        stage.deposit()
        assert stage.control.get("/_control/counts").json()["webhooks"]["events"] == 0

    def test_of_the_seeds_kind_carries_the_hmac(self, stage: Stage, receiver: Receiver) -> None:
        register(stage, receiver)
        body = {"virtual_account_id": stage.customer["virtual_account"], "amount": "250.00"}
        stage.control.post("/_control/due/legacy_deposits", body)
        headers, raw = wait_for(lambda: receiver.got)[0]
        secret = stage.server.world.config.due_legacy_secret.encode()
        assert headers["X-Due-Signature"] == hmac.new(secret, raw, hashlib.sha256).hexdigest()
        assert json.loads(raw)["event"] == "deposit"


class TestLog:
    def test_is_paged_and_keeps_what_was_dropped(self, stage: Stage, receiver: Receiver) -> None:
        endpoint = register(stage, receiver)
        stage.fault("webhook_dropped", provider="due")
        stage.deposit()
        path = f"/v1/webhook_endpoints/{endpoint['id']}/events?onlyFailed=true&order=asc&limit=3"
        first = wait_for(lambda: (page := stage.due.get(path).json())["next"] and page)
        second = stage.due.get(f"{path}&next={first['next']}").json()
        statuses = [item["eventData"]["data"]["status"] for item in (*first["items"], *second["items"])]
        assert statuses[0] == "awaiting_funds"
        assert len(statuses) == 5
        assert receiver.got == []

    def test_can_lose_an_event_too(self, stage: Stage, receiver: Receiver) -> None:
        endpoint = register(stage, receiver)
        stage.fault("webhook_dropped", provider="due", logged="absent")
        stage.deposit(path=["funds_received"])
        assert log_of(stage, endpoint) == []

    @pytest.mark.parametrize("how", ["object", "text", "base64", "integers"])
    def test_shows_event_data_in_each_of_four_ways(self, how: str, receiver: Receiver) -> None:
        with SandboxServer(config={"event_data": how, "due_webhook_url": receiver.url}) as server:
            stage = make_stage(server)
            stage.deposit(path=["funds_received"])
            wait_for(lambda: receiver.got)
            (item,) = log_of(stage, {"id": server.ready()["due_webhook_endpoint_id"]})
        data = item["eventData"]
        if how == "base64":
            data = base64.b64decode(data)
        if how == "integers":
            data = bytes(data)
        assert (data if how == "object" else json.loads(data)) == json.loads(receiver.got[0][1])


class TestEndpoints:
    def test_are_made_changed_and_removed(self, stage: Stage, receiver: Receiver) -> None:
        endpoint = register(stage, receiver)
        assert stage.due.post("/v1/webhook_endpoints", {"url": receiver.url}).status_code == 409
        path = f"/v1/webhook_endpoints/{endpoint['id']}"
        assert stage.due.post(path, {"enabled": False}).json()["enabled"] is False
        assert [one["id"] for one in stage.due.get("/v1/webhook_endpoints").json()["items"]] == [endpoint["id"]]
        assert "transfer.status_changed" in stage.due.get("/v1/webhook_endpoints/events").json()
        assert stage.due.call("DELETE", path).status_code == 204
        assert stage.due.post(path, {}).status_code == 404

    def test_have_keys_of_their_own(self, stage: Stage) -> None:
        keys = {
            stage.due.post("/v1/webhook_endpoints", {"url": f"http://127.0.0.1:9/{number}"}).json()["publicKey"]
            for number in range(2)
        }
        assert len(keys) == 2
