"""Bridge's webhooks: whom they reach, what they say, how they are signed, tried again and recovered."""

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_public_key

from sandbox.bridge.signing import throwaway
from sandbox.outbox import Delivery
from tests.contract.sandbox.bridge_stage import Stage, make_bridge_stage

DAY = 86_400.0


def register(stage: Stage, *categories: str, url: str = "https://own/hook", **more: Any) -> dict[str, Any]:
    wanted = {"url": url, "event_epoch": "webhook_creation", "event_categories": list(categories), **more}
    answer = stage.post("/webhooks", wanted)
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.body
    return made


def activate(stage: Stage, endpoint: dict[str, Any]) -> None:
    assert stage.call("PUT", f"/webhooks/{endpoint['id']}", {"status": "active"}).body["status"] == "active"


def verify(pem: str, delivery: Delivery) -> int:
    """The moment in the signature, in milliseconds."""
    first, _, second = delivery.headers["X-Webhook-Signature"].partition(",")
    moment, signature = first.removeprefix("t="), base64.b64decode(second.removeprefix("v0="), validate=True)
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, RSAPublicKey)
    key.verify(signature, hashlib.sha256(f"{moment}.".encode() + delivery.body).digest(), PKCS1v15(), SHA256())
    return int(moment)


def told(bodies: list[dict[str, Any]]) -> list[str]:
    return [body["event_type"] for body in bodies]


@pytest.fixture
def stage() -> Stage:
    """Nobody listens yet."""
    return make_bridge_stage(bridge_webhook_url=None)


class TestEnvelope:
    def test_carries_the_whole_object_and_what_changed(self) -> None:
        stage = make_bridge_stage()
        payment = stage.withdrawal()
        stage.run(1)
        stage.world.bridge.pay_transfer(payment.id)
        body = stage.run(0)[0]
        assert (body["api_version"], body["event_category"]) == ("v0", "transfer")
        assert body["event_type"] == "transfer.updated.status_transitioned"
        assert (body["event_object_id"], body["event_object_status"]) == (payment.id, "funds_received")
        assert body["event_object_changes"]["state"] == ["awaiting_funds", "funds_received"]
        assert body["event_object"] == stage.get(f"/transfers/{payment.id}")

    def test_numbers_every_event_and_has_no_status_for_activity(self) -> None:
        stage = make_bridge_stage()
        stage.world.bridge.deposit(stage.account().id)
        bodies = stage.run(60)
        assert [body["event_sequence"] for body in bodies] == list(range(1, len(bodies) + 1))
        activity = [body for body in bodies if body["event_category"] == "virtual_account.activity"]
        assert {(body["event_type"], body["event_object_status"]) for body in activity} == {
            ("virtual_account.activity.created", None)
        }

    @pytest.mark.parametrize(("how", "expected"), [("bare", {"created"}), ("mixed", {"created", "transfer.created"})])
    def test_names_types_bare_if_told(self, how: str, expected: set[str]) -> None:
        stage = make_bridge_stage(bridge_event_types=how)
        stage.run(1)
        for _ in range(12):
            stage.withdrawal()
        assert {body["event_type"] for body in stage.run(1) if body["event_category"] == "transfer"} == expected

    def test_tells_kyc_of_the_link_and_of_the_customer(self) -> None:
        stage = make_bridge_stage()
        stage.world.bridge.people.decide(stage.customer, kyc="under_review")
        stage.run(1)
        stage.post(f"/customers/{stage.customer.id}/simulate_kyc_approval")
        link, customer = stage.run(1)
        assert (link["event_object_status"], customer["event_object_status"]) == ("approved", "active")
        assert customer["event_object_changes"]["status"] == ["under_review", "active"]
        assert link["event_object"]["customer_id"] == customer["event_object"]["id"]

    def test_speaks_the_seeds_shape_alone_or_beside_its_own(self) -> None:
        for how, own in (("seed", False), ("both", True)):
            stage = make_bridge_stage(bridge_envelope=how)
            account, payment = stage.account(), stage.withdrawal()
            stage.world.bridge.deposit(account.id)
            stage.world.bridge.pay_transfer(payment.id)
            stage.world.bridge.people.decide(stage.customer, kyc="rejected")
            bodies = stage.run(60)
            seeds = {body["type"]: body["data"] for body in bodies if "type" in body}
            assert set(seeds) == {"deposit.completed", "transfer.completed", "kyc.rejected"}
            assert seeds["deposit.completed"]["virtual_account_id"] == account.id
            assert seeds["deposit.completed"]["tx_hash"] in {one.hash for one in stage.world.chain.movements}
            assert seeds["transfer.completed"]["transfer_id"] == payment.id
            assert any("event_id" in body for body in bodies) is own


