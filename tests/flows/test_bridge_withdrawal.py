"""A withdrawal goes to the bank, and what the bank does not keep comes home."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from funding.refusals import InsufficientFunds, WithdrawalInProgress
from tests.support.deposit_house import DepositHouse
from tests.support.withdrawals import Withdrawals

DAY = 24 * 3600.0
HOUSE_ADDRESS = "TDeuy7kpVisCUnthKSJWSEa4YctUzB7Ks4"  # of nobody in the house


@pytest.fixture
def money(house: DepositHouse) -> Iterator[Withdrawals]:
    """Withdrawals whose books agree with the providers' after every test."""
    money = Withdrawals(house)
    yield money
    assert money.disagreements() == []


class TestPaidOut:
    def test_goes_through_every_state_to_the_bank(self, house: DepositHouse, money: Withdrawals) -> None:
        ana = money.person()
        flow = money.ask(ana)
        assert money.wallet(ana) == (1000, 750), "held before anybody was asked"
        house.pass_time(600)
        assert money.history(flow) == ["requested", "held", "sent_to_bridge", "paying_out", "paid_out"]
        assert money.entries(flow) == ["held", "hold_released", "sent", "taken", "paid_out"]
        assert money.wallet(ana) == (750, 750)
        row = money.row(flow)
        assert (row["status"], row["amount_out"], row["asset_out"]) == ("resting", 250_00, "USD")
        assert money.told() == ["250.00 USD was paid to Chase (account ending in 6789)."]
        assert house.told() == ["withdrawal.paid"]

    def test_is_paid_though_every_webhook_is_lost(self, house: DepositHouse, money: Withdrawals) -> None:
        house.world.faults.set("webhook_dropped")
        flow = money.ask(money.person())
        house.pass_time(900)
        assert money.state(flow) == "paid_out"

    def test_names_our_fee(self, house: DepositHouse, money: Withdrawals) -> None:
        """Bridge keeps it for us: the bank gets less, and both are told apart."""
        flow = money.ask(money.person())
        money.until(flow, "held")
        money.transfer_of(flow).fee = Decimal(1)
        house.pass_time(600)
        assert money.told() == [
            "249.00 USD was paid to Chase (account ending in 6789). 1.000000 USDT of it is our fee."
        ]
        assert house.balance("bridge:markup", "USDT") == (1_000000, 0)


class TestAsking:
    def test_twice_by_one_reference_is_one_withdrawal(self, house: DepositHouse, money: Withdrawals) -> None:
        ana = money.person()
        assert money.ask(ana) == money.ask(ana)
        house.pass_time(600)
        assert money.ask(ana), "also once it is over"
        assert (money.sends(), money.wallet(ana)) == (1, (750, 750))

    def test_a_second_one_waits_for_the_first(self, house: DepositHouse, money: Withdrawals) -> None:
        ana = money.person()
        money.ask(ana)
        with pytest.raises(WithdrawalInProgress):
            money.ask(ana, reference="food")
        house.pass_time(600)
        second = money.ask(ana, reference="food")
        house.pass_time(600)
        assert money.state(second) == "paid_out"
        assert money.sends() == 2

    def test_for_more_than_there_is_calls_nobody(self, house: DepositHouse, money: Withdrawals) -> None:
        ana = money.person()
        with pytest.raises(InsufficientFunds, match=r"1000\.000000 USDT of 1000\.000001 USDT is available"):
            money.ask(ana, amount="1000.000001")
        house.pass_time(60)
        assert house.one("SELECT count(*) FROM flows") == 0
        assert not house.world.requests


