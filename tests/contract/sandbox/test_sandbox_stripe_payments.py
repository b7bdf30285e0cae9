"""Stripe's classic side as its callers see it: Checkout, refunds, disputes."""

import json
from typing import Any

import pytest

from tests.contract.sandbox.stripe_stage import Stage, make_stage

CHECKOUT = "/v1/checkout/sessions"
FORM = {
    "mode": "payment",
    "success_url": "https://shop.example/thanks",
    "client_reference_id": "dep_1",
    "line_items[0][price_data][currency]": "usd",
    "line_items[0][price_data][unit_amount]": "12500",
    "line_items[0][price_data][product_data][name]": "Deposit",
    "line_items[0][quantity]": "2",
}


@pytest.fixture
def stage() -> Stage:
    return make_stage()


def told(stage: Stage, kind: str) -> list[dict[str, Any]]:
    return [event["data"]["object"] for event in stage.heard if event["type"] == kind]


class TestCheckout:
    def test_is_paid_at_once(self, stage: Stage) -> None:
        made = stage.post(CHECKOUT, **FORM)
        assert (made["amount_total"], made["payment_status"], made["status"]) == (25_000, "unpaid", "open")
        assert made["payment_intent"] is None
        assert stage.run() == []

        stage.world.stripe.pay_checkout(made["id"])

        assert stage.run()[-1] == "checkout.session.completed"
        shown = stage.get(f"{CHECKOUT}/{made['id']}")
        assert told(stage, "checkout.session.completed") == [shown]
        assert (shown["payment_status"], shown["status"], shown["client_reference_id"]) == ("paid", "complete", "dep_1")
        assert stage.get(f"/v1/payment_intents/{shown['payment_intent']}")["amount_received"] == 25_000
        assert stage.world.stripe.balances()["balance"] == {"usd": "250.00"}

    @pytest.mark.parametrize(("succeeds", "status", "held"), [(True, "paid", {"usd": "250.00"}), (False, "unpaid", {})])
    def test_completed_is_not_paid_where_money_takes_days(
        self, stage: Stage, succeeds: Any, status: str, held: dict[str, str]
    ) -> None:
        session = stage.post(CHECKOUT, **FORM)["id"]
        stage.world.stripe.pay_checkout(session, settles_after=3 * 86_400, succeeds=succeeds)
        assert stage.run() == ["checkout.session.completed"]
        assert stage.heard[0]["data"]["object"]["payment_status"] == "unpaid"
        assert stage.world.stripe.balances()["balance"] == {}

        ending = stage.run(4 * 86_400)[-1]

        assert ending == f"checkout.session.async_payment_{'succeeded' if succeeds else 'failed'}"
        assert stage.get(f"{CHECKOUT}/{session}")["payment_status"] == status
        assert stage.world.stripe.balances()["balance"] == held

    def test_of_nothing_needs_no_payment(self, stage: Stage) -> None:
        session = stage.post(CHECKOUT, **(FORM | {"line_items[0][price_data][unit_amount]": "0"}))["id"]
        stage.world.stripe.pay_checkout(session)
        shown = stage.get(f"{CHECKOUT}/{session}")
        assert (shown["payment_status"], shown["payment_intent"]) == ("no_payment_required", None)

    def test_page_expires_by_itself_or_on_request(self, stage: Stage) -> None:
        by_itself, asked = (stage.post(CHECKOUT, **FORM)["id"] for _ in range(2))
        assert stage.post(f"{CHECKOUT}/{asked}/expire")["status"] == "expired"
        assert stage.run(86_401) == ["checkout.session.expired"] * 2
        assert stage.get(f"{CHECKOUT}/{by_itself}")["url"] is None
        with pytest.raises(ValueError, match="expired"):
            stage.world.stripe.pay_checkout(by_itself)

    def test_yen_are_not_multiplied(self, stage: Stage) -> None:
        session = stage.world.stripe.add_checkout_session("25000", "jpy").id
        assert stage.get(f"{CHECKOUT}/{session}")["amount_total"] == 25_000
        stage.world.stripe.pay_checkout(session)
        assert stage.world.stripe.balances()["balance"] == {"jpy": "25000"}

    @pytest.mark.parametrize(
        "change",
        [
            {"mode": ""},
            {"mode": "subscription"},
            {"success_url": ""},
            {"line_items[0][price_data][unit_amount]": "12.50"},
            {"line_items[0][price_data][unit_amount]": "-1"},
            {"line_items[0][price_data][currency]": "dollars"},
            {"line_items[0][quantity]": "0"},
            {"line_items[1]": "x"},
            {"expires_at": "5"},
        ],
    )
    def test_refuses_what_cannot_be_sold(self, stage: Stage, change: dict[str, str]) -> None:
        assert stage.send(CHECKOUT, FORM | change).status == 400

    def test_pages_made_twice_are_named_by_reference(self, stage: Stage) -> None:
        stage.post(CHECKOUT, **FORM)
        stage.post(CHECKOUT, **FORM)
        effects = stage.world.stripe.effects()
        assert effects["doubled"]["checkout_sessions"] == {"dep_1": 2}


