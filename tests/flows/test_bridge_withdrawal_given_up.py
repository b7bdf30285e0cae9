"""Withdrawals that people give up: the hold ends where the tokens never left, and is named where they may have."""

from collections.abc import Iterator

import pytest

from db.replay import Filter
from ops.actions import dead_letters, recovery, withdrawals
from ops.actions.desk import Refused
from tests.support.deposit_house import DepositHouse
from tests.support.withdrawals import ORDER, Withdrawals

HOUR = 3600.0
HELD = [("rampkeeper", "balance_differs")]


@pytest.fixture
def money(house: DepositHouse) -> Iterator[Withdrawals]:
    """Withdrawals whose books agree with the providers' after every test."""
    money = Withdrawals(house)
    yield money
    assert money.disagreements() == []


def abandon(house: DepositHouse) -> dead_letters.Abandoned:
    (result,) = dead_letters.abandon_letters(house.desk, dead_letters.find(house.desk, Filter()), reason="a drill")
    return result


def of_another_amount(house: DepositHouse, money: Withdrawals) -> None:
    """Bridge shows another payout than was ordered, before any token leaves."""
    flow = money.ask(money.person())
    money.until(flow, "held")
    transfer = money.transfer_of(flow)
    transfer.amount = None if transfer.amount is None else transfer.amount + 1
    house.pass_time(600)
    assert money.state(flow) == "held (parked)"


class TestNeverLeft:
    def test_is_the_customers_to_spend_again(self, house: DepositHouse, money: Withdrawals) -> None:
        of_another_amount(house, money)
        result = abandon(house)
        assert (str(result.released), result.held) == ("250.000000 USDT", ())
        assert house.rows("SELECT posted, available FROM balances WHERE pending <> 0") == []
        assert house.rows("SELECT purpose FROM journal_entries WHERE flow_id IS NOT NULL ORDER BY id") == [
            ("held",),
            ("hold_released",),
        ]
        assert HELD[0] not in house.open_breaks()

    def test_though_nobody_knows_what_bridge_has_made(self, house: DepositHouse, money: Withdrawals) -> None:
        """Tokens leave only once the transfer is there: an order without an answer moves none."""
        house.world.faults.set("server_error", "bridge", only=ORDER)
        ana = money.person()
        flow = money.ask(ana)
        house.pass_time(2 * HOUR)
        assert money.state(flow) == "requested (parked)"
        assert str(abandon(house).released) == "250.000000 USDT"
        house.world.faults.clear()
        second = money.ask(ana, reference="food")
        house.pass_time(600)
        assert (money.state(second), money.wallet(ana)) == ("paid_out", (750, 750))


class TestMayHaveLeft:
    def test_a_send_without_an_answer_keeps_its_hold(self, house: DepositHouse, money: Withdrawals) -> None:
        """Until somebody has asked IBEX: then one command ends it, once."""
        house.world.ibex.decide_sends(["unknown_not_made"] * 9)
        ana = money.person()
        flow = money.ask(ana)
        house.pass_time(HOUR)
        assert money.state(flow) == "held (parked)"
        result = abandon(house)
        assert (result.released, [str(one) for one in result.held]) == (None, ["250.000000 USDT"])
        assert (money.wallet(ana), house.open_breaks()) == ((1000, 750), HELD)

        assert str(withdrawals.release(house.desk, flow, reason="IBEX has no such send")) == "250.000000 USDT"
        assert (money.wallet(ana), house.open_breaks()) == ((1000, 1000), [])
        with pytest.raises(Refused, match="nothing is held"):
            withdrawals.release(house.desk, flow, reason="again")

    def test_after_lost_commits_nothing_here_proves_that_it_never_left(
        self, house: DepositHouse, money: Withdrawals
    ) -> None:
        of_another_amount(house, money)
        recovery.recover(house.desk, since=house.clock.now)
        assert abandon(house).released is None
        assert HELD[0] in house.open_breaks()

    def test_tokens_that_bridge_has_are_told(self, house: DepositHouse, money: Withdrawals) -> None:
        """They are on their way back, and the one who waits for them is given up."""
        ana = money.person()
        flow = money.ask(ana)
        house.pass_time(600)
        transfer = money.transfer_of(flow)
        money.move(flow, "undeliverable")
        right, transfer.amount = transfer.amount, None if transfer.amount is None else transfer.amount + 1
        house.pass_time(2 * HOUR)
        assert money.state(flow) == "paid_out (parked)"
        transfer.amount = right
        house.replay()
        house.pass_time(60)
        transfer.amount = None if right is None else right + 1
        house.pass_time(2 * HOUR)
        assert money.state(flow) == "returned (parked)"
        transfer.amount = right
        assert [str(one) for one in abandon(house).held] == ["250.000000 USDT"]

    def test_one_that_goes_on_is_not_released(self, house: DepositHouse, money: Withdrawals) -> None:
        flow = money.ask(money.person())
        with pytest.raises(Refused, match="is not over"):
            withdrawals.release(house.desk, flow, reason="in a hurry")
