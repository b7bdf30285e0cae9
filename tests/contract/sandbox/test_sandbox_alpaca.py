"""Alpaca as its callers see it: keys, journals, idempotency, activities, limits."""

from typing import Any

import pytest

from sandbox.server import SandboxServer
from tests.contract.sandbox.stage import Caller, Stage, make_stage, wait_for


def cash(stage: Stage, account: str | None = None) -> str:
    path = f"/v1/trading/accounts/{account or stage.customer['brokerage_account']}/account"
    text: str = stage.alpaca.get(path).json()["cash"]
    return text


def executed(stage: Stage, journal_id: str) -> dict[str, Any]:
    def read() -> dict[str, Any] | None:
        journal: dict[str, Any] = stage.alpaca.get(f"/v1/journals/{journal_id}").json()
        return journal if journal["status"] == "executed" else None

    found: dict[str, Any] = wait_for(read)
    return found


class TestAccess:
    def test_takes_the_worked_example_of_basic(self) -> None:
        config = {"alpaca_keys": [["CKEXAMPLE0000000001", "sEcReT0000"], ["OLD", "older"]]}
        with SandboxServer(config=config) as server:
            worked = {"Authorization": "Basic Q0tFWEFNUExFMDAwMDAwMDAwMTpzRWNSZVQwMDAw"}
            assert Caller(server.urls["alpaca"], worked).get("/v1/clock").status_code == 200
            assert Caller(server.urls["alpaca"], auth=("OLD", "older")).get("/v1/clock").status_code == 200
            mixed = Caller(server.urls["alpaca"], auth=("OLD", "sEcReT0000")).get("/v1/clock")
            assert (mixed.status_code, mixed.json()["code"]) == (401, 40_110_000)

    @pytest.mark.parametrize("value", ["", "Basic", "Basic !!!", "Bearer x", "Basic Og=="])
    def test_is_denied_without_a_pair(self, stage: Stage, value: str) -> None:
        answer = Caller(stage.alpaca.base, {"Authorization": value}).get("/v1/journals")
        assert answer.status_code == 401


