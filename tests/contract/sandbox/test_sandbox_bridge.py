"""Bridge's API as its documents describe it: people, accounts, transfers, pages, refusals."""

from datetime import timedelta
from typing import Any

import pytest

from tests.contract.sandbox.bridge_stage import PAYEE, Stage, make_bridge_stage

PERSON = {"full_name": "Rui Lopes", "email": "rui@example.com", "type": "individual"}
TO_TRON = {"currency": "usdt", "payment_rail": "tron", "address": PAYEE}
BANK = {
    "currency": "usd",
    "bank_name": "Chase",
    "account_owner_name": "Ana Pires",
    "account_type": "us",
    "account": {"account_number": "900100200300", "routing_number": "021000021", "checking_or_savings": "checking"},
    "address": {"street_line_1": "2 Elm St", "city": "NYC", "state": "NY", "postal_code": "10001", "country": "USA"},
}


@pytest.fixture
def stage() -> Stage:
    return make_bridge_stage()


class TestCustomers:
    def test_prove_who_they_are_and_accept_terms_before_an_account(self, stage: Stage) -> None:
        link = stage.post("/kyc_links", PERSON).body
        assert (link["kyc_status"], link["tos_status"]) == ("not_started", "pending")
        path = f"/customers/{link['customer_id']}"
        wanted = {"source": {"currency": "usd"}, "destination": TO_TRON, "developer_fee_percent": "0.5"}
        assert stage.post(f"{path}/virtual_accounts", wanted).code == "has_not_accepted_tos"
        stage.steer("POST", f"/customers/{link['customer_id']}/kyc", {"tos": "approved"})
        assert stage.post(f"{path}/virtual_accounts", wanted).code == "requires_active_kyc_status"

        assert stage.post(f"{path}/simulate_kyc_approval").body["status"] == "active"

        assert stage.get(f"/kyc_links/{link['id']}")["kyc_status"] == "approved"
        made = stage.post(f"{path}/virtual_accounts", wanted)
        assert made.status == 201
        assert made.body["destination"] == TO_TRON
        assert made.body["source_deposit_instructions"]["payment_rails"] == ["ach_push", "wire"]

    def test_have_one_link_for_an_email(self, stage: Stage) -> None:
        first = stage.post("/kyc_links", PERSON).body
        second = stage.post("/kyc_links", PERSON)
        assert (second.code, second.body["existing_kyc_link"]["id"]) == ("duplicate_record", first["id"])

    def test_stopped_are_frozen(self, stage: Stage) -> None:
        stage.world.bridge.people.decide(stage.customer, kyc="paused")
        assert stage.order().code == "frozen"

    def test_are_made_and_read_in_the_seeds_words_if_told(self) -> None:
        stage = make_bridge_stage(bridge_seed_customers=True)
        body = {"type": "individual", "first_name": "Test", "last_name": "User", "email": "test@example.com"}
        made = stage.post("/customers", body).body
        read = stage.get(f"/customers/{made['id']}")
        assert (read["kyc_status"], "status" in read) == ("not_started", False)
        assert made["id"] in stage.get(f"/customers/{made['id']}/kyc_link?endorsement=base")["url"]


class TestAccounts:
    def test_are_changed_and_turned_off_and_on(self, stage: Stage) -> None:
        account = stage.account()
        path = f"/customers/{stage.customer.id}/virtual_accounts/{account.id}"
        assert stage.call("PUT", path, {"developer_fee_percent": "1"}).body["developer_fee_percent"] == "1.0"
        assert stage.post(f"{path}/deactivate").body["status"] == "deactivated"
        assert stage.post(f"{path}/deactivate").status == 409
        assert stage.post(f"{path}/reactivate").body["status"] == "activated"
        kinds = [one["type"] for one in stage.get(f"{path}/history")["data"]]
        assert kinds == ["reactivation", "deactivation", "account_update"]

    def test_history_is_filtered_by_each_of_its_fields(self, stage: Stage) -> None:
        one, other = stage.account(), stage.account(currency="eur")
        first = stage.world.bridge.deposit(one.id, step_seconds=60)
        stage.run(300)
        second = stage.world.bridge.deposit(other.id, path=["in_review"])
        last = stage.get("/virtual_accounts/history?limit=1")["data"][0]
        assert (last["type"], last["currency"]) == ("in_review", "eur")
        tx_hash = stage.world.bridge.deposits.by_id[first].sent.hash  # type: ignore[union-attr] # sent by now

        def count(query: str) -> int:
            size: int = stage.get(f"/virtual_accounts/history?{query}")["count"]
            return size

        assert count(f"deposit_id={first}") == 3
        assert count(f"deposit_ids[]={first}&deposit_ids[]={second}") == 4
        assert count("event_type=payment_processed") == 1
        assert count(f"tx_hash={tx_hash}") == 2
        at = int(stage.world.bridge.deposits.by_id[first].created_at.timestamp() * 1000)
        assert count(f"updated_after_ms={at}") == 3
        assert count(f"updated_before_ms={at + 60_001}") == 2
        assert stage.call("GET", "/virtual_accounts/history?event_type=nonsense").code == "invalid_parameters"
        path = f"/customers/{stage.customer.id}/virtual_accounts/{one.id}/history"
        assert stage.get(path)["count"] == 3

    def test_of_another_customer_are_not_found(self) -> None:
        stage = make_bridge_stage(bridge_not_found_status=400)
        stranger = stage.world.bridge.add_customer()
        answer = stage.call("GET", f"/customers/{stranger.id}/virtual_accounts/{stage.account().id}")
        assert (answer.status, answer.code) == (400, "not_found")


