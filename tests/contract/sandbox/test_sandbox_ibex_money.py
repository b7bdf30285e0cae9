"""Money through IBEX: what the chain brings, what is sent on, what a hand from outside does."""

from decimal import Decimal
from typing import Any

import pytest
import requests

from sandbox.server import SandboxServer
from tests.contract.sandbox.ibex_stage import ETHEREUM, SECRET, TRON, listening, make_ibex


class TestDeposits:
    @pytest.mark.parametrize("network", ["tron", "ethereum"])
    def test_over_the_chain_are_credited_and_told(self, network: str) -> None:
        stage = listening()
        address = stage.receive_at(network)
        sender = TRON if network == "tron" else ETHEREUM
        movement = stage.world.chain.send(network, "USDT", sender=sender, recipient=address, amount=Decimal("49.5"))
        assert stage.balance() == 0

        (body,) = stage.run()

        assert stage.balance() == Decimal("49.5")
        assert body["secret"] == SECRET
        assert (body["transaction"]["amount"], body["transaction"]["address"]) == (Decimal("49.5"), address)
        details = stage.get(f"/v2/transaction/{body['transaction']['id']}/details")
        assert details["networkId"] == movement.hash

    def test_in_another_spelling_of_the_address_arrive_too(self) -> None:
        stage = listening()
        address = stage.receive_at().upper().replace("0X", "0x")
        stage.world.chain.send("ethereum", "USDT", sender=ETHEREUM, recipient=address, amount=Decimal(1))
        assert len(stage.run()) == 1

    @pytest.mark.parametrize(("network", "asset"), [("ethereum", "USDC"), ("base", "USDT")])
    def test_of_another_token_or_network_are_not_seen(self, network: str, asset: str) -> None:
        stage = listening()
        address = stage.receive_at()
        stage.world.chain.send(network, asset, sender=ETHEREUM, recipient=address, amount=Decimal(1))
        assert (stage.run(), stage.balance()) == ([], 0)

    def test_of_one_hash_may_pay_two_addresses(self) -> None:
        with SandboxServer() as server:
            control, ibex = server.urls["control"], server.world.ibex
            first, second = (ibex.add_receive_info(network="tron").address for _ in range(2))
            payments = [{"address": first, "amount": "1"}, {"address": second, "amount": "2"}]
            answer = requests.post(f"{control}/_control/ibex/deposits", json={"payments": payments}, timeout=5)
        assert answer.status_code == 201
        assert len({one["hash"] for one in answer.json()}) == 1
        assert len({one["id"] for one in answer.json()}) == 2

    def test_to_an_address_nobody_made_are_an_error_of_the_test(self) -> None:
        with pytest.raises(KeyError, match="address"):
            make_ibex().world.ibex.deposit(TRON)

    def test_can_end_otherwise_and_change_their_mind(self) -> None:
        stage = listening()
        transaction = stage.world.ibex.deposit(stage.receive_at(), "5", becomes="under_review")
        assert (stage.run(), stage.balance()) == ([], 0)
        stage.world.ibex.move(transaction, "completed")
        assert (len(stage.run()), stage.balance()) == (1, 5)
        stage.world.ibex.move(transaction, "failed")
        assert stage.balance() == 0

    def test_forget_what_was_planned_when_a_hand_moves_them(self) -> None:
        stage = listening()
        transaction = stage.world.ibex.deposit(stage.receive_at(), "5")
        stage.world.ibex.move(transaction, "failed")
        assert (len(stage.run()), stage.balance()) == (0, 0)
        assert stage.get(f"/v2/transaction/{transaction}")["status"] == "failed"

    def test_that_stay_pending_are_told_once(self) -> None:
        stage = listening(webhook_statuses=["pending"])
        stage.world.ibex.deposit(stage.receive_at(), becomes="pending")
        assert len(stage.run(86_400)) == 1