class TestJournals:
    def test_answer_net_amount_and_move_cash_once(self, stage: Stage) -> None:
        answer = stage.journal(description="deposit dep_01").json()
        assert (answer["status"], answer["net_amount"]) == ("queued", "100.00")
        assert "amount" not in answer

        assert executed(stage, answer["id"])["id"] == answer["id"]
        assert (cash(stage), cash(stage, stage.firm)) == ("100.00", "999900.00")

    def test_same_key_and_body_get_the_first_answer_again(self, stage: Stage) -> None:
        first = stage.journal(key="k1").json()
        executed(stage, first["id"])
        again = stage.journal(key="k1")
        assert (again.status_code, again.json()) == (200, first)
        assert stage.journal(key="k1", amount="101.00").status_code == 422
        assert stage.journal(key="k" * 129).status_code == 422
        assert cash(stage) == "100.00"

    def test_a_key_remembers_refusals_too_until_it_expires(self) -> None:
        with SandboxServer(config={"idempotency_seconds": 0.3, "journal_queue_seconds": 0}) as server:
            stage = make_stage(server)
            assert stage.journal(key="k1").json() == {"code": 40_310_000, "message": "insufficient balance"}
            server.world.alpaca.add_cash(stage.firm, "500")
            assert stage.journal(key="k1").status_code == 403
            wait_for(lambda: stage.journal(key="k1").status_code == 200)

    def test_are_listed_by_day_and_status(self, stage: Stage) -> None:
        made = [stage.journal().json()["id"] for _ in range(3)]
        executed(stage, made[-1])
        listed = stage.alpaca.get("/v1/journals?after=2020-01-01&before=2999-01-01&status=executed&entry_type=JNLC")
        assert [one["id"] for one in listed.json()] == made
        assert stage.alpaca.get("/v1/journals?after=2999-01-01").json() == []
        assert len(stage.alpaca.get(f"/v1/journals?to_account={stage.firm}").json()) == 0
        assert len(stage.alpaca.get("/v1/journals?limit=2").json()) == 2
        assert stage.alpaca.get("/v1/journals?after=yesterday").status_code == 422

    def test_in_batches_say_what_each_entry_lacked(self, stage: Stage) -> None:
        entries = [
            {"to_account": stage.customer["brokerage_account"], "amount": "1.00"},
            {"to_account": "x", "amount": "1"},
        ]
        body = {"entry_type": "JNLC", "from_account": stage.firm, "entries": entries}
        good, bad = stage.alpaca.post("/v1/journals/batch", body).json()
        assert good["status"] == "queued"
        assert bad["error_message"] == "account not found"

    def test_pending_ones_can_be_deleted(self, stage: Stage) -> None:
        stage.control.call("PUT", "/_control/alpaca/limits", json={"single": "50"})
        journal = stage.journal().json()
        assert journal["status"] == "pending"
        path = f"/v1/journals/{journal['id']}"
        assert stage.alpaca.call("DELETE", path).status_code == 204
        assert stage.alpaca.get(path).json()["status"] == "deleted"
        assert stage.alpaca.call("DELETE", path).status_code == 422
        assert stage.alpaca.call("DELETE", "/v1/journals/none").status_code == 404

    def test_compliance_refusals_end_when_their_cause_does(self, stage: Stage) -> None:
        path = f"/_control/alpaca/accounts/{stage.customer['brokerage_account']}/refuse"
        stage.control.post(path, {"on": True})
        assert stage.journal().status_code == 403
        stage.control.post(path, {"on": False})
        assert stage.journal().status_code == 200

    def test_corrected_ones_show_up_under_a_new_id(self, stage: Stage) -> None:
        old = stage.journal().json()["id"]
        executed(stage, old)
        new = stage.control.post(f"/_control/alpaca/journals/{old}", {"status": "correct", "amount": "90"}).json()
        assert new["replaces"] == old
        assert stage.alpaca.get(f"/v1/journals/{old}").json()["status"] == "correct"
        assert cash(stage) == "90.00"

    @pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"[" * 5000])
    def test_bad_bodies_are_400(self, stage: Stage, body: bytes) -> None:
        assert stage.alpaca.call("POST", "/v1/journals", data=body).status_code == 400

    def test_the_seeds_funding_call_makes_one_too(self, stage: Stage) -> None:
        body = {"accountId": stage.customer["brokerage_account"], "amount": 100.5, "currency": "USD"}
        first, again = (stage.alpaca.post("/funding", body, headers={"Idempotency-Key": "k"}).json() for _ in range(2))
        assert first == again
        assert (first["amount"], first["accountId"]) == ("100.50", body["accountId"])
        executed(stage, first["id"])
        assert cash(stage) == "100.50"


class TestAccounts:
    def test_of_margin_show_a_multiple_of_cash_as_buying_power(self, stage: Stage) -> None:
        """Whoever expects buying power to rise by just the deposit is wrong here."""
        made = stage.control.post("/_control/alpaca/accounts", {"cash": "100", "multiplier": 2}).json()
        shown = stage.alpaca.get(f"/v1/trading/accounts/{made['id']}/account").json()
        assert (shown["cash"], shown["buying_power"], shown["cash_transferable"]) == ("100.00", "200.00", "100.00")

    def test_hold_back_what_open_journals_will_take(self, stage: Stage) -> None:
        stage.journal("400000", description="/fixtures/status=pending/fixtures/")
        firm = stage.alpaca.get(f"/v1/trading/accounts/{stage.firm}/account").json()
        assert (firm["cash"], firm["cash_transferable"]) == ("1000000.00", "600000.00")

    def test_settle_bank_transfers_at_once_and_list_them(self, stage: Stage) -> None:
        path = f"/v1/accounts/{stage.customer['brokerage_account']}/transfers"
        wanted = {"transfer_type": "ach", "relationship_id": "r", "amount": "25.00", "direction": "INCOMING"}
        made = stage.alpaca.post(path, wanted).json()
        assert (made["type"], made["status"]) == ("ach", "COMPLETE")
        assert [one["id"] for one in stage.alpaca.get(path).json()] == [made["id"]]
        assert cash(stage) == "25.00"
        assert stage.alpaca.post(path, {**wanted, "direction": "OUTGOING", "amount": "26"}).status_code == 403
        assert stage.alpaca.post(path, {**wanted, "additional_information": "x"}).status_code == 422

    def test_unknown_ones_are_404(self, stage: Stage) -> None:
        assert stage.alpaca.get("/v1/trading/accounts/none/account").json()["code"] == 40_410_000


