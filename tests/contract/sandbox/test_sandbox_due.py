"""Due as its callers see it: who may see what, pages, errors, and reads that mislead."""

import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.contract.sandbox.stage import Caller, Stage


def pages(stage: Stage, query: str) -> list[list[str]]:
    found, following = [], ""
    while True:
        page = stage.due.get(f"/v1/transfers?{query}{following}").json()
        found.append([item["id"] for item in page["items"]])
        if page["next"] is None:
            return found
        following = f"&next={page['next']}"


class TestAccess:
    @pytest.mark.parametrize("value", [None, "Bearer wrong", "due-sandbox-key", "Basic due-sandbox-key", "Bearer "])
    def test_is_denied_without_an_accepted_key(self, stage: Stage, value: str | None) -> None:
        headers = {"Authorization": value} if value is not None else {}
        answer = Caller(stage.due.base, headers).get("/v1/accounts")
        assert (answer.status_code, answer.json()["http_code"]) == (401, 401)

    def test_hides_one_account_from_another(self, stage: Stage) -> None:
        transfer_id = stage.deposit()
        other = {"Due-Account-Id": stage.control.post("/_control/customers").json()["account"]}

        assert stage.due.get(f"/v1/transfers/{transfer_id}").status_code == 200
        assert stage.due.get(f"/v1/transfers/{transfer_id}", headers=other).status_code == 404
        assert stage.due.get("/v1/transfers", headers=other).json() == {"items": [], "next": None}
        key = stage.customer["key"]
        assert stage.due.get(f"/v1/virtual_accounts/{key}").json()["id"] == stage.customer["virtual_account"]
        assert stage.due.get("/v1/virtual_accounts/list", headers=other).json()[0]["ownerId"] == other["Due-Account-Id"]


class TestCustomers:
    def test_may_transact_only_after_kyc_and_terms(self, stage: Stage) -> None:
        wanted = {"type": "individual", "name": "Bo", "email": "bo@example.com", "country": "US"}
        account = stage.due.post("/v1/accounts", wanted).json()
        mine = {"Due-Account-Id": account["id"]}
        details = {"schema": "bank_us", "accountNumber": "1", "routingNumber": "101000019"}
        recipient = stage.due.post("/v1/recipients", {"name": "Bo", "details": details}, headers=mine).json()
        rule = {"schemaIn": "evm", "currencyIn": "USDC", "railOut": "ach", "currencyOut": "USD", "reference": "bo-1"}
        rule["destination"] = recipient["id"]

        refused = stage.due.post("/v1/virtual_accounts", rule, headers=mine)
        assert (refused.status_code, refused.json()["error_code"]) == (400, "err_kyc_not_passed")
        stage.due.post(f"/dev/sumsub/applicants/{account['id']}/approve")
        stage.due.post(f"/v1/tos/{account['tos']['token']}", {"ipAddress": "192.0.2.1"})
        made = stage.due.post("/v1/virtual_accounts", rule, headers=mine)

        assert (made.status_code, made.json()["key"]) == (201, "bo-1")
        assert stage.due.get(f"/v1/accounts/{account['id']}").json()["status"] == "active"
        assert stage.due.post("/v1/virtual_accounts", rule, headers=mine).status_code == 409

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"[" * 5000, b'{"name":1}'])
    def test_bad_bodies_are_named_not_crashed_on(self, stage: Stage, body: bytes) -> None:
        answer = stage.due.call("POST", "/v1/recipients", data=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "err_validation")


class TestTransfers:
    def test_are_paged_in_both_orders_without_gaps(self, stage: Stage) -> None:
        made = [stage.deposit() for _ in range(5)]
        assert pages(stage, "order=asc&limit=2") == [made[:2], made[2:4], made[4:]]
        assert pages(stage, "limit=3") == [made[:1:-1], made[1::-1]]

    def test_that_come_during_a_walk_move_nothing(self, stage: Stage) -> None:
        made = [stage.deposit() for _ in range(4)]
        first = stage.due.get("/v1/transfers?limit=2").json()
        stage.deposit()
        second = stage.due.get(f"/v1/transfers?limit=2&next={first['next']}").json()
        assert [item["id"] for item in (*first["items"], *second["items"])] == made[::-1]

    def test_are_chosen_by_date(self, stage: Stage) -> None:
        stage.deposit()
        assert stage.due.get("/v1/transfers?startDate=2999-01-01").json()["items"] == []
        assert stage.due.get("/v1/transfers?endDate=2000-01-01T00:00:00%2B01:00").json()["items"] == []
        assert len(stage.due.get("/v1/transfers?startDate=2000-01-01&endDate=2999-01-01").json()["items"]) == 1

    @pytest.mark.parametrize("query", ["limit=0", "limit=x", "order=up", "startDate=soon", "next=%21%21", "next=YQ"])
    def test_refuse_queries_they_do_not_know(self, stage: Stage, query: str) -> None:
        assert stage.due.get(f"/v1/transfers?{query}").status_code == 422

    def test_by_quote_are_made_again_by_the_same_call(self, stage: Stage) -> None:
        """There is no idempotency key at Due: whoever repeats a create pays twice."""
        sides = {"source": {"rail": "base", "currency": "USDC", "amount": "250.00"}}
        sides["destination"] = {"rail": "ach", "currency": "USD", "amount": "0"}
        quote = stage.due.post("/v1/transfers/quote", sides).json()
        assert quote["destination"]["amount"] == "249.25"
        wanted = {"quote": quote["token"], "recipient": stage.customer["recipient"], "memo": "Invoice 12"}
        first, second = (stage.due.post("/v1/transfers", wanted).json() for _ in range(2))
        assert first["id"] != second["id"]
        assert first["destination"]["memo"] == "Invoice 12"
        assert first["status"] == "awaiting_funds"

    def test_write_amounts_in_more_than_one_precision(self, stage: Stage) -> None:
        shown = {stage.due.get(f"/v1/transfers/{stage.deposit()}").json()["source"]["amount"] for _ in range(20)}
        assert {Decimal(text) for text in shown} == {Decimal(250)}
        assert len(shown) > 1