class TestExternalAccounts:
    def test_never_show_their_number_and_are_gone_when_deleted(self, stage: Stage) -> None:
        path = f"/customers/{stage.customer.id}/external_accounts"
        made = stage.post(path, BANK)
        assert (made.status, made.body["last_4"], "900100200300" in str(made.body)) == (201, "0300", False)
        assert stage.post(path, BANK).code == "duplicate_record"
        assert stage.call("DELETE", f"{path}/{made.body['id']}").status == 200
        assert stage.get(path) == {"count": 0, "data": []}

    def test_are_linked_through_plaid_once(self, stage: Stage) -> None:
        asked = stage.post(f"/customers/{stage.customer.id}/plaid_link_requests").body
        exchange = f"/plaid_exchange_public_token/{asked['link_token']}"
        assert asked["callback_url"].endswith(exchange)
        told = [stage.call("POST", exchange, {"public_token": "public-1"}).status for _ in range(2)]
        assert told == [200, 400]
        assert stage.get(f"/customers/{stage.customer.id}/external_accounts")["count"] == 1

    def test_are_linked_in_the_seeds_way_within_four_hours(self, stage: Stage) -> None:
        asked = stage.post(f"/customers/{stage.customer.id}/external_accounts/link").body
        assert asked["link_token"] in asked["url"]
        stage.clock.at += timedelta(hours=4)
        assert stage.steer("POST", f"/plaid/{asked['link_token']}").status == 422

    def test_closed_cannot_be_paid(self, stage: Stage) -> None:
        bank = stage.world.bridge.add_external_account(stage.customer.id)
        stage.steer("POST", f"/external_accounts/{bank.id}", {"active": False})
        assert stage.order().code == "deactivated_external_account"


class TestTransfers:
    def test_name_where_to_send_and_what_becomes_of_it(self, stage: Stage) -> None:
        body = stage.order(client_reference_id="wd_5521", developer_fee="1.25").body
        where = body["source_deposit_instructions"]
        assert (body["state"], body["client_reference_id"]) == ("awaiting_funds", "wd_5521")
        assert (where["payment_rail"], where["amount"], where["to_address"][0]) == ("tron", "250.00", "T")
        assert body["receipt"]["final_amount"] == "248.75"
        assert "source_tx_hash" not in body["receipt"]

    def test_can_be_deleted_only_before_funds(self, stage: Stage) -> None:
        payment = stage.withdrawal()
        stage.world.bridge.pay_transfer(payment.id)
        answer = stage.call("DELETE", f"/transfers/{payment.id}")
        assert (answer.status, answer.code) == (409, "resource_state_conflict")

    def test_are_made_and_read_in_the_seeds_way(self, stage: Stage) -> None:
        bank = stage.world.bridge.add_external_account(stage.customer.id)
        destination = {"payment_rail": "ach", "currency": "usd", "external_account_id": bank.id}
        body = {"amount": "50", "source": {"payment_rail": "tron", "currency": "usdt"}, "destination": destination}
        path = f"/customers/{stage.customer.id}/transfers"
        made = stage.post(path, body).body
        assert made["on_behalf_of"] == stage.customer.id
        assert stage.get(f"{path}/{made['id']}") == stage.get(f"/transfers/{made['id']}")
        assert stage.get(path)["data"] == [made]

    def test_name_every_bad_field_at_once(self, stage: Stage) -> None:
        answer = stage.order("1e999", source={"payment_rail": "pigeon", "currency": "usdt"})
        assert answer.code == "invalid_parameters"
        assert set(answer.body["source"]["key"]) == {"amount", "source.payment_rail"}
        one = stage.order(source={"payment_rail": "pigeon", "currency": "usdt"})
        assert one.body["source"] == {"key": "source.payment_rail"}

    @pytest.mark.parametrize(
        "more",
        [
            {"developer_fee": "250"},
            {"developer_fee": "1", "developer_fee_percent": "1"},
            {"features": {"static_template": True}},
            {"features": {"teleport": True}},
            {"destination": {"payment_rail": "ach", "currency": "usd"}},
            {"destination": {"payment_rail": "ach", "currency": "usd", "external_account_id": "none"}},
        ],
    )
    def test_that_cannot_be_are_refused(self, stage: Stage, more: dict[str, Any]) -> None:
        assert stage.order(**more).code == "invalid_parameters"
        assert stage.world.bridge.transfers() == []

    def test_cursors_and_times_exclude_each_other(self, stage: Stage) -> None:
        names = ("starting_after", "ending_before", "updated_after_ms", "updated_before_ms")
        for name in names[1:]:
            answer = stage.call("GET", f"/transfers?starting_after=1&{name}=1")
            assert set(answer.body["source"]["key"]) == {"starting_after", name}

    def test_are_found_by_when_they_changed(self, stage: Stage) -> None:
        old, new = stage.withdrawal(), stage.withdrawal()
        stage.clock.at += timedelta(minutes=1)
        mark = int(stage.clock.at.timestamp() * 1000)
        stage.clock.at += timedelta(minutes=1)
        stage.world.bridge.payments.force(old.id, "in_review")
        assert [one["id"] for one in stage.get(f"/transfers?updated_after_ms={mark}")["data"]] == [old.id]
        assert [one["id"] for one in stage.get(f"/transfers?updated_before_ms={mark}")["data"]] == [new.id]
        assert [one["id"] for one in stage.get("/transfers?state=in_review")["data"]] == [old.id]


