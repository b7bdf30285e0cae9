"""A journal that names its flow is known to the flow as soon as anybody hears of it, whatever a listing hides."""

from datetime import timedelta
from decimal import Decimal

import pytest

from db import flows
from funding.snapshot import clue
from sandbox.alpaca.journals import Journal
from tests.support.deposit_house import DepositHouse


def made_by_staff(house: DepositHouse, like: Journal, **otherwise: str) -> Journal:
    """Another journal under the reference of that one."""
    wanted = {
        "entry_type": "JNLC",
        "from_account": like.from_account,
        "to_account": like.to_account,
        "amount": str(like.amount),
        "description": like.description,
    }
    return house.world.alpaca.journals.create(wanted | otherwise)


def hide_half_of_each_listing(house: DepositHouse) -> None:
    house.world.faults.set("truncated_listing", "alpaca", only="GET /v1/journals", keep=0.5)


def test_a_replacement_is_read_by_its_own_id_when_the_listing_hides_it(house: DepositHouse) -> None:
    journals = house.world.alpaca.journals
    transfer = house.deposit(house.person())
    house.pass_time(60, listening=True)
    hide_half_of_each_listing(house)
    (first,) = journals.by_id.values()
    replacement = journals.force(first.id, "correct", Decimal(100))

    house.pass_time(600, listening=True)

    assert house.state_of(transfer) == "broker_funded"
    assert house.rows("SELECT alpaca_funding_tx_id FROM deposits") == [(replacement.id,)]


def test_what_was_made_before_commits_were_lost_is_found_though_every_listing_hides_it(house: DepositHouse) -> None:
    """The flow knows nothing of its journal, the key is not relied on any more, and two listings show none."""
    ana = house.person()
    house.deposit(ana)
    house.pass_time(60, listening=True)
    transfer = house.deposit(ana)
    house.world.faults.set("reply_lost", "alpaca", only="POST /v1/journals")
    house.pass_time(40)
    house.listen()
    house.ingest()
    house.world.faults.clear()
    made = list(house.world.alpaca.journals.by_id)
    assert len(made) == 2
    hide_half_of_each_listing(house)
    house.clock.advance(timedelta(days=2))

    house.pass_time(3600, listening=True)

    assert list(house.world.alpaca.journals.by_id) == made
    assert house.state_of(transfer) == "broker_funded"


def test_hearsay_is_no_evidence(house: DepositHouse) -> None:
    """What Alpaca does not have, or has for another flow, changes nothing but what is asked."""
    ana = house.person()
    first, second = house.deposit(ana), house.deposit(ana, path=("funds_received",))
    house.pass_time(60)
    others = next(iter(house.world.alpaca.journals.by_id))
    flow = house.flow_of(second)["id"]
    with house.begin() as connection:
        told = {clue("alpaca", "journal", one): "" for one in (others, "4c0598b5-5c7b-4db9-8d75-349c77e5f79e")}
        flows.tell(connection, {flow: told})
    house.move(second, "payment_processed")
    house.pass_time(120)

    assert [house.state_of(one) for one in (first, second)] == ["broker_funded"] * 2
    assert house.world.effects.summary()["made"] == 2


def test_a_second_journal_for_a_funded_deposit_is_shown_to_people(house: DepositHouse) -> None:
    house.deposit(house.person())
    house.pass_time(60, listening=True)
    (first,) = house.world.alpaca.journals.by_id.values()
    second = made_by_staff(house, first)
    house.books_differ = "Alpaca's staff paid the deposit a second time"

    house.pass_time(7200, listening=True)

    assert house.rows(
        "SELECT type, subject, ours, theirs FROM breaks WHERE status = 'open' AND type = 'duplicate'"
    ) == [("duplicate", f"journal {second.id}", first.id, second.id)]


