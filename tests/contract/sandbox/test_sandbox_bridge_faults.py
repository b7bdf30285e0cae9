"""Bridge misbehaving, Bridge steered, and Bridge given anything at all."""

import json
from typing import Any

import pytest

from sandbox.server import SandboxServer
from tests.contract.sandbox.bridge_stage import PAYEE, Answer, Stage, make_bridge_stage
from tests.contract.sandbox.stage import Caller, Receiver, wait_for

ODD: tuple[Any, ...] = (None, True, -1, 1.5, "", "\x00", "x" * 2000, [], [1], {}, {"a": {"b": []}})
NAMES = (
    *("type", "full_name", "first_name", "last_name", "email", "endorsements", "redirect_uri", "signed_agreement_id"),
    *("amount", "on_behalf_of", "source", "destination", "developer_fee", "developer_fee_percent", "features"),
    *("client_reference_id", "return_instructions", "account", "address", "account_owner_name", "currency", "chain"),
    *("destination_payment_rail", "destination_currency", "external_account_id", "destination_address", "scopes"),
    *("url", "event_epoch", "event_categories", "status", "event_id", "public_token", "bank_name"),
)
STEERING = ("virtual_account_id", "path", "step_seconds", "amount", "kyc", "tos", "state", "address", "customer_id")
QUERY = "limit={0}&starting_after={0}&updated_after_ms={0}&event_type={0}&deposit_id={0}&category={0}&state={0}"


@pytest.fixture
def stage() -> Stage:
    return make_bridge_stage()


class TestReads:
    def test_may_show_a_transfer_as_it_was(self, stage: Stage) -> None:
        payment = stage.withdrawal()
        stage.world.bridge.pay_transfer(payment.id)
        stage.world.faults.set("stale_read", "bridge", times=1)
        states = [stage.get(f"/transfers/{payment.id}")["state"] for _ in range(2)]
        assert states == ["awaiting_funds", "funds_received"]

    def test_may_miss_the_newest_activity(self, stage: Stage) -> None:
        stage.world.bridge.deposit(stage.account().id)
        stage.run(60)
        stage.world.faults.set("stale_read", "bridge", times=1)
        newest = [stage.get("/virtual_accounts/history")["data"][0]["type"] for _ in range(2)]
        assert newest == ["payment_submitted", "payment_processed"]

    def test_may_say_a_status_nobody_knows(self, stage: Stage) -> None:
        payment = stage.withdrawal()
        stage.world.faults.set("unknown_status", "bridge")
        assert stage.get(f"/transfers/{payment.id}")["state"] == "under_observation"
        assert stage.get(f"/customers/{stage.customer.id}")["status"] == "under_observation"

    def test_may_find_another_amount_for_good(self, stage: Stage) -> None:
        payment = stage.withdrawal()
        stage.world.bridge.pay_transfer(payment.id)
        stage.run(60)
        stage.world.faults.set("amount_changed", "bridge", after_reads=1)
        finals = [stage.get(f"/transfers/{payment.id}")["receipt"]["final_amount"] for _ in range(3)]
        assert finals == ["250.00", "249.00", "249.00"]

    def test_may_end_a_listing_early(self, stage: Stage) -> None:
        made = [stage.withdrawal().id for _ in range(4)]
        stage.world.faults.set("truncated_listing", "bridge", times=1)
        page = stage.get("/transfers")
        assert (page["count"], page["data"][-1]["id"]) == (2, made[2])
        assert stage.get(f"/transfers?starting_after={made[2]}")["count"] == 2

    def test_may_be_overtaken_right_after_a_listing(self, stage: Stage) -> None:
        payment = stage.withdrawal()
        stage.world.bridge.pay_transfer(payment.id)
        stage.world.bridge.deposit(stage.account().id)
        stage.world.faults.set("changed_after_listed", "bridge")
        assert stage.get("/transfers")["data"][0]["state"] == "funds_received"
        assert stage.get("/virtual_accounts/history")["data"][0]["type"] == "funds_received"
        stage.world.faults.clear()
        assert stage.get("/transfers")["data"][0]["state"] == "payment_submitted"
        assert stage.get("/virtual_accounts/history")["data"][0]["type"] == "payment_submitted"


