"""Every status of Due, seen in time and seen late."""

import pytest

from tests.support.deposit_house import DepositHouse
from tests.support.depositors import HAPPY

ALL_STATES = ["received", "off_ramp_initiated", "off_ramp_completed", "broker_funding_initiated", "broker_funded"]


def test_awaiting_funds_opens_nothing(house: DepositHouse) -> None:
    """Somebody asked for an address; nobody has paid."""
    house.deposit(house.person(), path=("awaiting_funds",))
    house.pass_time(60)
    house.poll()

    assert house.one("SELECT count(*) FROM flows") == 0
    assert house.rows("SELECT DISTINCT state, reason FROM inbox_events WHERE provider = 'due'") == [
        ("ignored", "not funded yet")
    ]


def test_funds_received_books_the_money(house: DepositHouse) -> None:
    transfer = house.deposit(house.person(), path=("funds_received",))
    house.pass_time(1)

    flow = house.flow_of(transfer)
    assert (flow["state"], flow["status"], flow["customer_id"]) == ("off_ramp_initiated", "open", "ana")
    assert house.history_of(transfer) == ["received", "off_ramp_initiated"]
    assert house.balance("due:clearing", "USDC") == (250_000_000, 0)
    assert house.balance("deposit", "USDC") == (250_000_000, 0)
    house.books_differ = "the deposit is still on its way"


@pytest.mark.parametrize("status", ["approved", "payment_submitted", "manual_review", "action_required"])
def test_it_waits_with_a_reason(house: DepositHouse, status: str) -> None:
    transfer = house.deposit(house.person(), path=("funds_received", status))
    house.pass_time(60)

    flow = house.flow_of(transfer)
    assert (flow["state"], flow["parked_at"], flow["tries"]) == ("off_ramp_initiated", None, 0)
    assert flow["snooze_reason"] == f"Due says {status}"
    assert house.open_breaks() == []

    house.move(transfer, "payment_processed")
    house.pass_time(60)
    assert house.history_of(transfer) == ALL_STATES


def test_a_status_nobody_documented_waits_and_is_shown(house: DepositHouse) -> None:
    transfer = house.deposit(house.person(), path=("funds_received", "on_hold"))
    house.pass_time(60)
    assert house.state_of(transfer) == "off_ramp_initiated"
    assert house.open_breaks() == [("due", "state_differs")]

    house.move(transfer, "payment_processed")
    house.pass_time(60)
    assert house.state_of(transfer) == "broker_funded"
    assert house.open_breaks() == []


def test_payment_processed_funds_the_brokerage_account_once(house: DepositHouse) -> None:
    transfer = house.deposit(house.person())
    house.pass_time(60)

    assert house.history_of(transfer) == ALL_STATES
    assert house.flow_of(transfer)["status"] == "resting"
    assert house.balance("brokerage", "USD") == (249_25, 0)
    assert house.balance("due:clearing", "USDC") == house.balance("deposit", "USD") == (0, 0)
    effects = house.world.effects.summary()
    assert (effects["intended"], effects["made"], effects["duplicates"]) == (1, 1, 0)


@pytest.mark.parametrize(
    "path",
    [
        ("manual_review", "refund_submitted", "refund_processed"),
        ("refund_processed",),
        ("manual_review", "canceled"),
    ],
)
def test_refunds_and_cancels_end_returned(house: DepositHouse, path: tuple[str, ...]) -> None:
    """What was received is reversed; later words of the same refund are no news."""
    transfer = house.deposit(house.person(), path=("funds_received", *path))
    house.pass_time(120)
    house.poll()

    flow = house.flow_of(transfer)
    assert (flow["state"], flow["status"], flow["due_at"]) == ("returned", "closed", None)
    assert house.balance("due:clearing", "USDC") == house.balance("deposit", "USDC") == (0, 0)
    assert house.rows("SELECT purpose, reverses_id IS NOT NULL FROM journal_entries WHERE flow_id IS NOT NULL") == [
        ("received", False),
        ("returned", True),
    ]
    assert house.told() == ["deposit.returned"]
    assert house.open_breaks() == []
    assert house.world.effects.summary()["made"] == 0


def test_what_is_first_seen_when_it_is_returned_is_received_and_reversed_at_once(house: DepositHouse) -> None:
    """Both entries are of one step: the second must still know which it reverses."""
    house.deposit(house.person(), path=("funds_received", "refund_processed"), step_seconds=0.0)
    house.pass_time(60)
    assert house.rows("SELECT from_state FROM transitions WHERE to_state = 'returned'") == [("off_ramp_initiated",)]
    assert house.rows("SELECT count(DISTINCT attempt_id) FROM transitions WHERE attempt_id IS NOT NULL") == [(1,)]
    assert house.rows("SELECT r.purpose FROM journal_entries e JOIN journal_entries r ON r.id = e.reverses_id") == [
        ("received",)
    ]


def test_failed_keeps_the_money_in_sight(house: DepositHouse) -> None:
    """Due could not pay it out and holds it still: so do our books, and a break says who must act."""
    transfer = house.deposit(house.person(), path=("funds_received", "approved", "failed"))
    house.pass_time(60)

    flow = house.flow_of(transfer)
    assert (flow["state"], flow["status"]) == ("failed", "closed")
    assert house.balance("due:clearing", "USDC") == house.balance("deposit", "USDC") == (250_000_000, 0)
    assert house.told() == ["deposit.failed"]
    ((subject, at_risk, action),) = house.rows(
        "SELECT subject, amount_at_risk, suggested_action FROM breaks WHERE status = 'open'"
    )
    assert (subject, at_risk) == (f"transfer {transfer}", 250_000_000)
    assert "ask Due to refund or pay it out" in action


def test_first_seen_late_it_passes_through_every_state_at_the_providers_times(house: DepositHouse) -> None:
    """All webhooks are lost; Due's own delivery log tells what they would have said, and when."""
    house.world.faults.set("webhook_dropped", "due")
    transfer = house.deposit(house.person(), step_seconds=30)
    house.pass_time(300)
    assert house.one("SELECT count(*) FROM inbox_events") == 0

    house.poll()
    house.pass_time(10)
    assert house.history_of(transfer) == ALL_STATES
    happened = dict(house.world.due.transfers[transfer].history)
    said = dict(
        house.rows(
            "SELECT to_state, effective_at FROM transitions WHERE flow_id = :flow", flow=house.flow_of(transfer)["id"]
        )
    )
    assert said["off_ramp_initiated"] == happened["funds_received"]
    assert said["off_ramp_completed"] == happened["payment_processed"]


def test_without_any_log_of_webhooks_it_is_found_in_its_accounts_listing(house: DepositHouse) -> None:
    house.world.faults.set("webhook_dropped", "due", logged="absent")
    transfer = house.deposit(house.person(), step_seconds=1)
    house.pass_time(30)
    house.poll()
    house.pass_time(30)

    assert house.history_of(transfer) == ALL_STATES
    created = house.world.due.transfers[transfer].created_at
    assert house.one("SELECT off_ramp_initiated_at FROM deposits") == created


@pytest.mark.parametrize("missed", range(1, len(HAPPY) - 1))
def test_a_lost_webhook_in_the_middle_changes_nothing(house: DepositHouse, missed: int) -> None:
    ana = house.person()
    transfer = house.deposit(ana, path=HAPPY[:missed])
    house.pass_time(30)
    house.world.faults.set("webhook_dropped", "due", times=1)
    house.move(transfer, *HAPPY[missed:])
    house.pass_time(60)

    assert house.history_of(transfer) == ALL_STATES