class TestActivities:
    def test_are_paged_by_the_last_id(self, stage: Stage) -> None:
        executed(stage, stage.journal().json()["id"])
        executed(stage, stage.journal().json()["id"])
        path = f"/v1/accounts/activities?account_id={stage.firm}&direction=asc&page_size=2"
        first = stage.alpaca.get(path).json()
        second = stage.alpaca.get(f"{path}&page_token={first[-1]['id']}").json()
        assert [one["activity_type"] for one in (*first, *second)] == ["CSD", "JNLC", "JNLC"]
        assert [one["net_amount"] for one in (*first, *second)] == ["1000000.00", "-100.00", "-100.00"]
        assert stage.alpaca.get(f"{path}&page_token=none").status_code == 404

    def test_are_chosen_by_type_and_time(self, stage: Stage) -> None:
        stage.deposit()
        wait_for(lambda: len(stage.alpaca.get("/v1/accounts/activities?activity_types=CSD").json()) == 2)
        newest = stage.alpaca.get("/v1/accounts/activities?activity_types=CSD,CSW").json()[0]
        assert newest["net_amount"] == "249.25"
        assert "tf_" in newest["description"]
        assert stage.alpaca.get("/v1/accounts/activities?after=2999-01-01").json() == []


class TestLimits:
    def test_headers_count_down_and_the_limit_holds(self) -> None:
        with SandboxServer(config={"alpaca_rate_limit": 3}) as server:
            stage = make_stage(server)
            answers = [stage.alpaca.get("/v1/clock") for _ in range(8)]  # at most one new minute may begin meanwhile
        assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"3"}
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert int(refused[-1].headers["X-RateLimit-Reset"]) % 60 == 0
        assert refused[-1].headers["X-RateLimit-Remaining"] == "0"

    def test_throttling_tells_when_to_come_back_or_does_not(self, stage: Stage) -> None:
        stage.fault("throttled", provider="alpaca", times=1, seconds=7)
        told = stage.alpaca.get("/v1/clock")
        assert (told.status_code, told.headers["Retry-After"]) == (429, "7")
        stage.fault("throttled_bare", provider="alpaca", times=1)
        bare = stage.alpaca.get("/v1/clock")
        assert bare.status_code == 429
        assert not {"Retry-After", "X-RateLimit-Reset"} & set(bare.headers)


class TestMisleadingReads:
    def test_stale_journal_and_stale_cash(self, stage: Stage) -> None:
        journal = stage.journal().json()["id"]
        executed(stage, journal)
        stage.fault("stale_read", provider="alpaca")
        assert stage.alpaca.get(f"/v1/journals/{journal}").json()["status"] == "sent_to_clearing"
        assert cash(stage) == "0.00"

    def test_errors_before_and_after_the_effect(self, stage: Stage) -> None:
        stage.fault("server_error", provider="alpaca", only="POST /v1/journals", times=1)
        assert stage.journal(key="k1").status_code == 500
        assert stage.alpaca.get("/v1/journals").json() == []
        stage.fault("server_error_after", provider="alpaca", only="POST /v1/journals", times=1)
        assert stage.journal(key="k1").status_code == 500
        assert len(stage.alpaca.get("/v1/journals").json()) == 1
        assert stage.journal(key="k1").status_code == 200
        assert len(stage.alpaca.get("/v1/journals").json()) == 1

    def test_an_error_can_become_the_keys_answer(self, stage: Stage) -> None:
        stage.fault("server_error_after", provider="alpaca", only="POST /v1/journals", times=1, cached=True)
        assert [stage.journal(key="k1").status_code for _ in range(2)] == [500, 500]
        assert len(stage.alpaca.get("/v1/journals").json()) == 1

    def test_journal_that_moves_right_after_it_was_listed(self, stage: Stage) -> None:
        stage.journal(description="/fixtures/status=pending/fixtures/")
        stage.fault("changed_after_listed", provider="alpaca", times=1)
        first, second = (stage.alpaca.get("/v1/journals").json()[0]["status"] for _ in range(2))
        assert (first, second) in {("queued", "pending"), ("pending", "pending")}
