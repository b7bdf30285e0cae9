"""What Due said changes: before Alpaca a person decides, after it a break is opened. And cash that is short."""

from decimal import Decimal

import pytest

from tests.support.deposit_house import DepositHouse


def test_a_changed_source_amount_parks_before_alpaca(house: DepositHouse) -> None:
    transfer = house.deposit(house.person(), path=("funds_received",))
    house.pass_time(10)
    at_due = house.world.due.transfers[transfer]
    at_due.source.amount = Decimal("240.00")
    house.move(transfer, "payment_processed")
    house.pass_time(60)

    flow = house.flow_of(transfer)
    assert (flow["state"], flow["parked_at"] is not None) == ("off_ramp_initiated", True)
    assert house.rows("SELECT type, ours, theirs FROM breaks WHERE status = 'open'") == [
        ("amount_differs", "250.000000 USDC", "240.000000 USDC")
    ]
    assert "Nothing was sent to Alpaca" in flow["parked_reason"]
    assert house.world.effects.summary()["made"] == 0

    at_due.source.amount = Decimal("250.00")
    assert house.replay() == ["replaying"]
    house.pass_time(60)
    assert house.state_of(transfer) == "broker_funded"
    assert house.open_breaks() == []


def test_when_due_takes_the_change_back_the_parked_flow_goes_on_by_itself(house: DepositHouse) -> None:
    """It listens: Due's next event brings the answer that closes its letter."""
    transfer = house.deposit(house.person(), path=("funds_received",))
    house.pass_time(10)
    at_due = house.world.due.transfers[transfer]
    at_due.source.amount = Decimal("240.00")
    house.move(transfer, "approved")
    house.pass_time(60)
    assert house.flow_of(transfer)["parked_at"] is not None

    at_due.source.amount = Decimal("250.00")
    house.move(transfer, "payment_processed")
    house.pass_time(60)
    assert house.state_of(transfer) == "broker_funded"
    assert house.letters() == [("needs_person", "resolved", "event")]
    assert house.open_breaks() == []


def test_a_changed_currency_parks_before_alpaca(house: DepositHouse) -> None:
    transfer = house.deposit(house.person(), path=("funds_received",))
    house.pass_time(10)
    house.world.due.transfers[transfer].source.currency = "USDT"
    house.move(transfer, "payment_processed")
    house.pass_time(60)

    assert house.flow_of(transfer)["parked_at"] is not None
    assert house.rows("SELECT type, theirs FROM breaks WHERE status = 'open'") == [
        ("currency_differs", "250.000000 USDT")
    ]
    assert house.world.effects.summary()["made"] == 0
    house.books_differ = "Due has paid out what we do not believe"


@pytest.mark.parametrize("house", [{"firm_cash": "0", "payout_delay_seconds": 1e6}], indirect=True)
def test_a_destination_amount_changed_after_payment_processed_parks_before_alpaca(house: DepositHouse) -> None:
    transfer = house.deposit(house.person())
    house.pass_time(30)
    assert house.state_of(transfer) == "off_ramp_completed", "it waits for the firm's cash"
    house.world.due.transfers[transfer].destination.amount = Decimal("200.00")
    house.world.alpaca.add_cash(house.world.alpaca.firm_account_id, "1000")
    house.pass_time(120)

    flow = house.flow_of(transfer)
    assert (flow["state"], flow["parked_at"] is not None) == ("off_ramp_completed", True)
    assert ("alpaca", "amount_differs") in house.open_breaks()
    assert house.world.effects.summary()["made"] == 0

    house.world.due.transfers[transfer].destination.amount = Decimal("249.25")
    house.replay()
    house.pass_time(60)
    assert house.state_of(transfer) == "broker_funded"
    assert house.open_breaks() == []


@pytest.mark.parametrize("side", ["source", "destination"])
def test_an_amount_changed_after_funding_is_a_break_only(house: DepositHouse, side: str) -> None:
    transfer = house.deposit(house.person())
    house.pass_time(60)
    at_due = house.world.due.transfers[transfer]
    getattr(at_due, side).amount -= Decimal("1.00")
    house.world.due.endpoints.announce_transfer(at_due)
    house.pass_time(60)

    flow = house.flow_of(transfer)
    assert (flow["state"], flow["status"], flow["parked_at"]) == ("broker_funded", "resting", None)
    assert house.open_breaks() == [("due", "amount_differs")]
    assert house.balance("brokerage", "USD") == (249_25, 0)
    house.books_differ = "people have not settled the difference yet"


@pytest.mark.parametrize("house", [{"firm_cash": "100.00", "payout_delay_seconds": 1e6}], indirect=True)
def test_short_firm_cash_waits_alarms_and_costs_no_try(house: DepositHouse) -> None:
    transfer = house.deposit(house.person())
    house.pass_time(900)
    flow = house.flow_of(transfer)
    assert (flow["state"], flow["parked_at"], flow["tries"]) == ("off_ramp_completed", None, 0)
    assert flow["snooze_reason"] == "the firm's cash at Alpaca is short"
    assert house.letters() == []
    assert house.rows("SELECT type, ours, theirs, suggested_action FROM breaks WHERE status = 'open'") == [
        (
            "balance_differs",
            "249.25 USD",
            "100.00 USD",
            "send dollars to the firm's Alpaca account; waiting deposits go on by themselves",
        )
    ]
    looked = "SELECT count(*), max(number) FROM attempts WHERE step = 'fund_brokerage'"
    assert house.rows(looked) == [(1, 1)], "one attempt, used again at each look"

    house.world.alpaca.add_cash(house.world.alpaca.firm_account_id, "1000")
    house.pass_time(120)
    assert house.state_of(transfer) == "broker_funded"
    assert house.open_breaks() == []
    assert house.world.effects.summary()["made"] == 1


@pytest.mark.parametrize("house", [{"firm_cash": "1000.00", "payout_delay_seconds": 1e6}], indirect=True)
def test_cash_that_alpaca_itself_finds_short_is_the_same_wait(house: DepositHouse) -> None:
    """The balance read just before was stale: the journal is refused, nothing happened, and it is asked for anew."""
    firm = house.world.alpaca.firm_account_id
    house.world.alpaca.add_cash(firm, "-1000.00")
    house.world.faults.set("stale_read", "alpaca", only="GET /v1/trading/accounts/{id}/account")
    transfer = house.deposit(house.person())
    house.pass_time(300)
    flow = house.flow_of(transfer)
    assert (flow["parked_at"], flow["tries"], flow["snooze_reason"]) == (None, 0, "the firm's cash at Alpaca is short")
    assert house.rows("SELECT DISTINCT outcome FROM intentions") == [("refused",)]
    assert house.open_breaks() == [("alpaca", "balance_differs")]

    house.world.faults.clear()
    house.world.alpaca.add_cash(firm, "1000.00")
    house.pass_time(120)
    assert house.state_of(transfer) == "broker_funded"
    assert house.world.effects.summary()["made"] == 1
    assert house.open_breaks() == []
