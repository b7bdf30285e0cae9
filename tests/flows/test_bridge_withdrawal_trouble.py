"""Withdrawals on which something goes wrong: nothing is sent twice, and a hold ends once."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from funding.refusals import CustomerSuspended, KycPending
from tests.support.deposit_house import DepositHouse
from tests.support.on_ramps import OnRamps, Ramper
from tests.support.withdrawals import ORDER, SEND, Withdrawals

HOUR = 3600.0
FAILED = "The withdrawal of 250.000000 USDT to Chase (account ending in 6789) was not made. "


@pytest.fixture
def money(house: DepositHouse) -> Iterator[Withdrawals]:
    """Withdrawals whose books agree with the providers' after every test."""
    money = Withdrawals(house)
    yield money
    assert money.disagreements() == []
    assert money.world.ibex.effects()["repeated_sends"] == []
    assert money.world.bridge.effects()["transfers"]["repeated"] == 0


class TestSending:
    @pytest.mark.parametrize("fault", ["reply_lost", "server_error_after", "hanging_socket"])
    def test_is_not_repeated_though_its_answer_is_lost(
        self, house: DepositHouse, money: Withdrawals, fault: str
    ) -> None:
        """IBEX knows no key: what it did is found among what left the account."""
        house.world.faults.set(fault, "ibex", times=1, only=SEND)
        flow = money.ask(money.person())
        house.pass_time(HOUR)
        assert (money.state(flow), money.sends()) == ("paid_out", 1)
        assert house.world.faults.counts[fault] == 1

    def test_is_made_once_though_the_call_never_arrived(self, house: DepositHouse, money: Withdrawals) -> None:
        """Two looks, a settle time apart, have found nothing: only then is it sent again."""
        house.world.ibex.decide_sends(["unknown_not_made"])
        flow = money.ask(money.person())
        house.pass_time(60)
        assert (money.state(flow), money.sends()) == ("held", 0)
        house.pass_time(HOUR)
        assert (money.state(flow), money.sends()) == ("paid_out", 1)

    def test_of_two_customers_each_finds_its_own(self, house: DepositHouse, money: Withdrawals) -> None:
        """Equal amounts at one moment, both answers lost: they are told apart by the account alone."""
        house.world.faults.set("reply_lost", "ibex", times=2, only=SEND)
        flows = [money.ask(money.person(name)) for name in ("ana", "ben")]
        house.pass_time(HOUR)
        assert [money.state(flow) for flow in flows] == ["paid_out", "paid_out"]
        assert money.sends() == 2

    def test_takes_no_equal_one_that_is_another_withdrawals(self, house: DepositHouse, money: Withdrawals) -> None:
        """The same amount minutes before: it belongs to the withdrawal before."""
        ana = money.person()
        money.ask(ana)
        house.pass_time(60)
        house.world.ibex.decide_sends(["unknown_not_made"])
        second = money.ask(ana, reference="again")
        house.pass_time(HOUR)
        assert (money.state(second), money.sends()) == ("paid_out", 2)

    @pytest.mark.parametrize("house", [{"ibex_send_reply": ()}], indirect=True)
    def test_whose_answer_says_nothing_is_found_in_the_listing(self, house: DepositHouse, money: Withdrawals) -> None:
        flow = money.ask(money.person())
        house.pass_time(600)
        assert (money.state(flow), money.sends()) == ("paid_out", 1)
        (made,) = house.rows("SELECT external_id FROM flow_references WHERE provider = 'ibex'")
        assert made == (next(iter(house.world.ibex.transactions)),)

    def test_waits_for_a_person_where_something_else_left_the_account(
        self, house: DepositHouse, money: Withdrawals
    ) -> None:
        """Whether it was sent is unknown, and what stands there may be it, with a fee in its amount."""
        ana = money.person()
        flow = money.ask(ana)
        money.until(flow, "held")
        house.world.ibex.decide_sends(["pending"])
        house.world.faults.set("reply_lost", "ibex", times=1, only=SEND)
        house.pass_time(1)
        (send,) = house.world.ibex.transactions.values()
        send.amount += 1
        house.pass_time(HOUR)
        assert (money.state(flow), money.sends()) == ("held (parked)", 1)
        send.amount -= 1
        house.world.ibex.move(send.id, "completed")
        house.replay()
        house.pass_time(HOUR)
        assert (money.state(flow), money.sends()) == ("paid_out", 1)

    def test_that_fails_later_gives_the_money_back(self, house: DepositHouse, money: Withdrawals) -> None:
        """IBEX took it on and could not do it: Bridge waits for ever, the customer does not."""
        house.world.ibex.decide_sends(["failed"])
        ana = money.person()
        flow = money.ask(ana)
        house.pass_time(HOUR)
        assert (money.state(flow), money.wallet(ana)) == ("failed", (1000, 1000))
        assert money.entries(flow) == ["held", "hold_released", "sent", "not_sent"]
        assert house.told() == ["withdrawal.failed"]
        house.poll()  # IBEX's own list says "failed" too, of what has ended: that is no news
        assert house.open_breaks() == []

    def test_of_what_ibex_does_not_have_ends_the_hold(self, house: DepositHouse, money: Withdrawals) -> None:
        """Our books say that it is there: people must know."""
        ana = money.person(at_ibex="100")
        flow = money.ask(ana)
        house.pass_time(60)
        assert (money.state(flow), money.wallet(ana)) == ("failed", (1000, 1000))
        assert money.entries(flow) == ["held", "hold_released"]
        assert money.told() == [f"{FAILED}The available balance is too low for this. The money is available again."]
        assert house.open_breaks() == [("ibex", "balance_differs")]
        house.world.ibex.add_balance(ana.account, "900")  # what the break asks for

    def test_that_may_be_at_work_already_waits_for_a_person(self, house: DepositHouse, money: Withdrawals) -> None:
        house.world.ibex.decide_sends(["prepared"])
        ana = money.person()
        flow = money.ask(ana)
        house.pass_time(60)
        assert (money.state(flow), money.wallet(ana)) == ("held (parked)", (1000, 750))
        house.replay()
        house.pass_time(600)
        assert money.state(flow) == "paid_out"

    def test_that_was_at_work_already_is_found_by_a_replay(self, house: DepositHouse, money: Withdrawals) -> None:
        """IBEX's refusal was none: what it has sent is shown only after the first look."""
        house.world.ibex.decide_sends(["prepared"])
        ana = money.person()
        flow = money.ask(ana)
        house.pass_time(60)
        house.replay()
        house.pass_time(1)
        (where,) = house.world.ibex.send_infos.values()
        house.world.ibex.life.send(house.world.ibex.account(ana.account), where, Decimal(250), becomes="completed")
        house.pass_time(HOUR)
        assert (money.state(flow), money.sends()) == ("paid_out", 1)

    def test_that_fails_after_bridge_called_it_off_gives_the_money_back(
        self, house: DepositHouse, money: Withdrawals
    ) -> None:
        """Bridge never had the tokens, so none come back from there."""
        house.world.ibex.decide_sends(["pending"])
        ana = money.person()
        flow = money.ask(ana)
        money.until(flow, "sent_to_bridge")
        house.world.bridge.payments.cancel(money.transfer_of(flow))
        house.pass_time(60)
        assert money.state(flow) == "returned"
        house.world.ibex.move(next(iter(house.world.ibex.transactions)), "failed")
        house.pass_time(HOUR)
        assert (money.state(flow), money.wallet(ana)) == ("failed", (1000, 1000))
        assert money.entries(flow) == ["held", "hold_released", "sent", "not_sent"]