class TestControl:
    def test_tells_the_main_stories_over_http(self, stage: Stage) -> None:
        owner = stage.steer("POST", "/customers", {"full_name": "Rui Lopes"}).body
        account = stage.steer("POST", "/virtual_accounts", {"customer_id": owner["id"], "address": PAYEE}).body
        told = {"virtual_account_id": account["id"], "amount": "10", "path": ["in_review"]}
        deposit = stage.steer("POST", "/deposits", told)
        assert deposit.status == 201
        path = f"/deposits/{deposit.body['deposit_id']}"
        forced = stage.steer("POST", path, {"status": "payment_submitted", "path": ["payment_processed"]}).body
        assert (forced["status"], forced["to_come"]) == ("payment_submitted", ["payment_processed"])
        payment = stage.withdrawal()
        prepared = {"funded_path": ["funds_received", "undeliverable"], "funded_step_seconds": 5}
        stage.steer("POST", f"/payments/{payment.id}", prepared)
        assert stage.steer("POST", f"/transfers/{payment.id}/pay").body["state"] == "funds_received"
        stage.run(5)
        assert stage.steer("GET", f"/payments/{payment.id}").body["state"] == "undeliverable"
        stage.steer("PUT", "/return_policy", {"address": PAYEE})
        stage.steer("POST", f"/payments/{payment.id}", {"give_back": True})
        stage.run(10)
        assert stage.steer("GET", "/payments").body[0]["history"][-1][0] == "refunded"

    def test_makes_banks_addresses_and_endpoints(self, stage: Stage) -> None:
        bank = stage.steer("POST", "/external_accounts", {"customer_id": stage.customer.id}).body
        told = {"customer_id": stage.customer.id, "external_account_id": bank["id"]}
        place = stage.steer("POST", "/liquidation_addresses", told).body
        (drain,) = stage.steer("POST", f"/liquidation_addresses/{place['id']}/pay", {"amount": "7"}).body
        assert drain["received"] == "7.00"
        made = stage.steer("POST", "/webhooks", {"url": "https://own/hook", "categories": ["transfer"]})
        assert made.body["status"] == "active"
        assert [one["id"] for one in stage.steer("GET", "/webhooks").body][-1] == made.body["id"]

    def test_refuses_in_its_own_words(self, stage: Stage) -> None:
        bad: list[Answer] = [
            stage.steer("POST", "/customers", {"kyc": "approved?"}),
            stage.steer("POST", "/deposits", {"virtual_account_id": "none"}),
            stage.steer("POST", "/payments/none", {"state": "error"}),
            stage.steer("POST", f"/payments/{stage.withdrawal().id}", {"path": ["returned"], "step_seconds": []}),
        ]
        assert [one.status for one in bad] == [422, 404, 404, 422]
        assert all("error" in one.body for one in bad)


def test_nothing_crashes_bridge_or_its_control(stage: Stage) -> None:
    """Every route with every odd body or query is answered by a refusal, not by an error of the server."""
    account, payment = stage.account(), stage.withdrawal()
    bank = payment.destination["external_account_id"]
    values = {"customer_id": stage.customer.id, "account_id": account.id, "transfer_id": payment.id}
    values |= {"payment_id": payment.id, "endpoint_id": stage.get("/webhooks")["data"][0]["id"]}
    crashed = []
    for app, names in ((stage.app, NAMES), (stage.control, STEERING)):
        rules = [rule for rule in app.url_map.iter_rules() if "/v0" in rule.rule or "/_control/bridge" in rule.rule]
        for rule in rules:
            path = rule.rule
            for name in rule.arguments:
                value = bank if "external_accounts" in path and name == "account_id" else values.get(name, "none")
                path = path.replace(f"<{name}>", value)
            for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                queries: Any = ["0", "%00", "x", "-1", "%2B"]
                bodies: Any = [dict.fromkeys(names, odd) for odd in ODD]
                for shot in queries if method in {"GET", "DELETE"} else bodies:
                    answer = shoot(stage, app is stage.app, method, path, shot)
                    if answer.status >= 500:
                        crashed.append(f"{method} {path} {shot!r:.80} -> {answer.status}")
    assert crashed == []


def shoot(stage: Stage, at_bridge: object, method: str, path: str, shot: Any) -> Answer:
    if not at_bridge:
        path = path.removeprefix("/_control/bridge")
        return stage.steer(method, path, None if isinstance(shot, str) else shot)
    path = path.removeprefix("/v0")
    if isinstance(shot, str):
        return stage.call(method, f"{path}?{QUERY.format(shot)}")
    unkeyed = "api_keys" in path or "exchange" in path
    return stage.post(path, shot) if method == "POST" and not unkeyed else stage.call(method, path, shot)


def test_a_served_bridge_sends_to_a_real_socket(receiver: Receiver) -> None:
    with SandboxServer(config={"bridge_webhook_url": receiver.url}) as server:
        ready = server.ready()
        caller = Caller(server.urls["bridge"], {"Api-Key": ready["bridge_api_key"]})
        person = {"full_name": "Rui Lopes", "email": "rui@example.com", "type": "individual"}
        made = caller.post("/v0/kyc_links", person, headers={"Idempotency-Key": "k"})
        assert made.status_code == 201
        wait_for(lambda: len(receiver.got) == 2)
        balances = Caller(server.urls["control"]).get("/_control/balances").json()
    types = [json.loads(body)["event_type"] for _, body in receiver.got]
    assert sorted(types) == ["customer.created", "kyc_link.created"]
    assert all(headers["X-Webhook-Signature"].startswith("t=") for headers, _ in receiver.got)
    assert balances["bridge"] == {"held": {}, "paid_to_banks": {}}