class TestSends:
    @pytest.mark.parametrize(("network", "address"), [("ethereum", ETHEREUM), ("tron", TRON)])
    def test_leave_over_the_chain_once_completed(self, network: str, address: str) -> None:
        stage = make_ibex(account_balance="100")
        status, body = stage.send(25.0, stage.send_info(address, network))
        assert (status, body["transaction"]["status"], body["cryptoTransaction"]) == (200, "pending", {})
        assert stage.balance() == 75
        assert stage.world.chain.movements == []
        transaction = body["transaction"]["id"]
        assert stage.get(f"/v2/transaction/{transaction}/details") == {"networkId": None}

        stage.run()

        (movement,) = stage.world.chain.movements
        assert (movement.network, movement.asset, movement.recipient) == (network, "USDT", address)
        assert movement.amount == 25
        assert stage.get(f"/v2/transaction/{transaction}")["status"] == "completed"
        assert stage.get(f"/v2/transaction/{transaction}/details") == {"networkId": movement.hash}
        assert stage.balance() == 75

    @pytest.mark.parametrize("config", [{"send_seconds": 0}, {"hash_at_once": True}])
    def test_may_have_their_hash_in_the_answer(self, config: dict[str, Any]) -> None:
        stage = make_ibex(account_balance="100", **config, hub_hash="transactionHash")
        _, body = stage.send()
        (movement,) = stage.world.chain.movements
        assert body["cryptoTransaction"] == {"networkTxId": movement.hash}
        assert body["transactionHub"]["transactionHash"] == movement.hash
        stage.run()
        assert len(stage.world.chain.movements) == 1
        assert stage.get(f"/v2/transaction/{body['transaction']['id']}")["status"] == "completed"

    @pytest.mark.parametrize("parts", [[], ["transactionHub"], ["transaction", "cryptoTransaction"]])
    def test_may_answer_only_in_part(self, parts: list[str]) -> None:
        stage = make_ibex(account_balance="100", send_reply=parts)
        assert list(stage.send()[1]) == parts

    def test_that_fail_give_the_money_back(self) -> None:
        stage = make_ibex(account_balance="100", send_fee="0.5")
        stage.world.ibex.decide_sends(["failed"])
        _, body = stage.send()
        assert stage.balance() == Decimal("74.5")
        assert stage.world.ibex.balances()[stage.account]["leaving"] == "25.50"
        stage.run()
        failed = stage.get(f"/v2/transaction/{body['transaction']['id']}")
        assert (failed["status"], failed["settledAt"]) == ("failed", "0001-01-01T00:00:00Z")
        assert stage.balance() == 100
        assert stage.world.chain.movements == []

    def test_of_too_much_are_refused_in_words_that_tell_the_account(self) -> None:
        stage = make_ibex(account_balance="24.999999")
        status, body = stage.send(25.0)
        assert status == 400
        assert "insufficient balance" in body["error"].lower()
        assert stage.account in body["error"]
        assert stage.balance() == Decimal("24.999999")

    def test_have_no_key_so_each_call_sends_again(self) -> None:
        stage = make_ibex(account_balance="100")
        info = stage.send_info()
        wanted = {"account_id": stage.account, "cryptoSendInfosId": info, "amount": 25}
        ids = {stage.post("/crypto/send", wanted)["transaction"]["id"] for _ in range(2)}
        stage.run()
        assert len(ids) == 2
        assert stage.balance() == 50
        (repeated,) = stage.world.ibex.effects()["repeated_sends"]
        assert repeated == {"account": stage.account, "address": ETHEREUM.lower(), "amount": "25.00", "count": 2}

    def test_by_the_simpler_path_may_name_a_receive_info_as_the_wallet(self) -> None:
        stage = make_ibex(account_balance="100")
        info = stage.world.ibex.add_receive_info()
        stage.post("/crypto/send", {"wallet_id": info.id, "cryptoSendInfosId": stage.send_info(), "amount": 30})
        assert stage.balance() == 70

    def test_that_failed_and_were_made_anew_are_no_repeat(self) -> None:
        stage = make_ibex(account_balance="100")
        stage.world.ibex.decide_sends(["failed"])
        for _ in range(2):
            stage.send()
            stage.run()
        effects = stage.world.ibex.effects()
        assert (effects["sends"], effects["failed_sends"], effects["repeated_sends"]) == (1, 1, [])

    def test_answered_504_may_or_may_not_have_been_made(self) -> None:
        stage = make_ibex(account_balance="100")
        stage.world.ibex.decide_sends(["unknown_made", "unknown_not_made"])
        assert [stage.send()[0] for _ in range(2)] == [504, 504]
        stage.run()
        assert stage.balance() == 75
        assert len(stage.get(f"/v2/transaction/account/{stage.account}/all?limit=0")) == 1

    def test_lost_on_the_way_back_were_made(self) -> None:
        stage = make_ibex(account_balance="100")
        stage.world.faults.set("server_error_after", "ibex", only="POST /accounts/{id}/crypto/send")
        assert stage.send()[0] == 500
        assert stage.world.ibex.effects()["sends"] == 1

    def test_can_be_refused_or_never_end(self) -> None:
        stage = make_ibex(account_balance="100")
        stage.world.ibex.decide_sends(["prepared", "pending"])
        assert stage.send() == (400, {"error": "Payment already prepared"})
        _, body = stage.send()
        stage.run(86_400)
        stage.token = stage.oauth()[1]["access_token"]
        assert stage.get(f"/v2/transaction/{body['transaction']['id']}")["status"] == "pending"

    def test_on_the_chain_can_fail_no_more(self) -> None:
        stage = make_ibex(account_balance="100", send_seconds=0)
        _, body = stage.send()
        with pytest.raises(ValueError, match="on the chain"):
            stage.world.ibex.move(body["transaction"]["id"], "failed")

    @pytest.mark.parametrize("amount", ["25", 0, -1, 0.0000001, None, True, 1e300])
    def test_refuse_odd_amounts(self, amount: Any) -> None:
        assert make_ibex(account_balance="100").send(amount)[0] == 400

    @pytest.mark.parametrize("address", [TRON, f"{ETHEREUM}0", ETHEREUM[2:], ""])
    def test_refuse_addresses_of_no_use_on_the_network(self, address: str) -> None:
        stage = make_ibex()
        wanted = {"name": "p", "requirementsId": "req_1", "data": {"address": address}}
        assert stage.call("POST", "/crypto/send-infos", wanted)[0] == 400

    def test_to_ourselves_arrive(self) -> None:
        stage = listening(account_balance="100")
        stage.send(25.0, stage.send_info(stage.receive_at()))
        (body,) = stage.run()
        assert (body["transaction"]["amount"], stage.balance()) == (25, 100)

    def test_are_told_only_where_chosen_and_never_as_received(self) -> None:
        stage = listening(account_balance="100", webhook_sends=True, webhook_shapes=["flat"])
        stage.send()
        (body,) = stage.run()
        assert body["transaction"]["transactionTypeId"] != 9