@pytest.mark.parametrize("house", [{"bridge_takes_return_address": False}], indirect=True)
def test_an_order_with_a_field_that_bridge_does_not_know_is_made_again_without_it(
    house: DepositHouse, money: Withdrawals
) -> None:
    """No page of its documentation names where returned tokens go: that must not end a withdrawal."""
    flow = money.ask(money.person())
    house.pass_time(120)
    assert (money.state(flow), money.row(flow)["data"]["return_to"]) == ("paid_out", None)
    made = house.rows(
        "SELECT generation, outcome FROM intentions WHERE flow_id = :f AND call = 'payout' ORDER BY 1", f=flow
    )
    assert made == [(0, "refused"), (1, "done")]
    assert (len(house.world.bridge.transfers()), house.letters()) == (1, [])


class TestOrdering:
    @pytest.mark.parametrize("fault", ["reply_lost", "server_error_after", "server_error"])
    def test_is_done_once_though_its_answer_is_lost(self, house: DepositHouse, money: Withdrawals, fault: str) -> None:
        house.world.faults.set(fault, "bridge", times=1, only=ORDER)
        flow = money.ask(money.person())
        house.pass_time(2 * HOUR)
        assert money.state(flow) == "paid_out"
        assert len(house.world.bridge.transfers()) == 1

    @pytest.mark.parametrize("house", [{"bridge_key_seconds": 1.0}], indirect=True)
    def test_under_a_dead_key_is_found_by_our_reference(self, house: DepositHouse, money: Withdrawals) -> None:
        """422: what the key made is not told any more, and another key would make another."""
        house.world.faults.set("reply_lost", "bridge", times=1, only=ORDER)
        flow = money.ask(money.person())
        house.pass_time(2 * HOUR)
        assert money.state(flow) == "paid_out"
        assert len(house.world.bridge.transfers()) == 1

    @pytest.mark.parametrize(
        ("kyc", "tos", "said"),
        [
            ("paused", "approved", CustomerSuspended.words),
            ("under_review", "approved", KycPending.words),
            ("approved", "pending", KycPending.words),
        ],
    )
    def test_is_not_begun_for_a_customer_who_may_not(
        self, house: DepositHouse, money: Withdrawals, kyc: str, tos: str, said: str
    ) -> None:
        ana = money.person(kyc=kyc, tos=tos)
        flow = money.ask(ana)
        house.pass_time(60)
        assert (money.state(flow), money.wallet(ana)) == ("failed", (1000, 1000))
        assert money.told() == [f"{FAILED}{said} The money is available again."]
        assert house.world.bridge.transfers() == []
        assert house.open_breaks() == []
        assert money.ask(ana, reference="later"), "another may be asked for at once"

    def test_is_refused_for_a_closed_bank_account(self, house: DepositHouse, money: Withdrawals) -> None:
        ana = money.person()
        house.world.bridge.people.change_bank(house.world.bridge.external_accounts[ana.bank], active=False)
        flow = money.ask(ana)
        house.pass_time(60)
        assert (money.state(flow), money.wallet(ana)) == ("failed", (1000, 1000))
        assert "Please link it again" in money.told()[0]

    def test_called_off_before_the_tokens_leave_ends_the_hold(self, house: DepositHouse, money: Withdrawals) -> None:
        ana = money.person()
        flow = money.ask(ana)
        money.until(flow, "held")
        house.world.bridge.payments.cancel(money.transfer_of(flow))
        house.pass_time(60)
        assert (money.state(flow), money.wallet(ana), money.sends()) == ("failed", (1000, 1000), 0)

    def test_another_amount_parks_before_tokens_leave(self, house: DepositHouse, money: Withdrawals) -> None:
        flow = money.ask(money.person())
        money.until(flow, "held")
        transfer = money.transfer_of(flow)
        right, transfer.amount = transfer.amount, None if transfer.amount is None else transfer.amount + 1
        house.pass_time(600)
        assert (money.state(flow), money.sends()) == ("held (parked)", 0)
        assert house.open_breaks() == [("ibex", "amount_differs")]
        transfer.amount = right
        house.replay()
        house.pass_time(600)
        assert money.state(flow) == "paid_out"