class TestMisleadingReads:
    def read(self, stage: Stage, transfer_id: str) -> dict[str, Any]:
        body: dict[str, Any] = stage.due.get(f"/v1/transfers/{transfer_id}").json()
        return body

    def test_stale(self, stage: Stage) -> None:
        transfer_id = stage.deposit(path=["funds_received", "approved"])
        assert self.read(stage, transfer_id)["status"] == "approved"
        stage.fault("stale_read", provider="due", times=1)
        assert self.read(stage, transfer_id)["status"] == "funds_received"
        assert self.read(stage, transfer_id)["status"] == "approved"

    def test_amount_changed_for_good(self, stage: Stage) -> None:
        transfer_id = stage.deposit()
        stage.fault("amount_changed", provider="due", after_reads=1, delta="-1.00")
        amounts = [Decimal(self.read(stage, transfer_id)["destination"]["amount"]) for _ in range(3)]
        assert amounts == [Decimal("249.25"), Decimal("248.25"), Decimal("248.25")]

    def test_changed_right_after_it_was_listed(self, stage: Stage) -> None:
        stage.deposit(path=["funds_received", "approved"], step_seconds=3600)
        stage.fault("changed_after_listed", provider="due")
        seen = [stage.due.get("/v1/transfers").json()["items"][0]["status"] for _ in range(2)]
        assert seen == ["funds_received", "approved"]

    def test_listing_that_ends_early(self, stage: Stage) -> None:
        made = [stage.deposit() for _ in range(4)]
        stage.fault("truncated_listing", provider="due", times=1)
        assert pages(stage, "order=asc&limit=4") == [made[:2]]
        assert pages(stage, "order=asc&limit=4") == [made]

    def test_status_nobody_knows(self, stage: Stage) -> None:
        transfer_id = stage.deposit()
        stage.fault("unknown_status", provider="due", times=1, status="under_observation")
        assert self.read(stage, transfer_id)["status"] == "under_observation"


class TestSeedWay:
    def test_offramp_converts_what_the_seed_event_announced_and_no_more(self, stage: Stage) -> None:
        virtual = stage.customer["virtual_account"]
        wanted = {"virtualAccountId": virtual, "amount": "250.00", "currencyIn": "USDC", "currencyOut": "USD"}
        assert stage.due.post("/offramp", wanted).json()["error_code"] == "err_insufficient_balance"

        stage.control.post("/_control/due/legacy_deposits", {"virtual_account_id": virtual, "amount": "250.00"})
        answer = stage.due.post("/offramp", wanted)

        assert (answer.status_code, answer.json()["status"]) == (202, "funds_received")
        assert stage.due.post("/offramp", wanted).status_code == 400


class TestShapesOfErrors:
    def test_there_are_three(self, stage: Stage) -> None:
        plain = stage.due.get("/v1/transfers/tf_none").json()
        detailed = stage.due.post("/v1/transfers", {}).json()
        vault = stage.due.post("/v1/transfer_intents/submit", {}).json()
        assert set(plain) == {"error_code", "message", "http_code"}
        assert detailed == {
            "statusCode": 422,
            "message": "Validation failed",
            "code": "err_validation",
            "details": {"quote": "required", "recipient": "required"},
        }
        assert vault["code"] == "ACTION_SIGNATURE_REQUIRED"

    def test_unknown_routes_keep_the_shape(self, stage: Stage) -> None:
        assert stage.due.get("/v2/nothing").json()["http_code"] == 404
        assert stage.due.call("PATCH", "/v1/transfers").json()["http_code"] == 405


def test_cursors_are_opaque_text(stage: Stage) -> None:
    for _ in range(2):
        stage.deposit()
    cursor = stage.due.get("/v1/transfers?limit=1").json()["next"]
    assert base64.urlsafe_b64decode(cursor + "==")
    assert json.dumps(cursor).isascii()