@pytest.mark.parametrize("hidden", [False, True])
def test_what_takes_the_money_back_is_no_replacement(house: DepositHouse, *, hidden: bool) -> None:
    """It bears the same reference. The journal that replaces is the one that pays out of the firm's account."""
    transfer = house.deposit(house.person())
    house.pass_time(60, listening=True)
    journals = house.world.alpaca.journals
    (first,) = journals.by_id.values()
    made_by_staff(house, first, from_account=first.to_account, to_account=first.from_account, amount="40.00")
    replacement = journals.force(first.id, "correct", Decimal(100))
    if hidden:
        replacement.description = "written anew by Alpaca's staff"
    house.books_differ = "Alpaca's staff took money back"

    house.pass_time(7200, listening=True)

    standing = first if hidden else replacement
    assert house.rows("SELECT alpaca_funding_tx_id FROM deposits") == [(standing.id,)]
    assert house.state_of(transfer) == "broker_funded"
    told = house.rows("SELECT type FROM breaks WHERE status = 'open' AND theirs LIKE 'correct, without%'")
    assert told == ([("state_differs",)] if hidden else [])


def test_what_is_told_again_wakes_nobody(house: DepositHouse) -> None:
    """The event about a journal that no flow takes is read again for a day: not so the flow it names."""
    house.deposit(house.person())
    house.pass_time(3 * 3600, listening=True)
    (first,) = house.world.alpaca.journals.by_id.values()
    before = house.one("SELECT wakes FROM flows")
    made_by_staff(house, first)
    house.books_differ = "Alpaca's staff paid the deposit a second time"

    house.pass_time(3 * 3600, listening=True)

    assert house.one("SELECT count(*) FROM inbox_events WHERE state = 'deferred' AND attempts > 10") > 0
    assert house.one("SELECT wakes FROM flows") == before + 1


def test_an_executed_journal_shown_on_its_way_again_is_an_old_reading_until_it_stays(house: DepositHouse) -> None:
    house.deposit(house.person())
    house.pass_time(60, listening=True)
    (journal,) = house.world.alpaca.journals.by_id.values()
    journal.status = "sent_to_clearing"  # nobody is told
    house.books_differ = "Alpaca shows the past"
    differs = "SELECT theirs FROM breaks WHERE type = 'state_differs' AND status = 'open'"

    house.pass_time(3 * 3600)
    assert house.rows(differs) == []
    house.pass_time(20 * 86_400)
    assert house.rows(differs) == [("sent_to_clearing",)]


READING = "GET /v1/journals/{id}"


def corrected_journal(house: DepositHouse) -> str:
    """Alpaca corrects the only journal and says so, but the next reading of it is from before; the replacement."""
    (journal,) = house.world.alpaca.journals.by_id.values()
    replacement = house.world.alpaca.journals.force(journal.id, "correct")
    house.world.faults.set("stale_read", "alpaca", only=READING, times=1)
    return replacement.id


def test_an_old_reading_of_a_corrected_journal_is_read_again_soon(house: DepositHouse) -> None:
    house.deposit(house.person())
    house.pass_time(60, listening=True)
    replacement = corrected_journal(house)

    house.pass_time(60, listening=True)

    assert house.rows("SELECT alpaca_funding_tx_id FROM deposits") == [(replacement,)]
    assert house.open_breaks() == []


def test_a_correction_said_before_the_deposit_was_funded_is_followed_at_once(house: DepositHouse) -> None:
    """The reading that funds it is from before the correction, of which only the stream has told so far."""
    transfer = house.deposit(house.person())
    while not house.world.alpaca.journals.by_id:
        house.pass_time(1)
    assert house.state_of(transfer) == "broker_funding_initiated"
    house.clock.advance(timedelta(seconds=30))  # Alpaca executes it, nobody looks
    house.world.tick()
    replacement = corrected_journal(house)

    house.pass_time(60, listening=True)

    assert house.rows("SELECT alpaca_funding_tx_id FROM deposits") == [(replacement,)]
    assert house.open_breaks() == []
