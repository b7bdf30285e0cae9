"""After the end: a funded deposit listens for ninety days, a closed one has people look at what it hears."""

from datetime import timedelta
from typing import Final

from tests.support.deposit_house import DepositHouse

LATE_RETURN: Final = "Due has taken back what the customer was funded with"


def test_a_payout_taken_back_later_is_a_break_at_once(house: DepositHouse) -> None:
    """The customer has the dollars, Due has them back from the bank: people must know, nothing moves by itself."""
    transfer = house.deposit(house.person())
    house.pass_time(600)
    house.pass_time(timedelta(days=5).total_seconds())
    house.world.payouts.take_back(transfer, house.world.due.transfers[transfer].destination.amount)
    house.move(transfer, "refund_submitted", "refund_processed")
    house.pass_time(60)

    flow = house.flow_of(transfer)
    assert (flow["state"], flow["status"], flow["parked_at"]) == ("broker_funded", "resting", None)
    assert house.rows("SELECT provider, type, ours, amount_at_risk FROM breaks WHERE status = 'open'") == [
        ("due", "state_differs", "payment_processed", 249_25)
    ]
    assert house.balance("brokerage", "USD") == (249_25, 0)
    house.books_differ = LATE_RETURN


def test_a_late_change_is_found_without_any_event(house: DepositHouse) -> None:
    transfer = house.deposit(house.person())
    house.pass_time(600)
    house.world.faults.set("webhook_dropped", "due")
    house.move(transfer, "refund_submitted", "refund_processed")
    house.pass_time(timedelta(hours=25).total_seconds())
    assert house.open_breaks() == [("due", "state_differs")]
    house.books_differ = LATE_RETURN


def test_the_watch_ends_after_ninety_days(house: DepositHouse) -> None:
    transfer = house.deposit(house.person())
    house.pass_time(60)
    closed_at = house.flow_of(transfer)["closed_at"]
    house.pass_time(timedelta(days=89).total_seconds())
    assert house.flow_of(transfer)["status"] == "resting"
    requests = sum(one["path"].startswith("/v1/transfers/") for one in house.world.requests)
    assert requests < 200, "it is read ever more rarely"

    house.pass_time(timedelta(days=3).total_seconds())
    flow = house.flow_of(transfer)
    assert (flow["status"], flow["due_at"], flow["closed_at"]) == ("closed", None, closed_at)

    house.move(transfer, "refund_submitted", "refund_processed")
    house.pass_time(60)
    assert house.state_of(transfer) == "broker_funded"
    ((found_by, ours, theirs),) = house.rows("SELECT found_by, ours, theirs FROM breaks WHERE status = 'open'")
    assert (found_by, ours) == ("ingest", "closed")
    assert theirs in {"refund_submitted", "refund_processed"}
    house.books_differ = LATE_RETURN


def test_an_event_about_a_returned_deposit_opens_a_break_and_moves_nothing(house: DepositHouse) -> None:
    transfer = house.deposit(house.person(), path=("funds_received", "canceled"))
    house.pass_time(60)
    assert house.state_of(transfer) == "returned"
    entries = house.one("SELECT count(*) FROM journal_entries")

    house.move(transfer, "approved")
    house.pass_time(60)
    flow = house.flow_of(transfer)
    assert (flow["state"], flow["status"], flow["due_at"]) == ("returned", "closed", None)
    assert house.rows("SELECT provider, type, found_by, theirs FROM breaks WHERE status = 'open'") == [
        ("due", "state_differs", "ingest", "approved")
    ]
    assert house.one("SELECT count(*) FROM journal_entries") == entries


def test_the_stream_read_again_from_before_its_break_changes_nothing(house: DepositHouse) -> None:
    transfer = house.deposit(house.person())
    house.pass_time(60, listening=True)
    before = house.rows("SELECT event_id, state FROM inbox_events WHERE source = 'stream' ORDER BY event_id")
    assert len(before) == 3
    moved = house.flow_of(transfer)["moved_at"]
    house.listen()
    house.pass_time(1)
    assert house.rows("SELECT event_id, state FROM inbox_events WHERE source = 'stream' ORDER BY event_id") == before
    assert house.flow_of(transfer)["moved_at"] == moved
