"""The control API and the page, and the sandbox as a process of its own."""

import json
import signal
import subprocess
import sys

import pytest
import requests

from tests.contract.sandbox.stage import Stage, wait_for


class TestControl:
    def test_a_deposit_and_its_journal_end_in_balanced_books(self, stage: Stage) -> None:
        stage.deposit(expects_account=stage.customer["brokerage_account"])
        effects = wait_for(lambda: (found := stage.control.get("/_control/effects").json())["intended"] and found)
        assert len(effects["missing"]) == 1
        stage.journal("249.25")
        stage.journal("249.25")
        assert stage.control.get("/_control/effects").json()["duplicates"] == 1

        def books() -> bool:
            found = stage.control.get("/_control/balances").json()
            return bool(
                found["due"] == {"USDC": "0.00"}
                and found["alpaca"]["firm"]["cash"] == "999750.75"
                and found["alpaca"]["accounts"] == {stage.customer["brokerage_account"]: "498.50"},
            )

        wait_for(books)

    def test_plants_a_late_refund_that_the_bank_takes_back(self, stage: Stage) -> None:
        transfer_id = stage.deposit()
        path = f"/_control/due/transfers/{transfer_id}"
        wait_for(lambda: stage.control.get(path).json()["paidOut"])
        answer = stage.control.post(
            path, {"status": "refund_submitted", "path": ["refund_processed"], "clawback": True}
        )
        assert answer.json()["status"] == "refund_submitted"
        wait_for(lambda: stage.control.get(path).json()["returned"])
        balances = stage.control.get("/_control/balances").json()
        assert balances["alpaca"]["firm"]["cash"] == "1000000.00"
        assert balances["due"] == {"USDC": "0.00"}

    def test_changes_amounts_and_currency(self, stage: Stage) -> None:
        transfer_id = stage.deposit(path=["funds_received"])
        change = {"source_amount": "251.00", "destination_amount": "250.25", "currency": "USDT"}
        stage.control.post(f"/_control/due/transfers/{transfer_id}", change)
        shown = stage.due.get(f"/v1/transfers/{transfer_id}").json()
        assert (shown["source"]["currency"], float(shown["source"]["amount"])) == ("USDT", 251.0)
        assert shown["status"] == "funds_received"

    def test_sets_counts_and_clears_faults(self, stage: Stage) -> None:
        both = [{"name": "server_error", "provider": "due"}, {"name": "slow_reply", "seconds": 0}]
        stage.control.call("PUT", "/_control/faults", json={"faults": both})
        assert stage.due.get("/v1/accounts").status_code == 500
        found = stage.control.get("/_control/faults").json()
        assert [rule["name"] for rule in found["rules"]] == ["server_error", "slow_reply"]
        assert found["counts"] == {"server_error": 1}
        assert len(stage.control.call("DELETE", "/_control/faults?name=server_error").json()["rules"]) == 1
        assert stage.control.call("DELETE", "/_control/faults").json()["rules"] == []

    def test_remembers_requests_with_what_struck_them(self, stage: Stage) -> None:
        stage.fault("unavailable", provider="due", times=1)
        stage.due.get("/v1/transfers?limit=1")
        (seen,) = stage.control.get("/_control/requests").json()
        assert (seen["provider"], seen["path"]) == ("due", "/v1/transfers?limit=1")
        assert (seen["status"], seen["fault"]) == (503, "unavailable")

    def test_reset_forgets_everything(self, stage: Stage) -> None:
        stage.deposit()
        firm = stage.firm
        assert stage.control.post("/_control/reset", {}).json()["firm_account_id"] == firm
        assert stage.control.get("/_control/counts").json()["transfers"] == 0

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("PUT", "/_control/faults", {"name": "no_such"}, 422),
            ("PUT", "/_control/faults", {"provider": "due"}, 422),
            ("POST", "/_control/due/deposits", {"virtual_account_id": "va_none"}, 404),
            ("POST", "/_control/due/deposits", {"no_such": 1}, 422),
            ("POST", "/_control/due/transfers/tf_none", {"status": "failed"}, 404),
            ("POST", "/_control/alpaca/journals/none", {"status": "executed"}, 404),
            ("POST", "/_control/alpaca/accounts/none/refuse", {"mode": "odd"}, 422),
            ("GET", "/_control/nothing", None, 404),
        ],
    )
    def test_says_what_was_wrong(self, stage: Stage, method: str, path: str, body: object, status: int) -> None:
        answer = stage.control.call(method, path, json=body)
        assert answer.status_code == status
        assert answer.json()["error"]


class TestPage:
    @pytest.mark.parametrize("path", ["/", "/_control"])
    def test_shows_everything_escaped_and_without_scripts(self, stage: Stage, path: str) -> None:
        stage.journal(description="<script>alert(1)</script>")
        stage.deposit()
        text = stage.control.get(path).text
        assert "&lt;script&gt;alert(1)" in text
        assert "<script" not in text
        for word in ("Balances", "Transfers at Due", "Journals at Alpaca", "Faults", "Effects", "tf_"):
            assert word in text


class TestProcess:
    @pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
    def test_says_where_it_is_and_stops_cleanly(self, end: signal.Signals) -> None:
        command = [sys.executable, "-m", "sandbox", "--seed", "5", "--config", '{"firm_cash": "7"}']
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            balances = requests.get(f"{ready['control']}/_control/balances", timeout=5).json()
            process.send_signal(end)
            out, err = process.communicate(timeout=10)
        assert balances["alpaca"]["firm"] == {"id": ready["alpaca_firm_account_id"], "cash": "7.00", "reserved": "0.00"}
        assert (process.returncode, out, err) == (0, "", "")
        assert ready["seed"] == 5

    def test_names_a_setting_it_does_not_know(self) -> None:
        command = [sys.executable, "-m", "sandbox", "--config", '{"speed": 1}']
        ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert ended.returncode == 2
        assert "unknown setting of the sandbox: speed" in ended.stderr
