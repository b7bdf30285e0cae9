"""The journal at Alpaca: under way, executed, refused in every way it can be, corrected; and always one effect."""

from decimal import Decimal
from typing import Any

import pytest

from ops.actions.flows import wake_flow
from tests.support.deposit_house import DepositHouse


def effects(house: DepositHouse) -> tuple[int, int, int]:
    """Intended, made and doubled, as the sandbox counts."""
    summary = house.world.effects.summary()
    return summary["intended"], summary["made"], summary["duplicates"]


def only_journal(house: DepositHouse) -> Any:
    (journal,) = house.world.alpaca.journals.by_id.values()
    return journal


def sent_journals(house: DepositHouse) -> int:
    """How often a journal was asked for."""
    return sum(one["method"] == "POST" and one["path"] == "/v1/journals" for one in house.world.requests)


def test_one_that_waits_for_a_person_at_alpaca_holds_the_dollars(house: DepositHouse) -> None:
    house.world.alpaca.journals.single_limit = Decimal(100)
    transfer = house.deposit(house.person())
    house.pass_time(600, listening=True)
    assert house.state_of(transfer) == "broker_funding_initiated"
    assert house.flow_of(transfer)["snooze_reason"] == "Alpaca says pending"
    assert house.balance("deposit", "USD") == (249_25, -249_25), "owed still, and no longer available"
    assert house.rows("SELECT posted, pending, available FROM balances WHERE pending > 0") == [(249_25, 249_25, 0)]

    house.world.alpaca.journals.force(only_journal(house).id, "executed")
    house.pass_time(1, listening=True)
    assert house.state_of(transfer) == "broker_funded", "the stream told at once"
    assert house.balance("deposit", "USD") == (0, 0)
    assert effects(house) == (1, 1, 0)


@pytest.mark.parametrize("house", [{"journal_queue_seconds": 0.0}], indirect=True)
def test_one_executed_at_once_passes_through_both_states(house: DepositHouse) -> None:
    transfer = house.deposit(house.person())
    house.pass_time(30)
    assert house.history_of(transfer)[-2:] == ["broker_funding_initiated", "broker_funded"]
    assert house.rows("SELECT DISTINCT layer FROM postings") == [("posted",)], "nothing had to be held"


@pytest.mark.parametrize("mode", ["rejected", "refused", "canceled", "deleted"])
def test_one_that_ends_badly_parks_and_a_replay_makes_another(house: DepositHouse, mode: str) -> None:
    ana = house.person()
    house.world.alpaca.refuse_account(ana.brokerage, mode=mode)
    transfer = house.deposit(ana)
    house.pass_time(60)
    flow = house.flow_of(transfer)
    assert (flow["state"], flow["due_at"]) == ("off_ramp_completed", None)
    assert house.letters() == [(f"journal_{mode}", "open", None)]
    assert "Ask Alpaca why" in flow["parked_reason"]
    assert house.balance("deposit", "USD") == (249_25, 0), "the hold is released, the dollars are the customer's"

    house.world.alpaca.refuse_account(ana.brokerage, on=False)
    assert house.replay() == ["replaying"]
    house.pass_time(30)
    assert house.state_of(transfer) == "broker_funded"
    assert house.letters()[0][1] == "resolved"
    assert effects(house) == (1, 1, 0)
    assert len(house.world.alpaca.journals.by_id) == 2, "the dead one and its successor"


def test_a_compliance_refusal_parks_with_what_to_do_and_a_replay_finishes_it_once(house: DepositHouse) -> None:
    ana = house.person()
    house.world.alpaca.refuse_account(ana.brokerage)
    transfer = house.deposit(ana)
    house.pass_time(60)
    ((step, blame, message, status),) = house.rows("SELECT step, blame, message, status FROM dead_letters")
    assert (step, blame, status) == ("fund_brokerage", "provider", "open")
    assert "Nothing happened there. Clear the cause with alpaca, then replay; or abandon." in message
    assert house.flow_of(transfer)["parked_reason"] == message
    assert sent_journals(house) == 1, "final for this request: not asked again by itself"
    assert house.told() == ["deposit.delayed"]

    house.pass_time(3600)
    assert sent_journals(house) == 1

    assert house.replay() == ["replaying"], "too early: the cause is still there"
    house.pass_time(60)
    assert house.flow_of(transfer)["parked_at"] is not None
    assert sent_journals(house) == 2

    house.world.alpaca.refuse_account(ana.brokerage, on=False)
    assert house.replay() == ["replaying"]
    house.pass_time(60)
    assert house.state_of(transfer) == "broker_funded"
    assert effects(house) == (1, 1, 0)
    assert house.told() == ["deposit.delayed", "deposit.funded"]
    assert house.one("SELECT count(*) FROM dead_letters WHERE status <> 'resolved'") == 0
    assert house.replay(statuses=("open", "replaying", "resolved"))[0] == "not open"
    house.pass_time(60)
    assert effects(house) == (1, 1, 0)