class TestEndpoints:
    def test_start_disabled_and_are_sent_what_waited(self, stage: Stage) -> None:
        endpoint = register(stage, "transfer")
        stage.withdrawal()
        assert (endpoint["status"], stage.run(60)) == ("disabled", [])
        assert stage.get(f"/webhooks/{endpoint['id']}/events")["count"] == 1

        activate(stage, endpoint)

        assert told(stage.run(1)) == ["transfer.created"]
        assert stage.get(f"/webhooks/{endpoint['id']}/events")["count"] == 0

    def test_may_ask_for_all_the_past(self, stage: Stage) -> None:
        endpoint = register(stage, "customer", event_epoch="beginning_of_time")
        activate(stage, endpoint)
        assert told(stage.run(1)) == ["customer.created"]

    def test_hear_their_categories_only_each_under_its_own_key(self, stage: Stage) -> None:
        deposits = register(stage, "virtual_account.activity", url="https://own/deposit")
        transfers = register(stage, "transfer", url="https://own/transfer")
        for endpoint in (deposits, transfers):
            activate(stage, endpoint)
        stage.withdrawal()
        stage.world.bridge.deposit(stage.account().id, path=["funds_received"])
        stage.run(1)
        by_url = {one.url: one for one in stage.delivered}
        assert len(stage.delivered) == 2
        verify(transfers["public_key"], by_url["https://own/transfer"])
        with pytest.raises(InvalidSignature):
            verify(deposits["public_key"], by_url["https://own/transfer"])

    def test_change_their_url_only_while_disabled(self, stage: Stage) -> None:
        endpoint = register(stage, "transfer")
        path = f"/webhooks/{endpoint['id']}"
        assert stage.call("PUT", path, {"url": "https://own/new"}).body["url"] == "https://own/new"
        activate(stage, endpoint)
        assert stage.call("PUT", path, {"url": "https://own/newer"}).code == "bad_request"

    def test_deleted_hear_nothing_more(self, stage: Stage) -> None:
        endpoint = register(stage, "transfer")
        activate(stage, endpoint)
        assert stage.call("DELETE", f"/webhooks/{endpoint['id']}").body["status"] == "deleted"
        stage.withdrawal()
        assert stage.run(60) == []
        assert stage.get("/webhooks")["data"] == []

    def test_may_have_to_be_https(self) -> None:
        stage = make_bridge_stage(bridge_https_only=True)
        wanted = {"url": "http://own/hook", "event_epoch": "webhook_creation", "event_categories": ["transfer"]}
        assert stage.post("/webhooks", wanted).body["source"] == {"key": "url"}

    def test_show_escaped_keys_as_the_documents_do(self) -> None:
        stage = make_bridge_stage(bridge_escaped_pem=True, bridge_webhook_url=None)
        pem = register(stage, "transfer")["public_key"]
        assert "\n" not in pem
        assert load_pem_public_key(pem.replace("\\n", "\n").encode())

    def test_sign_with_a_renewed_key_at_the_next_try(self) -> None:
        stage = make_bridge_stage()
        stage.withdrawal()
        endpoint = stage.get("/webhooks")["data"][0]
        stage.run(1, lambda _: 401)
        new = throwaway(0) if throwaway(0).pem != endpoint["public_key"] else throwaway(1)
        der = new.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        stage.world.renew_keys(bridge_signing_keys=[base64.b64encode(der).decode()])
        stage.run(90)
        verify(endpoint["public_key"], stage.delivered[0])
        verify(new.pem, stage.delivered[-1])
        with pytest.raises(InvalidSignature):
            verify(endpoint["public_key"], stage.delivered[-1])
        assert stage.world.bridge.ready()["bridge_public_key"] == new.der_base64


