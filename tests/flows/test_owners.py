"""Money nobody has a link for: in suspense at once, seen within a minute, going on when the link is there."""

from tests.support.deposit_house import DepositHouse
from tests.support.depositors import HAPPY

SEEN_WITHIN_S = 60


def seen_after(house: DepositHouse, transfer: str) -> float:
    """Seconds from the first event that named the money to the open break about it."""
    flow = house.flow_of(transfer)["id"]
    seconds = house.one(
        """
        SELECT extract(epoch FROM (SELECT min(opened_at) FROM breaks WHERE flow_id = :flow AND status = 'open')
                                  - (SELECT min(received_at) FROM inbox_events WHERE flow_id = :flow))
        """,
        flow=flow,
    )
    return float(seconds)


def test_an_unknown_virtual_account_goes_to_suspense_and_resumes_with_its_link(house: DepositHouse) -> None:
    nobody = house.person(due=False, alpaca=False)
    transfer = house.deposit(nobody, path=("funds_received",))
    house.pass_time(30)

    flow = house.flow_of(transfer)
    assert (flow["customer_id"], flow["state"], flow["parked_at"] is not None) == (None, "off_ramp_initiated", True)
    assert house.balance("suspense", "USDC") == (250_000_000, 0)
    assert house.letters() == [("unknown_virtual_account", "open", None)]
    assert nobody.virtual_account in flow["parked_reason"]
    assert "add the link" in flow["parked_reason"]
    assert house.open_breaks() == [("due", "unmatched_event")]
    assert seen_after(house, transfer) < SEEN_WITHIN_S

    assert house.link(nobody.due_link(), nobody.alpaca_link()) == (flow["id"],)
    house.pass_time(1)
    assert house.letters() == [("unknown_virtual_account", "resolved", "link")]
    house.move(transfer, "payment_processed")
    house.pass_time(60)
    assert house.state_of(transfer) == "broker_funded"
    assert house.flow_of(transfer)["customer_id"] == "ana"
    assert house.balance("suspense", "USDC") == house.balance("suspense", "USD") == (0, 0)
    assert house.balance("brokerage", "USD") == (249_25, 0)
    assert house.open_breaks() == []


def test_paid_out_before_anybody_knows_whose_it_is_the_dollars_wait_in_suspense(house: DepositHouse) -> None:
    """A parked flow listens on: it follows Due to the end, but sends nobody's money to Alpaca."""
    nobody = house.person(due=False, alpaca=False)
    transfer = house.deposit(nobody)
    house.pass_time(120)
    flow = house.flow_of(transfer)
    assert (flow["state"], flow["parked_at"] is not None) == ("off_ramp_completed", True)
    assert house.balance("suspense", "USD") == (249_25, 0)
    assert house.balance("suspense", "USDC") == (0, 0)
    assert house.world.effects.summary()["made"] == 0
    assert [status for _, status, _ in house.letters()].count("open") == 1

    house.link(nobody.due_link(), nobody.alpaca_link())
    house.pass_time(60)
    assert house.state_of(transfer) == "broker_funded"
    assert house.balance("suspense", "USD") == (0, 0)
    assert house.world.effects.summary()["made"] == 1
    assert house.open_breaks() == []


def test_money_that_goes_back_before_anybody_knows_whose_it_was_leaves_suspense(house: DepositHouse) -> None:
    nobody = house.person(due=False, alpaca=False)
    transfer = house.deposit(nobody, path=("funds_received", "manual_review", "canceled"))
    house.pass_time(60)
    assert house.state_of(transfer) == "returned"
    assert house.balance("suspense", "USDC") == (0, 0)
    assert house.letters() == [("unknown_virtual_account", "resolved", "event")]
    assert house.open_breaks() == []


def test_a_customer_without_a_brokerage_account_waits_until_it_is_linked(house: DepositHouse) -> None:
    ana = house.person(alpaca=False)
    transfer = house.deposit(ana, path=HAPPY[1:])
    house.pass_time(60)
    flow = house.flow_of(transfer)
    assert (flow["state"], flow["customer_id"]) == ("off_ramp_completed", "ana")
    assert house.balance("deposit", "USD") == (249_25, 0), "the customer's, not suspense"
    assert house.open_breaks() == [("alpaca", "missing_here")]
    assert "no Alpaca brokerage account linked" in flow["parked_reason"]
    assert seen_after(house, transfer) < SEEN_WITHIN_S

    house.link(ana.alpaca_link())
    house.pass_time(60)
    assert house.state_of(transfer) == "broker_funded"
    assert house.letters() == [("needs_person", "resolved", "link")]
    assert house.open_breaks() == []