class TestComesBack:
    def test_days_after_it_was_paid(self, house: DepositHouse, money: Withdrawals) -> None:
        """The books had called it paid: new entries undo that, and the tokens are the customer's again."""
        ana = money.person()
        flow = money.ask(ana)
        house.pass_time(5 * DAY)
        money.bank_returns(flow)
        house.pass_time(3600)
        assert money.history(flow)[-3:] == ["paid_out", "returned", "released"]
        assert money.entries(flow)[-4:] == ["paid_out", "returned", "sent_back", "back_in_wallet"]
        assert money.wallet(ana) == (1000, 1000)
        assert house.told() == ["withdrawal.paid", "withdrawal.returned"]

    def test_though_no_webhook_tells_of_it(self, house: DepositHouse, money: Withdrawals) -> None:
        ana = money.person()
        flow = money.ask(ana)
        house.pass_time(600)
        house.world.faults.set("webhook_dropped")
        money.bank_returns(flow)
        house.pass_time(2 * DAY)
        assert (money.state(flow), money.wallet(ana)) == ("released", (1000, 1000))

    def test_and_a_late_word_about_the_tokens_is_no_news(self, house: DepositHouse, money: Withdrawals) -> None:
        """A poll shows the receipt by which it ended once the flow is over: that it is completed is how it ended."""
        flow = money.ask(money.person())
        house.pass_time(600)
        money.bank_returns(flow)
        house.pass_time(600)
        assert money.state(flow) == "released"
        house.poll()
        house.pass_time(600)
        assert house.open_breaks() == []

    def test_before_it_was_ever_paid(self, house: DepositHouse, money: Withdrawals) -> None:
        """A closed bank account: there is nothing to undo but the way."""
        ana = money.person()
        flow = money.ask(ana)
        bank = house.world.bridge.external_accounts[ana.bank]
        money.until(flow, "held")
        house.world.bridge.people.change_bank(bank, active=False)
        house.pass_time(60)
        assert money.state(flow) == "returned"
        assert house.open_breaks() == [("bridge", "state_differs")]
        money.bank_returns(flow)
        house.pass_time(3600)
        assert money.state(flow) == "released"
        assert money.entries(flow)[2:] == ["sent", "taken", "sent_back", "back_in_wallet"]
        assert money.wallet(ana) == (1000, 1000)
        assert house.open_breaks() == []

    def test_waits_where_nobody_has_said_where_to(self, house: DepositHouse, money: Withdrawals) -> None:
        """No address of the customer, no policy of ours: Bridge keeps the tokens, and people are asked for one."""
        ana = money.person(address=False)
        flow = money.ask(ana)
        house.pass_time(600)
        money.bank_returns(flow)
        house.pass_time(2 * 3600)
        assert money.state(flow) == "returned"
        assert house.rows("SELECT theirs, suggested_action FROM breaks WHERE status = 'open'") == [
            ("missing_return_policy", "set a return policy for crypto at Bridge: the tokens then come back")
        ]
        house.world.bridge.set_return_policy(ana.address)
        house.pass_time(3 * 3600)
        assert (money.state(flow), money.wallet(ana)) == ("released", (1000, 1000))
        assert house.open_breaks() == []

    def test_stays_returned_while_ibex_does_not_have_the_tokens(self, house: DepositHouse, money: Withdrawals) -> None:
        """Bridge's word alone puts nothing into a wallet: here they went to an address that is not the customer's."""
        ana = money.person(address=False)
        house.world.bridge.set_return_policy(HOUSE_ADDRESS)
        flow = money.ask(ana)
        house.pass_time(600)
        money.bank_returns(flow)
        house.pass_time(6 * 3600)
        assert (money.state(flow), money.wallet(ana)) == ("returned", (750, 750))
        assert house.balance("on_chain", "USDT") == (250_000000, 0)

    def test_makes_room_for_another_at_once(self, house: DepositHouse, money: Withdrawals) -> None:
        """What is on its way back, or waits for a policy, is no reason to let the customer wait."""
        ana = money.person(address=False)
        flow = money.ask(ana)
        house.pass_time(600)
        money.bank_returns(flow)
        house.pass_time(3600)
        second = money.ask(ana, reference="again")
        house.pass_time(600)
        assert (money.state(flow), money.state(second)) == ("returned", "paid_out")

    def test_paid_out_anew_it_is_paid(self, house: DepositHouse, money: Withdrawals) -> None:
        """Bridge mends what was undeliverable: the same transfer, a second payout in the books."""
        flow = money.ask(money.person())
        money.until(flow, "held")
        money.will_go(flow, "funds_received", "undeliverable")
        house.pass_time(600)
        assert money.state(flow) == "returned"
        money.move(flow, "payment_submitted", "payment_processed")
        house.pass_time(3600)
        assert money.history(flow)[-2:] == ["returned", "paid_out"]
        assert money.row(flow)["status"] == "resting"