class TestRetries:
    def test_have_a_new_moment_and_signature_but_the_same_body(self, stage: Stage) -> None:
        endpoint = register(stage, "transfer")
        activate(stage, endpoint)
        stage.withdrawal()
        stage.run(3600, lambda _: 400)
        first, second = stage.delivered[:2]
        assert first.body == second.body
        moments = [verify(endpoint["public_key"], one) for one in (first, second)]
        assert moments[1] - moments[0] == 60_000

    def test_end_within_two_days_and_what_is_new_waits_for_a_send(self, stage: Stage) -> None:
        endpoint = register(stage, "transfer")
        activate(stage, endpoint)
        stage.withdrawal()
        stage.run(2 * DAY, lambda _: None)
        assert len(stage.delivered) == 8
        stage.withdrawal()
        assert stage.run(5 * DAY) == []
        assert stage.get(f"/webhooks/{endpoint['id']}/events")["count"] == 1

        lost = json.loads(stage.delivered[0].body)["event_id"]
        assert stage.post(f"/webhooks/{endpoint['id']}/send", {"event_id": lost}).status == 200

        assert [body["event_sequence"] for body in stage.run(1)] == [3 + 1, 5]

    def test_are_in_the_log_with_their_last_answer(self, stage: Stage) -> None:
        endpoint = register(stage, "transfer")
        activate(stage, endpoint)
        stage.withdrawal()
        stage.run(1, lambda _: 503)
        (row,) = stage.get(f"/webhooks/{endpoint['id']}/logs")["data"]
        assert (row["status"], row["event_id"]) == (503, json.loads(stage.delivered[0].body)["event_id"])

    def test_by_hand_work_while_disabled(self, stage: Stage) -> None:
        endpoint = register(stage, "transfer")
        stage.withdrawal()
        event_id = stage.get("/webhook_events?category=transfer")["data"][0]["event_id"]
        stage.post(f"/webhooks/{endpoint['id']}/send", {"event_id": event_id})
        assert [body["event_id"] for body in stage.run(1)] == [event_id]
        assert stage.post(f"/webhooks/{endpoint['id']}/send", {"event_id": "wh_none"}).code == "invalid_parameters"


class TestPastEvents:
    def sequences(self, stage: Stage, query: str) -> list[int]:
        return [one["event_sequence"] for one in stage.get(f"/webhook_events?{query}")["data"]]

    @pytest.mark.parametrize(
        ("how", "whole", "behind", "before"),
        [
            ("forward", [1, 2, 3, 4, 5], [4, 5], [1, 2]),
            ("backward", [5, 4, 3, 2, 1], [2, 1], [5, 4]),
            ("swapped", [5, 4, 3, 2, 1], [5, 4], [2, 1]),
        ],
    )
    def test_are_paged_in_a_direction_of_their_own(
        self, how: str, whole: list[int], behind: list[int], before: list[int]
    ) -> None:
        stage = make_bridge_stage(bridge_events_paging=how)
        for _ in range(2):
            stage.withdrawal()
        assert self.sequences(stage, "limit=500") == whole
        middle = stage.world.bridge.endpoints.happened[2].id
        assert self.sequences(stage, f"starting_after={middle}") == behind
        assert self.sequences(stage, f"ending_before={middle}") == before

    def test_can_be_had_by_category_with_the_very_envelope_that_was_sent(self) -> None:
        stage = make_bridge_stage()
        stage.withdrawal()
        sent = [body for body in stage.run(1) if body["event_category"] == "transfer"]
        assert stage.get("/webhook_events?category=transfer") == {"count": 1, "data": sent}

    def test_keep_what_was_dropped_unless_that_too_is_lost(self) -> None:
        for logged, expected in (("failed", 1), ("absent", 0)):
            stage = make_bridge_stage()
            stage.world.faults.set("webhook_dropped", "bridge", only="transfer.created", logged=logged)
            stage.withdrawal()
            assert "transfer.created" not in told(stage.run(DAY))
            assert stage.get("/webhook_events?category=transfer")["count"] == expected

    def test_refuse_two_cursors(self, stage: Stage) -> None:
        answer = stage.call("GET", "/webhook_events?starting_after=a&ending_before=b")
        assert answer.code == "invalid_parameters"


def test_doubled_and_reordered_webhooks_keep_their_ids() -> None:
    stage = make_bridge_stage()
    stage.run(1)
    stage.world.faults.set("webhook_doubled", "bridge", only="transfer.created", times=1)
    stage.withdrawal()
    ids = [body["event_id"] for body in stage.run(60) if body["event_type"] == "transfer.created"]
    assert len(ids) == 2
    assert len(set(ids)) == 1