class TestPages:
    def test_go_older_and_newer_from_a_cursor_and_say_nothing_of_more(self, stage: Stage) -> None:
        made = [stage.withdrawal().id for _ in range(12)]
        newest = stage.get("/transfers")
        assert set(newest) == {"count", "data"}
        assert [one["id"] for one in newest["data"]] == made[:1:-1]
        older = stage.get(f"/transfers?starting_after={made[2]}")["data"]
        assert [one["id"] for one in older] == [made[1], made[0]]
        assert stage.get(f"/transfers?starting_after={made[0]}")["data"] == []
        # Next to the cursor, not the newest there are.
        newer = stage.get(f"/transfers?ending_before={made[0]}&limit=2")["data"]
        assert [one["id"] for one in newer] == [made[2], made[1]]

    @pytest.mark.parametrize("query", ["limit=0", "limit=x", "starting_after=nobody", "updated_after_ms=soon"])
    def test_refuse_what_cannot_be(self, stage: Stage, query: str) -> None:
        assert stage.call("GET", f"/transfers?{query}").code == "invalid_parameters"

    def test_can_be_bare_for_transfers_and_drains_only(self) -> None:
        stage = make_bridge_stage(bridge_bare_lists=True)
        assert (stage.get("/transfers"), stage.get("/liquidation_addresses/drains")) == ([], [])
        assert stage.get("/customers")["count"] == 1


class TestLiquidationAddresses:
    def test_are_permanent_and_pay_to_a_bank_or_an_address(self, stage: Stage) -> None:
        bank = stage.world.bridge.add_external_account(stage.customer.id)
        path = f"/customers/{stage.customer.id}/liquidation_addresses"
        told = {"chain": "tron", "currency": "usdt", "destination_currency": "usd"}
        wanted = {**told, "destination_payment_rail": "ach", "external_account_id": bank.id}
        made = stage.post(path, {**wanted, "custom_developer_fee_percent": "1"})
        assert (made.status, made.body["address"][0]) == (201, "T")
        assert stage.post(path, {**wanted, "destination_address": PAYEE}).code == "invalid_parameters"
        stage.world.bridge.pay_address(made.body["id"], "200")
        (drain,) = stage.get(f"{path}/{made.body['id']}/drains")["data"]
        assert (drain["state"], drain["receipt"]["final_amount"]) == ("funds_received", "198.00")
        assert drain["deposit_tx_hash"] == stage.world.chain.movements[0].hash


class TestRefusals:
    def test_have_one_shape_everywhere(self, stage: Stage) -> None:
        answers = [
            stage.call("GET", "/nowhere"),
            stage.call("POST", "/nowhere", b"{"),
            stage.call("PATCH", "/customers"),
            stage.call("POST", "/customers", b"{", key="k1"),
            stage.call("POST", "/customers", b"[]", key="k2"),
            stage.call("GET", "/customers/none"),
        ]
        assert [one.status for one in answers] == [404, 404, 405, 400, 400, 404]
        assert [one.code for one in answers][3:] == ["invalid_json", "invalid_json", "not_found"]
        assert all({"code", "message"} <= set(one.body) for one in answers)

    def test_of_the_rate_limit_say_when_to_come_back(self) -> None:
        stage = make_bridge_stage(bridge_rate_limit=1)
        stage.get("/customers")
        answer = stage.call("GET", "/customers")
        assert (answer.status, answer.code) == (429, "rate_limited")
