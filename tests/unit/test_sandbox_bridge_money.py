"""What a deposit, a transfer and a drain at Bridge do by themselves, to the cent and to the coin."""

from decimal import Decimal
from typing import Any

import pytest

from sandbox.chain import Movement
from tests.contract.sandbox.bridge_stage import HOME, PAYEE, Stage, make_bridge_stage

DAY = 86_400.0


def movements(stage: Stage, recipient: str) -> list[Movement]:
    return [one for one in stage.world.chain.movements if one.recipient == recipient]


def stages_told(bodies: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    objects = [body["event_object"] for body in bodies if body["event_category"] == "virtual_account.activity"]
    return [(one["type"], one["amount"], one["currency"]) for one in objects]


class TestDeposit:
    def test_becomes_coins_on_the_chain_less_every_fee(self) -> None:
        stage = make_bridge_stage()
        account = stage.account(developer_fee_percent="0.5")
        deposit_id = stage.world.bridge.deposit(account.id, "250.00", exchange_fee="0.25", step_seconds=[60, 60])

        bodies = stage.run(300)

        assert stages_told(bodies) == [
            ("funds_received", "250.00", "usd"),
            ("payment_submitted", "248.50", "usd"),
            ("payment_processed", "248.50", "usdt"),
        ]
        last = bodies[-1]["event_object"]
        fees = ("subtotal_amount", "developer_fee_amount", "exchange_fee_amount", "gas_fee")
        assert [last[name] for name in fees] == ["248.75", "1.25", "0.25", "0.0"]
        (sent,) = movements(stage, PAYEE)
        assert (sent.network, sent.asset, sent.amount) == ("tron", "USDT", Decimal("248.50"))
        assert last["destination_tx_hash"] == sent.hash
        assert {body["event_object"]["deposit_id"] for body in bodies[-3:]} == {deposit_id}
        assert stage.world.bridge.balances()["held"] == {}

    def test_of_a_percent_that_does_not_divide_is_cut_to_cents(self) -> None:
        stage = make_bridge_stage()
        stage.world.bridge.deposit(stage.account(developer_fee_percent="0.5").id, "33.33")
        assert stages_told(stage.run(60))[-1] == ("payment_processed", "33.17", "usdt")

    def test_under_review_is_held_and_then_refunded_without_a_coin(self) -> None:
        stage = make_bridge_stage()
        path = ("funds_scheduled", "funds_received", "in_review", "refunded")
        stage.world.bridge.deposit(stage.account().id, "99.00", path=path, step_seconds=60)
        stage.run(150)
        assert stage.world.bridge.balances()["held"] == {"usd": "99.00"}

        stage.run(60)

        assert stage.world.bridge.balances()["held"] == {}
        assert movements(stage, PAYEE) == []

    def test_submitted_and_then_refunded_never_left(self) -> None:
        stage = make_bridge_stage()
        stage.world.bridge.deposit(stage.account().id, path=("payment_submitted", "refunded"))
        stage.run(60)
        assert movements(stage, PAYEE) == []

    def test_too_small_to_convert_is_only_told(self) -> None:
        stage = make_bridge_stage()
        stage.world.bridge.deposit(stage.account().id, "0.11", path=("microdeposit",))
        assert stages_told(stage.run(60)) == [("microdeposit", "0.11", "usd")]
        assert stage.world.bridge.balances()["held"] == {}
        assert movements(stage, PAYEE) == []

    def test_on_a_deactivated_account_is_refunded(self) -> None:
        stage = make_bridge_stage()
        account = stage.account()
        stage.world.bridge.deposits.change(account, status="deactivated")
        stage.world.bridge.deposit(account.id)
        told = [body["event_object"]["type"] for body in stage.run(60) if "activity" in body["event_category"]]
        assert told == ["deactivation", "funds_received", "refunded"]

    def test_may_leave_only_when_processed(self) -> None:
        stage = make_bridge_stage()
        stage.world.bridge.deposit(stage.account().id, step_seconds=60, sent_on="payment_processed")
        stage.run(90)
        assert movements(stage, PAYEE) == []
        stage.run(60)
        assert len(movements(stage, PAYEE)) == 1

    @pytest.mark.parametrize(
        "bad", [{"amount": "-1"}, {"path": ()}, {"path": "ab"}, {"sent_on": "refunded"}, {"step_seconds": [1]}]
    )
    def test_that_makes_no_sense_is_refused_and_leaves_nothing(self, bad: dict[str, Any]) -> None:
        stage = make_bridge_stage()
        with pytest.raises(ValueError, match=r"amount|path|leaves|waits"):
            stage.world.bridge.deposit(stage.account().id, **bad)
        assert stage.world.bridge.deposits.by_id == {}


class TestTransfer:
    def test_waits_for_its_coins_and_then_pays_the_bank(self) -> None:
        stage = make_bridge_stage()
        payment = stage.withdrawal(developer_fee="1.25")
        stage.run(DAY)
        assert stage.states(payment) == ["awaiting_funds"]

        stage.world.bridge.pay_transfer(payment.id)
        stage.run(60)

        assert stage.states(payment)[1:] == ["funds_received", "payment_submitted", "payment_processed"]
        bank = payment.destination["external_account_id"]
        assert stage.world.bridge.balances() == {"held": {}, "paid_to_banks": {bank: "248.75"}}
        (came,) = movements(stage, (payment.instructions or {})["to_address"])
        assert stage.get(f"/transfers/{payment.id}")["receipt"]["source_tx_hash"] == came.hash

    def test_can_come_back_days_after_it_was_processed(self) -> None:
        stage = make_bridge_stage(bridge_return_address=HOME)
        payment = stage.withdrawal()
        stage.world.bridge.pay_transfer(payment.id)
        stage.world.bridge.give_back(payment.id, 3 * DAY)
        stage.run(2 * DAY)
        assert payment.state == "payment_processed"

        stage.run(2 * DAY)

        assert stage.states(payment)[-3:] == ["returned", "refund_in_flight", "refunded"]
        (back,) = movements(stage, HOME)
        assert back.amount == Decimal("250.00")
        assert stage.world.bridge.balances() == {"held": {}, "paid_to_banks": {}}

    def test_that_cannot_go_back_waits_for_a_return_policy(self) -> None:
        stage = make_bridge_stage()
        payment = stage.withdrawal()
        stage.world.bridge.pay_transfer(payment.id, "249.99")
        stage.run(DAY)
        assert stage.states(payment) == ["awaiting_funds", "missing_return_policy"]
        assert stage.world.bridge.balances()["held"] == {"usdt": "249.99"}

        stage.world.bridge.set_return_policy(HOME)
        stage.run(60)

        assert payment.state == "refunded"
        assert [one.amount for one in movements(stage, HOME)] == [Decimal("249.99")]

    def test_takes_any_amount_if_it_says_so(self) -> None:
        stage = make_bridge_stage()
        payment = stage.withdrawal(amount=None, features={"flexible_amount": True}, developer_fee_percent="1")
        stage.world.bridge.pay_transfer(payment.id, "80")
        stage.run(60)
        receipt = stage.get(f"/transfers/{payment.id}")["receipt"]
        assert (receipt["initial_amount"], receipt["final_amount"]) == ("80.00", "79.20")
        assert payment.state == "payment_processed"

    def test_sends_back_what_comes_from_a_stranger_unless_it_may_come_from_anyone(self) -> None:
        stage = make_bridge_stage(bridge_return_address=HOME)
        source = {"payment_rail": "tron", "currency": "usdt", "from_address": PAYEE}
        strict = stage.withdrawal(source=source)
        open_ = stage.withdrawal(source=source, features={"allow_any_from_address": True})
        for one in (strict, open_):
            stage.world.bridge.pay_transfer(one.id, sender=HOME)
        stage.run(60)
        assert (strict.state, open_.state) == ("refunded", "payment_processed")

    def test_called_off_sends_back_what_comes_too_late(self) -> None:
        stage = make_bridge_stage()
        payment = stage.withdrawal(return_instructions={"address": HOME})
        assert stage.call("DELETE", f"/transfers/{payment.id}").body["state"] == "canceled"
        stage.world.bridge.pay_transfer(payment.id)
        stage.run(60)
        assert stage.states(payment) == ["awaiting_funds", "canceled", "returned", "refund_in_flight", "refunded"]
        assert len(movements(stage, HOME)) == 1

    def test_is_paid_once_and_the_second_payment_is_stray(self) -> None:
        stage = make_bridge_stage()
        payment = stage.withdrawal()
        for _ in range(2):
            stage.world.bridge.pay_transfer(payment.id)
        stage.run(60)
        assert payment.received == Decimal(250)
        assert len(stage.world.bridge.effects()["stray"]) == 1

    def test_is_not_paid_by_another_coin(self) -> None:
        stage = make_bridge_stage()
        payment = stage.withdrawal()
        place = (payment.instructions or {})["to_address"]
        stage.world.chain.send("tron", "USDC", sender=PAYEE, recipient=place, amount=Decimal(250))
        assert payment.state == "awaiting_funds"
        assert len(stage.world.bridge.effects()["stray"]) == 1

    def test_to_a_closed_bank_account_is_undeliverable(self) -> None:
        stage = make_bridge_stage()
        payment = stage.withdrawal()
        bank = stage.world.bridge.external_accounts[payment.destination["external_account_id"]]
        stage.world.bridge.people.change_bank(bank, active=False)
        stage.world.bridge.pay_transfer(payment.id)
        stage.run(60)
        assert payment.state == "undeliverable"
        assert stage.world.bridge.balances()["held"] == {"usdt": "250.00"}

    def test_takes_the_course_it_was_given(self) -> None:
        stage = make_bridge_stage()
        payment = stage.withdrawal()
        stage.world.bridge.payments.prepare(payment, ["funds_received", "in_review", "error"], 60)
        stage.world.bridge.pay_transfer(payment.id)
        stage.run(60)
        assert payment.state == "in_review"
        stage.run(60)
        assert payment.state == "error"

    def test_from_a_bank_pays_coins_out(self) -> None:
        stage = make_bridge_stage()
        source = {"payment_rail": "ach_push", "currency": "usd"}
        destination = {"payment_rail": "tron", "currency": "usdt", "to_address": PAYEE}
        payment = stage.withdrawal(source=source, destination=destination)
        assert "deposit_message" in (payment.instructions or {})
        stage.world.bridge.pay_transfer(payment.id)
        stage.run(60)
        (sent,) = movements(stage, PAYEE)
        assert payment.destination_hash == sent.hash


class TestDrain:
    def test_is_made_by_each_payment_to_the_address(self) -> None:
        stage = make_bridge_stage()
        bank = stage.world.bridge.add_external_account(stage.customer.id)
        told = {"payment_rail": "ach", "currency": "usd", "external_account_id": bank.id}
        place = stage.world.bridge.add_liquidation_address(stage.customer.id, told)
        for amount in ("10", "20.5"):
            stage.world.bridge.pay_address(place.id, amount)

        bodies = [body for body in stage.run(60) if body["event_category"] == "liquidation_address.drain"]

        types = [body["event_type"].removeprefix("liquidation_address.drain.") for body in bodies]
        assert sorted(types) == ["created"] * 2 + ["updated.status_transitioned"] * 4
        assert stage.world.bridge.balances()["paid_to_banks"] == {bank.id: "30.50"}
        page = stage.get(f"/customers/{stage.customer.id}/liquidation_addresses/{place.id}/drains")
        assert [drain["amount"] for drain in page["data"]] == ["20.50", "10.00"]
        assert page == stage.get("/liquidation_addresses/drains")

    def test_returned_by_the_bank_goes_back_to_its_own_return_address(self) -> None:
        stage = make_bridge_stage()
        bank = stage.world.bridge.add_external_account(stage.customer.id)
        told = {"payment_rail": "ach", "currency": "usd", "external_account_id": bank.id}
        place = stage.world.bridge.add_liquidation_address(stage.customer.id, told, return_address=HOME)
        stage.world.bridge.pay_address(place.id, "10")
        (drain,) = stage.world.bridge.drains()
        stage.world.bridge.give_back(drain.id, DAY)
        stage.run(2 * DAY)
        assert drain.state == "refunded"
        assert [one.amount for one in movements(stage, HOME)] == [Decimal(10)]


class TestEffects:
    def test_count_the_same_transfer_twice_whatever_its_key(self) -> None:
        stage = make_bridge_stage()
        first = stage.withdrawal(client_reference_id="wd_1", key="one")
        stage.withdrawal(client_reference_id="wd_1", key="two")
        stage.withdrawal(client_reference_id="wd_2")
        transfers = stage.world.bridge.effects()["transfers"]
        assert (transfers["made"], transfers["repeated"]) == (3, 1)
        assert transfers["repeated_references"] == {"wd_1": 2}

        stage.world.bridge.payments.cancel(first)

        assert stage.world.bridge.effects()["transfers"]["repeated"] == 0

    def test_of_one_seed_are_the_same_again(self) -> None:
        def story(seed: int) -> list[Any]:
            stage = make_bridge_stage(seed)
            payment = stage.withdrawal()
            stage.world.bridge.deposit(stage.account().id)
            stage.world.bridge.pay_transfer(payment.id)
            bodies = stage.run(60)
            return [bodies, [one.headers for one in stage.delivered], stage.world.bridge.ready()]

        assert story(4) == story(4)
        assert story(4) != story(5)
