"""Money paid on a Checkout page: credited once, claimed once, taken back by refunds and disputes, and given back."""

import pytest

from db import ledger
from funding.ledger import accounts
from funding.ledger.entries import credit, debit, entry
from funding.money import Money
from ops.actions import customers
from ops.actions import flows as flow_actions
from ops.actions.desk import Refused
from sandbox.stripe.checkout import CheckoutSession
from tests.support.deposit_house import DepositHouse
from tests.support.top_ups import WEEK, TopUps

DAY = 24 * 3600.0


@pytest.fixture
def top_ups(house: DepositHouse) -> TopUps:
    return TopUps(house)


def charge_of(page: CheckoutSession) -> str:
    assert page.charge_id is not None
    return page.charge_id


def spend(house: DepositHouse, amount: str) -> None:
    """The customer spends their cash on something else."""
    money = Money.parse(amount, "USD")
    moved = entry("test/spent", "spent", debit(accounts.cash("ana", "USD"), money), credit(accounts.bank("USD"), money))
    with house.begin() as connection:
        ledger.post(connection, None, (moved,))


class TestPaid:
    def test_is_credited_to_the_customer_that_the_page_names_and_claimed_once(
        self, house: DepositHouse, top_ups: TopUps
    ) -> None:
        page = top_ups.paid("100.00")
        assert top_ups.history(page.id) == ["created", "paid", "claimable"]
        assert (top_ups.holds("top_up"), top_ups.books()) == (100_00, [])
        top_ups.claim(page.id)
        assert (top_ups.state(page.id), top_ups.holds("top_up"), top_ups.holds("cash")) == ("claimed", 0, 100_00)
        with pytest.raises(Refused, match="already claimed"):
            top_ups.claim(page.id)
        assert (house.told(), house.open_breaks()) == (["top_up.claimable"], [])

    def test_over_days_is_credited_when_the_bank_has_paid(self, house: DepositHouse, top_ups: TopUps) -> None:
        """`checkout.session.completed` says only that the customer went through the page."""
        page = top_ups.page()
        top_ups.stripe.pay_checkout(page.id, settles_after=3 * DAY)
        house.pass_time(DAY)
        assert (top_ups.state(page.id), top_ups.holds("top_up")) == ("created", 0)
        house.pass_time(2 * DAY + 60)
        assert (top_ups.state(page.id), top_ups.holds("top_up")) == ("claimable", 100_00)

    def test_over_days_and_then_refused_is_given_up_after_a_week(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.page()
        top_ups.stripe.pay_checkout(page.id, settles_after=DAY, succeeds=False)
        house.pass_time(WEEK + 60)
        assert (top_ups.state(page.id), top_ups.holds("top_up"), top_ups.books()) == ("abandoned", 0, [])

    def test_after_more_than_a_week_wakes_what_was_given_up(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.page()
        top_ups.stripe.pay_checkout(page.id, settles_after=10 * DAY)
        house.pass_time(9 * DAY)
        assert top_ups.state(page.id) == "abandoned"
        house.pass_time(DAY + 60)
        assert (top_ups.state(page.id), top_ups.books()) == ("claimable", [])

    def test_with_every_webhook_dropped_is_found_by_the_polls(self, house: DepositHouse, top_ups: TopUps) -> None:
        house.world.faults.set("webhook_dropped", "stripe")
        page = top_ups.page()
        top_ups.stripe.pay_checkout(page.id)
        house.poll()
        house.pass_time(60)
        assert top_ups.state(page.id) == "claimable"

    def test_by_nobody_we_know_waits_in_suspense_until_the_customer_is_added(
        self, house: DepositHouse, top_ups: TopUps
    ) -> None:
        page = top_ups.paid("100.00", customer="ben", known=False)
        flow = top_ups.flow(page.id)
        assert (flow["state"], flow["customer_id"], flow["parked_at"] is not None) == ("claimable", None, True)
        assert (top_ups.holds("suspense"), house.open_breaks()) == (100_00, [("stripe", "unmatched_event")])
        assert "Add them" in flow["parked_reason"]
        assert "top_up.claimable" not in house.told()
        with pytest.raises(Refused, match="not claimable"):
            top_ups.claim(page.id)

        assert customers.add_customer(house.desk, "cy", level=2, links=[]).flows_resumed == ()
        assert customers.add_customer(house.desk, "ben", level=2, links=[]).flows_resumed == (flow["id"],)
        house.pass_time(5)
        assert house.letters() == [("needs_person", "resolved", "link")]
        assert (top_ups.holds("suspense"), top_ups.holds("top_up"), house.open_breaks()) == (0, 100_00, [])
        top_ups.claim(page.id)
        assert (top_ups.holds("cash"), top_ups.books()) == (100_00, [])

    def test_on_a_page_that_names_nobody_is_somebodys_all_the_same(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00", customer=None, known=False)
        flow = top_ups.flow(page.id)
        assert (top_ups.holds("suspense"), top_ups.books()) == (100_00, [])
        assert house.open_breaks() == [("stripe", "unmatched_event")]
        assert "move-suspense" in flow["parked_reason"]

        top_ups.customer("ben")
        flow_actions.move_suspense(house.desk, flow["id"], "ben")
        house.pass_time(5)
        assert (top_ups.holds("suspense"), top_ups.holds("top_up"), house.open_breaks()) == (0, 100_00, [])

    def test_over_days_is_the_customers_who_was_added_meanwhile(self, house: DepositHouse, top_ups: TopUps) -> None:
        """Nobody parks while nothing is paid: who is added by then owns it like any other."""
        page = top_ups.page("100.00", customer="ben", known=False)
        top_ups.stripe.pay_checkout(page.id, settles_after=DAY)
        house.pass_time(60)
        assert (top_ups.state(page.id), top_ups.flow(page.id)["customer_id"]) == ("created", None)
        customers.add_customer(house.desk, "ben", level=2, links=[])
        house.pass_time(DAY)
        assert (top_ups.flow(page.id)["customer_id"], top_ups.holds("top_up")) == ("ben", 100_00)
        assert house.letters() == []

    def test_in_another_amount_than_was_credited_is_not_claimed(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        house.world.faults.set("amount_changed", "stripe", delta="-1.00", times=1, only="GET /v1/checkout/sessions/*")
        top_ups.claim(page.id)
        assert (top_ups.state(page.id), top_ups.flow(page.id)["parked_at"] is not None) == ("claimable", True)
        assert house.open_breaks() == [("stripe", "amount_differs")]

    def test_with_nothing_to_pay_is_set_aside(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("0")
        assert (top_ups.state(page.id), house.open_breaks()) == ("created", [("stripe", "amount_differs")])

    def test_in_a_currency_without_a_scale_is_quarantined(self, house: DepositHouse, top_ups: TopUps) -> None:
        top_ups.customer()
        page = top_ups.stripe.add_checkout_session("500", "jpy", client_reference_id="ana")
        top_ups.stripe.pay_checkout(page.id)
        house.pass_time(5)
        assert house.one("SELECT count(*) FROM flows") == 0
        assert [(status) for _, status, _ in house.letters()] == ["open"]
        house.books_differ = "an event was set aside"

    def test_never_because_the_page_expired_opens_nothing(self, house: DepositHouse, top_ups: TopUps) -> None:
        top_ups.page()
        house.pass_time(25 * 3600)
        assert house.one("SELECT count(*) FROM flows") == 0


class TestRefunds:
    def test_in_parts_take_each_part_once(self, house: DepositHouse, top_ups: TopUps) -> None:
        """`charge.refunded` is cumulative and comes with each part."""
        page = top_ups.paid("100.00")
        for part in ("10.00", "15.00"):
            top_ups.stripe.refund(charge_of(page), part)
            house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("top_up"), top_ups.books()) == ("claimable", 75_00, [])
        top_ups.claim(page.id)
        assert (top_ups.holds("cash"), house.told().count("top_up.reversed")) == (75_00, 2)

    def test_of_all_reverse_it_and_a_failed_one_gives_it_back(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        refund = top_ups.stripe.refund(charge_of(page))
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("top_up"), top_ups.books()) == ("reversed", 0, [])
        with pytest.raises(Refused, match="is not claimable, it is reversed"):
            top_ups.claim(page.id)
        house.pass_time(5 * DAY)
        top_ups.stripe.fail_refund(refund.id)
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("top_up"), top_ups.books()) == ("claimable", 100_00, [])

    def test_after_the_claim_take_the_cash(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        top_ups.claim(page.id)
        first = top_ups.stripe.refund(charge_of(page), "40.00")
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("cash"), top_ups.books()) == ("claimed", 60_00, [])
        top_ups.stripe.fail_refund(first.id)
        house.pass_time(300)
        assert (top_ups.holds("cash"), top_ups.books()) == (100_00, [])

    def test_begun_before_the_claim_come_back_as_cash_after_it(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        refund = top_ups.stripe.refund(charge_of(page), "40.00")
        house.pass_time(300)
        top_ups.claim(page.id)
        top_ups.stripe.fail_refund(refund.id)
        house.pass_time(300)
        assert (top_ups.holds("top_up"), top_ups.holds("cash"), top_ups.books()) == (0, 100_00, [])

    @pytest.mark.parametrize("house", [{"stripe_refund_seconds": 2 * DAY}], indirect=True)
    def test_that_are_canceled_while_pending_give_it_back(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        refund = top_ups.stripe.refund(charge_of(page), "40.00")
        house.pass_time(300)
        assert top_ups.holds("top_up") == 60_00
        top_ups.stripe.fail_refund(refund.id)
        refund.status = "canceled"
        house.pass_time(300)
        assert (top_ups.holds("top_up"), top_ups.books()) == (100_00, [])

    def test_of_what_was_spent_are_owed_and_people_are_told(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        top_ups.claim(page.id)
        spend(house, "70.00")
        refund = top_ups.stripe.refund(charge_of(page))
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("cash"), top_ups.holds("receivable")) == ("reversed", 0, 70_00)
        assert (house.open_breaks(), top_ups.books()) == ([("stripe", "balance_differs")], [])
        top_ups.stripe.fail_refund(refund.id)
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("cash"), top_ups.holds("receivable")) == ("claimed", 30_00, 0)
        assert house.open_breaks() == []

    def test_before_anybody_knows_whose_it_is_leave_suspense(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00", known=False)
        top_ups.stripe.refund(charge_of(page), "40.00")
        house.pass_time(300)
        assert (top_ups.holds("suspense"), top_ups.books()) == (60_00, [])
        top_ups.customer()
        house.pass_time(5)
        assert (top_ups.holds("suspense"), top_ups.holds("top_up"), house.open_breaks()) == (0, 60_00, [])

    def test_of_all_of_what_was_nobodys_leave_nothing_to_do(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00", known=False)
        top_ups.stripe.refund(charge_of(page))
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("suspense"), house.open_breaks()) == ("reversed", 0, [])
        assert house.letters() == [("needs_person", "resolved", "event")]

    def test_of_an_unknown_payment_are_unmatched_after_a_day(self, house: DepositHouse, top_ups: TopUps) -> None:
        charge = house.world.stripe.payments.begin(50_00, "usd", {}, livemode=False)
        house.world.stripe.payments.settle(charge, succeeded=True)
        top_ups.stripe.refund(charge.id)
        house.pass_time(DAY - 3600)
        assert house.open_breaks() == []
        house.pass_time(2 * 3600)
        assert house.open_breaks() == [("stripe", "unmatched_event")]

    def test_read_in_an_older_state_than_their_event_are_read_again(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        refund = top_ups.stripe.refund(charge_of(page))
        house.pass_time(300)
        house.world.faults.set("stale_read", "stripe", age_seconds=20)
        top_ups.stripe.fail_refund(refund.id)
        house.pass_time(45)
        assert (top_ups.state(page.id), top_ups.holds("top_up"), top_ups.books()) == ("claimable", 100_00, [])

    def test_are_found_months_after_the_claim_with_every_webhook_dropped(
        self, house: DepositHouse, top_ups: TopUps
    ) -> None:
        page = top_ups.paid("100.00")
        top_ups.claim(page.id)
        house.pass_time(90 * DAY)
        house.world.faults.set("webhook_dropped", "stripe")
        top_ups.stripe.refund(charge_of(page))
        house.pass_time(DAY + 3600)
        assert (top_ups.state(page.id), top_ups.holds("cash"), top_ups.books()) == ("reversed", 0, [])


class TestDisputes:
    def test_take_the_money_and_give_it_back_when_they_are_won(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        dispute = top_ups.stripe.open_dispute(charge_of(page))
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("top_up"), top_ups.books()) == ("disputed", 0, [])
        assert house.open_breaks() == [("stripe", "state_differs")]
        with pytest.raises(Refused, match="is not claimable, it is disputed"):
            top_ups.claim(page.id)
        top_ups.stripe.close_dispute(dispute.id, "won")
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("top_up"), top_ups.books()) == ("claimable", 100_00, [])
        assert (house.open_breaks(), house.told()) == (
            [],
            ["top_up.claimable", "top_up.reversed", "top_up.restored"],
        )

    def test_that_are_lost_reverse_it_for_good_unless_an_appeal_is_won(
        self, house: DepositHouse, top_ups: TopUps
    ) -> None:
        page = top_ups.paid("100.00")
        top_ups.claim(page.id)
        dispute = top_ups.stripe.open_dispute(charge_of(page))
        house.pass_time(300)
        top_ups.stripe.close_dispute(dispute.id, "lost")
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("cash"), top_ups.books()) == ("reversed", 0, [])
        assert house.open_breaks() == []

        dispute.status = "appeal_under_review"
        house.world.stripe.events.happened(dispute, "charge.dispute.updated")
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("cash")) == ("disputed", 0)
        top_ups.stripe.close_dispute(dispute.id, "won")
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("cash"), top_ups.books()) == ("claimed", 100_00, [])

    def test_that_only_ask_take_nothing(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        dispute = top_ups.stripe.open_dispute(charge_of(page), status="warning_needs_response", withdraw=False)
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("top_up"), top_ups.books()) == ("disputed", 100_00, [])
        top_ups.stripe.close_dispute(dispute.id, "warning_closed")
        house.pass_time(300)
        assert (top_ups.state(page.id), house.told()) == ("claimable", ["top_up.claimable"])

    def test_withdraw_later_and_reinstate_before_the_end(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        dispute = top_ups.stripe.open_dispute(charge_of(page), withdraw=False)
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("top_up"), top_ups.books()) == ("disputed", 100_00, [])
        top_ups.stripe.withdraw_dispute(dispute.id)
        house.pass_time(300)
        assert (top_ups.holds("top_up"), top_ups.books()) == (0, [])
        top_ups.stripe.reinstate_dispute(dispute.id)
        house.pass_time(900)
        assert (top_ups.state(page.id), top_ups.holds("top_up"), top_ups.books()) == ("disputed", 100_00, [])
        top_ups.stripe.withdraw_dispute(dispute.id)
        top_ups.stripe.close_dispute(dispute.id, "lost")
        house.pass_time(900)
        assert (top_ups.state(page.id), top_ups.holds("top_up"), top_ups.books()) == ("reversed", 0, [])

    def test_of_a_part_leave_the_rest_to_claim(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        dispute = top_ups.stripe.open_dispute(charge_of(page), "30.00")
        house.pass_time(300)
        top_ups.stripe.close_dispute(dispute.id, "lost")
        house.pass_time(300)
        top_ups.claim(page.id)
        assert (top_ups.state(page.id), top_ups.holds("cash"), top_ups.books()) == ("claimed", 70_00, [])

    def test_beyond_what_is_left_are_owed(self, house: DepositHouse, top_ups: TopUps) -> None:
        """A bank may take the whole charge though a part of it was refunded before."""
        page = top_ups.paid("100.00")
        top_ups.stripe.refund(charge_of(page), "40.00")
        house.pass_time(300)
        top_ups.stripe.open_dispute(charge_of(page))
        house.pass_time(300)
        assert (top_ups.holds("top_up"), top_ups.holds("receivable"), top_ups.books()) == (0, 40_00, [])
        assert house.open_breaks() == [("stripe", "balance_differs"), ("stripe", "state_differs")]

    def test_wait_for_their_end_with_a_claim_that_was_asked_before(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        house.world.faults.set("unavailable", "stripe")
        top_ups.claim(page.id)
        dispute = top_ups.stripe.open_dispute(charge_of(page))
        house.world.faults.clear()
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("cash")) == ("disputed", 0)
        top_ups.stripe.close_dispute(dispute.id, "won")
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.holds("cash"), top_ups.books()) == ("claimed", 100_00, [])

    def test_in_a_status_nobody_documented_are_told_to_people(self, house: DepositHouse, top_ups: TopUps) -> None:
        page = top_ups.paid("100.00")
        dispute = top_ups.stripe.open_dispute(charge_of(page))
        dispute.status = "frozen_solid"
        house.pass_time(300)
        assert (top_ups.state(page.id), top_ups.books()) == ("disputed", [])
        shown = house.rows("SELECT theirs FROM breaks WHERE status = 'open'")
        assert ("frozen_solid",) in shown