class TestControl:
    def test_steers_what_only_ibex_could(self) -> None:
        with SandboxServer(config={"ibex_settle_seconds": 3600}) as server:
            base = server.urls["control"] + "/_control/ibex"

            def ask(method: str, path: str, body: Any = None) -> Any:
                return requests.request(method, base + path, json=body, timeout=5)

            account = ask("POST", "/accounts", {"name": "acct_2"}).json()["id"]
            assert ask("POST", f"/accounts/{account}/balance", {"amount": "3"}).json()["balance"] == 3
            made = ask("POST", "/receive_infos", {"account_id": account, "network": "tron"}).json()
            seen = ask("POST", "/deposits", {"address": made["address"], "amount": "7.5"}).json()
            moved = ask("POST", f"/transactions/{seen['id']}", {"status": "completed"}).json()
            assert (seen["toCome"], moved["status"], moved["toCome"]) == ("completed", "completed", None)
            assert ask("GET", "/transactions").json()[0]["address"] == made["address"]
            assert ask("GET", "/accounts").json()[1]["balance"] == 10.5
            assert ask("POST", f"/transactions/{seen['id']}/announce", {}).json() == {"told": False}
            assert ask("PUT", "/webhooks", {"silent": True}).status_code == 200
            assert ask("PUT", "/webhooks", {"shapes": ["C"]}).status_code == 422
            assert ask("POST", "/sends", {"outcomes": ["failed"]}).json() == {"outcomes": ["failed"]}
            assert ask("POST", "/sends", {"outcomes": ["lost"]}).status_code == 422
            assert ask("POST", "/deposits", {"address": TRON}).status_code == 404
            assert ask("PUT", "/crypto", {"on": False}).status_code == 200
            assert ask("POST", "/tokens/expire", {"refresh": True}).status_code == 200
            assert ask("PUT", "/logins", {"email": "ops@example.com"}).status_code == 200
            assert not server.world.ibex.crypto_on
            assert server.world.ibex.webhooks.manner.silent

    def test_one_seed_tells_one_story(self) -> None:
        def tell(seed: int) -> Any:
            stage = listening(seed=seed, decimals=11)
            for network in ("tron", "ethereum"):
                stage.world.ibex.deposit(stage.receive_at(network))
            return stage.run(), stage.token, stage.world.ibex.balances()

        assert tell(3) == tell(3)
        assert tell(3) != tell(4)