def test_a_lost_reply_is_asked_for_again_under_the_same_key(house: DepositHouse) -> None:
    house.world.faults.set("reply_lost", "alpaca", only="POST /v1/journals", times=1)
    transfer = house.deposit(house.person())
    house.pass_time(600)
    assert house.state_of(transfer) == "broker_funded"
    assert house.rows("SELECT generation, sends FROM intentions") == [(0, 2)]
    assert effects(house) == (1, 1, 0)
    assert house.letters() == []


def test_a_parked_flow_listens_and_moves_on_when_alpaca_shows_the_journal(house: DepositHouse) -> None:
    """Three replies are lost, so nobody knows; a person asks to look, and the letter closes by itself."""
    house.world.faults.set("reply_lost", "alpaca", only="POST /v1/journals")
    transfer = house.deposit(house.person())
    house.pass_time(1800)
    flow = house.flow_of(transfer)
    assert (flow["parked_at"] is not None, flow["tries"]) == (True, 3)
    assert house.letters() == [("unknown", "open", None)]
    assert "a replay looks it up before anything is sent again" in flow["parked_reason"]
    asked = sent_journals(house)
    assert asked == 3

    wake_flow(house.desk, flow["id"])
    house.pass_time(30)
    assert house.state_of(transfer) == "broker_funded"
    assert house.letters() == [("unknown", "resolved", "event")]
    assert sent_journals(house) == asked, "it only read"
    assert effects(house) == (1, 1, 0)


def test_a_parked_flow_creates_nothing_when_woken(house: DepositHouse) -> None:
    ana = house.person()
    house.world.alpaca.refuse_account(ana.brokerage)
    transfer = house.deposit(ana)
    house.pass_time(60)
    house.world.alpaca.refuse_account(ana.brokerage, on=False)

    wake_flow(house.desk, house.flow_of(transfer)["id"])
    house.pass_time(600)
    assert sent_journals(house) == 1
    flow = house.flow_of(transfer)
    assert (flow["parked_at"] is not None, flow["due_at"]) == (True, None)
    assert house.letters()[0][1:] == ("open", None)


def test_one_corrected_after_funding_is_reversed_and_posted_anew(house: DepositHouse) -> None:
    """Alpaca takes 249.25 back and gives 200.00: the books follow, and the missing 49.25 is a break."""
    transfer = house.deposit(house.person())
    house.pass_time(60)
    first = only_journal(house)
    second = house.world.alpaca.journals.force(first.id, "correct", Decimal("200.00"))
    house.pass_time(5, listening=True)

    assert house.state_of(transfer) == "broker_funded"
    assert house.balance("brokerage", "USD") == (200_00, 0)
    assert house.balance("deposit", "USD") == (49_25, 0)
    assert house.one("SELECT alpaca_funding_tx_id FROM deposits") == second.id
    assert house.rows("SELECT type, ours, theirs, amount_at_risk FROM breaks WHERE status = 'open'") == [
        ("amount_differs", "249.25 USD", "200.00 USD", 49_25)
    ]
    reversed_entries = house.rows("SELECT purpose FROM journal_entries WHERE reverses_id IS NOT NULL ORDER BY id")
    assert reversed_entries == [("released",), ("unfunded",)]


def test_a_correction_of_the_same_amount_is_followed_in_silence(house: DepositHouse) -> None:
    transfer = house.deposit(house.person())
    house.pass_time(60)
    second = house.world.alpaca.journals.force(only_journal(house).id, "correct")
    house.pass_time(5, listening=True)

    assert house.balance("brokerage", "USD") == (249_25, 0)
    assert house.one("SELECT alpaca_funding_tx_id FROM deposits") == second.id
    assert house.open_breaks() == []
    assert house.told() == ["deposit.funded"]
    assert house.flow_of(transfer)["parked_at"] is None


def test_one_corrected_before_we_saw_it_executed_is_followed_to_its_successor(house: DepositHouse) -> None:
    transfer = house.deposit(house.person(), path=("funds_received", "payment_processed"), step_seconds=1)
    house.pass_time(1.5)
    assert house.state_of(transfer) == "broker_funding_initiated"
    journal = only_journal(house)
    assert journal.status == "executed"
    second = house.world.alpaca.journals.force(journal.id, "correct")
    house.pass_time(60, listening=True)

    assert house.state_of(transfer) == "broker_funded"
    assert house.one("SELECT alpaca_funding_tx_id FROM deposits") == second.id
    assert house.balance("brokerage", "USD") == (249_25, 0)
    assert house.balance("deposit", "USD") == (0, 0)