class TestRefunds:
    def test_in_parts_add_up_on_the_charge(self, stage: Stage) -> None:
        """Whoever books `amount_refunded` of each event gives back too much."""
        charge = stage.charge()
        stage.post("/v1/refunds", charge=charge, amount="10000", reason="requested_by_customer")
        stage.world.stripe.refund(charge, "50.00")
        stage.post("/v1/refunds", payment_intent=stage.get(f"/v1/charges/{charge}")["payment_intent"])
        stage.run()
        seen = [(one["amount_refunded"], one["refunded"]) for one in told(stage, "charge.refunded")]
        assert seen == [(10_000, False), (15_000, False), (25_000, True)]
        assert [one["amount"] for one in told(stage, "refund.created")] == [10_000, 5_000, 10_000]
        assert [one["amount"] for one in stage.get("/v1/refunds", charge=charge)["data"]] == [10_000, 5_000, 10_000]
        assert stage.world.stripe.balances()["balance"] == {"usd": "0.00"}

    def test_that_fail_give_the_money_back(self, stage: Stage) -> None:
        charge = stage.charge()
        refund = stage.post("/v1/refunds", charge=charge)
        assert refund["status"] == "succeeded"
        stage.world.stripe.fail_refund(refund["id"])
        assert stage.run()[-2:] == ["refund.updated", "refund.failed"]
        shown = stage.get(f"/v1/charges/{charge}")
        assert (shown["amount_refunded"], shown["refunded"]) == (0, False)
        assert stage.get(f"/v1/refunds/{refund['id']}")["failure_reason"] == "lost_or_stolen_card"
        assert stage.world.stripe.balances()["balance"] == {"usd": "250.00"}

    def test_may_be_pending_first(self) -> None:
        stage = make_stage(stripe_refund_seconds=60)
        refund = stage.post("/v1/refunds", charge=stage.charge())
        assert refund["status"] == "pending"
        stage.run(61)
        assert stage.get(f"/v1/refunds/{refund['id']}")["status"] == "succeeded"
        assert stage.heard[-1]["data"]["previous_attributes"] == {"status": "pending"}

    def test_never_exceed_what_is_left(self, stage: Stage) -> None:
        charge = stage.charge()
        assert stage.refused("/v1/refunds", {"charge": charge, "amount": "25001"})["param"] == "amount"
        stage.post("/v1/refunds", charge=charge)
        assert stage.refused("/v1/refunds", {"charge": charge})["code"] == "charge_already_refunded"
        assert stage.refused("/v1/refunds", {"charge": "ch_none"})["code"] == "resource_missing"
        assert stage.refused("/v1/refunds", {})["code"] == "parameter_missing"
        with pytest.raises(ValueError, match="outside"):
            stage.world.stripe.refund(charge, "1.00")


class TestDisputes:
    def test_lost_takes_the_money_for_good(self, stage: Stage) -> None:
        stripe = stage.world.stripe
        charge = stage.charge()
        stage.run()
        dispute = stripe.open_dispute(charge, "100.00").id
        assert stripe.balances()["balance"] == {"usd": "150.00"}
        stripe.close_dispute(dispute, "lost")
        assert stage.run() == [f"charge.dispute.{name}" for name in ("created", "funds_withdrawn", "closed")]
        shown = stage.get("/v1/disputes", charge=charge)["data"][0]
        assert (shown["status"], shown["amount"], shown["id"]) == ("lost", 10_000, dispute)
        assert stage.get(f"/v1/charges/{charge}")["disputed"] is True
        assert stripe.balances()["balance"] == {"usd": "150.00"}

    def test_won_brings_it_back(self, stage: Stage) -> None:
        stripe = stage.world.stripe
        dispute = stripe.open_dispute(stage.charge(), withdraw=False).id
        assert stripe.balances()["balance"] == {"usd": "250.00"}
        stripe.withdraw_dispute(dispute)
        assert stripe.balances()["balance"] == {"usd": "0.00"}
        stripe.close_dispute(dispute, "won")
        assert stage.run()[-3:] == [
            f"charge.dispute.{name}" for name in ("funds_withdrawn", "funds_reinstated", "closed")
        ]
        assert stripe.balances()["balance"] == {"usd": "250.00"}

    def test_money_can_come_back_long_after_the_end(self, stage: Stage) -> None:
        stripe = stage.world.stripe
        dispute = stripe.open_dispute(stage.charge()).id
        stripe.close_dispute(dispute, "won", reinstate=False)
        stripe.reinstate_dispute(dispute)
        assert stage.run()[-2:] == ["charge.dispute.closed", "charge.dispute.funds_reinstated"]
        with pytest.raises(ValueError, match="withdrawn"):
            stripe.reinstate_dispute(dispute)

    def test_given_in_by_the_merchant_is_lost(self, stage: Stage) -> None:
        dispute = stage.world.stripe.open_dispute(stage.charge()).id
        assert stage.post(f"/v1/disputes/{dispute}/close")["status"] == "lost"
        assert stage.send(f"/v1/disputes/{dispute}/close", {}).status == 400

    def test_disputed_money_is_not_refunded_too(self, stage: Stage) -> None:
        charge = stage.charge()
        stage.world.stripe.open_dispute(charge)
        assert stage.refused("/v1/refunds", {"charge": charge})["code"] == "charge_disputed"

    def test_onramp_sessions_have_neither(self, stage: Stage) -> None:
        """Stripe sold the coins itself: there is no charge of ours."""
        stage.world.stripe.pay_onramp(stage.session(), step_seconds=0)
        stage.run()
        assert stage.get("/v1/charges")["data"] == []
        assert json.loads(stage.ask("GET", "/v1/disputes").body)["data"] == []