class TestFollowing:
    def test_an_error_at_bridge_is_told_and_waits(self, house: DepositHouse, money: Withdrawals) -> None:
        ana = money.person()
        flow = money.ask(ana)
        money.until(flow, "held")
        money.will_go(flow, "funds_received", "error")
        house.pass_time(600)
        assert money.state(flow) == "returned"
        assert house.told() == ["withdrawal.returned"]
        assert house.open_breaks() == [("bridge", "state_differs")]
        money.bank_returns(flow)
        house.pass_time(2 * HOUR)
        assert (money.state(flow), money.wallet(ana)) == ("released", (1000, 1000))

    def test_a_state_nobody_documented_stays_open(self, house: DepositHouse, money: Withdrawals) -> None:
        flow = money.ask(money.person())
        money.until(flow, "held")
        money.will_go(flow, "funds_received", "kyc_in_review")
        house.pass_time(600)
        assert money.state(flow) == "paying_out"
        assert house.open_breaks() == [("bridge", "state_differs")]
        money.move(flow, "payment_submitted", "payment_processed")
        house.pass_time(600)
        assert (money.state(flow), house.open_breaks()) == ("paid_out", [])

    def test_an_old_reading_takes_nothing_back(self, house: DepositHouse, money: Withdrawals) -> None:
        """Once returned, a reading from before the return must not pay it out anew."""
        flow = money.ask(money.person(address=False))
        house.pass_time(600)
        money.bank_returns(flow)
        house.world.faults.set("stale_read", "bridge", times=3, only="GET /v0/transfers/{transfer_id}", seconds=600)
        house.pass_time(HOUR)
        assert money.history(flow)[-2:] == ["paid_out", "returned"]

    def test_tokens_of_an_on_ramp_are_left_to_it(self, house: DepositHouse, money: Withdrawals) -> None:
        """They are as many as come back, and came before anybody had told of the on-ramp."""
        ana = money.person()
        flow = money.ask(ana)
        house.pass_time(600)
        virtual = house.world.bridge.add_virtual_account(ana.customer, ana.address)
        ramper = Ramper("ana", ana.customer, virtual.id, ana.account, ana.address)
        house.link(ramper.bridge_link())
        house.world.faults.set("webhook_dropped")
        deposit = OnRamps(house).deposit(ramper, amount="250.00", step_seconds=0.1)
        house.pass_time(5)
        house.world.faults.clear()
        money.bank_returns(flow)
        house.pass_time(60)
        house.poll()
        house.pass_time(2 * HOUR)
        assert (money.state(flow), OnRamps(house).state_of(deposit)) == ("released", "credited")
        assert money.wallet(ana) == (1250, 1250)
