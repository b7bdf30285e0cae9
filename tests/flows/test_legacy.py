"""Deposits in `legacy_offramp`: money stays as it is until we have Due convert it, and it is converted once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from ops.actions.desk import Refused
from ops.actions.events import replay_event
from ops.actions.reconcile import breaks, second_deposits
from tests.support.deposit_house import DepositHouse
from tests.support.depositors import Person

OFFRAMP = "POST /offramp"
LATER = timedelta(minutes=11).total_seconds()  # equal bytes sooner than that are one event
WHOLE_WAY = ["received", "off_ramp_initiated", "off_ramp_completed", "broker_funding_initiated", "broker_funded"]


@pytest.fixture
def person(house: DepositHouse) -> Person:
    return house.person(mode="legacy_offramp")


def transfers(house: DepositHouse) -> list[str]:
    """The ids of what Due converts or has converted, the oldest first."""
    return list(house.world.due.transfers)


def conversions_asked(house: DepositHouse) -> int:
    return sum(one["method"] == "POST" and one["path"] == "/offramp" for one in house.world.requests)


def events(house: DepositHouse) -> list[tuple[str, str | None]]:
    """(state, reason) of every event of the seed's kind, the oldest first."""
    return house.rows("SELECT state, reason FROM inbox_events WHERE type = 'deposit' ORDER BY id")


def skip(house: DepositHouse, time: timedelta) -> None:
    """Nothing runs for so long; then everything that became due happens."""
    house.clock.advance(time)
    house.pass_time(1)


def the_break(house: DepositHouse) -> UUID:
    """The one possible second deposit that waits for an answer."""
    found = house.rows("SELECT id FROM breaks WHERE type = 'possible_second_deposit' AND status = 'open'")
    assert len(found) == 1
    return UUID(str(found[0][0]))


def all_funded_once(house: DepositHouse, count: int) -> None:
    assert [house.state_of(one) for one in transfers(house)] == ["broker_funded"] * count
    effects = house.world.effects.summary()
    assert (effects["intended"], effects["made"], effects["duplicates"]) == (count, count, 0)
    assert effects["unexpected"] == []


class TestADeposit:
    def test_is_converted_when_its_event_comes_and_funds_the_account(self, house: DepositHouse, person: Person) -> None:
        house.announce(person, "250.00")
        house.pass_time(120)

        (transfer,) = transfers(house)
        all_funded_once(house, 1)
        assert house.history_of(transfer) == WHOLE_WAY
        assert conversions_asked(house) == 1
        shown = house.rows("SELECT off_ramp_tx_id, off_ramp_initiated_at IS NOT NULL, amount, amount_out FROM deposits")
        assert shown == [(transfer, True, 250_000000, 250_00)]
        assert events(house) == [("handled", None)]
        assert house.open_breaks() == []

    def test_waits_for_money_that_is_not_booked_when_its_event_comes(self, house: DepositHouse, person: Person) -> None:
        house.announce(person)
        booked = dict(house.world.due.legacy_received)
        house.world.due.legacy_received.clear()
        house.pass_time(5)
        assert transfers(house) == []

        house.world.due.legacy_received.update(booked)
        house.pass_time(120)
        all_funded_once(house, 1)
        assert house.letters() == []

    def test_that_due_refuses_parks_and_a_replay_converts_it(self, house: DepositHouse, person: Person) -> None:
        house.announce(person)
        booked = dict(house.world.due.legacy_received)
        house.world.due.legacy_received.clear()
        house.pass_time(300)
        assert [letter[:2] for letter in house.letters()] == [("rejected_err_insufficient_balance", "open")]
        assert house.told() == ["deposit.delayed"]

        house.world.due.legacy_received.update(booked)
        assert house.replay() == ["replaying"]
        house.pass_time(120)
        all_funded_once(house, 1)

    @pytest.mark.parametrize(
        ("fault", "more"),
        [
            ("reply_lost", {}),
            ("reset_before", {}),
            ("server_error", {}),
            ("server_error_after", {}),
            ("slow_reply", {"seconds": 40}),
            ("hanging_socket", {"seconds": 40, "effect": True}),
            ("hanging_socket", {"seconds": 40, "effect": False}),
            ("throttled", {"seconds": 5}),
        ],
        ids=str,
    )
    def test_is_converted_once_however_the_call_ends(
        self, house: DepositHouse, person: Person, fault: str, more: dict[str, Any]
    ) -> None:
        """There is no key: what became of the call is looked up, twice, before it is made again."""
        house.world.faults.set(fault, "due", only=OFFRAMP, times=1, **more)
        house.announce(person)
        house.pass_time(900)

        assert house.world.faults.counts[fault] == 1
        all_funded_once(house, 1)

    def test_looks_twice_a_settle_time_apart_before_it_asks_again(self, house: DepositHouse, person: Person) -> None:
        house.world.faults.set("reset_before", "due", only=OFFRAMP, times=1)
        house.announce(person)
        house.pass_time(1)
        began = house.clock.now
        while not transfers(house):
            house.pass_time(10)
        assert house.clock.now - began > timedelta(minutes=2)
        house.pass_time(120)

        all_funded_once(house, 1)
        assert house.one("SELECT max(generation) FROM intentions WHERE call = 'off_ramp'") == 1

    def test_hears_of_its_transfer_before_it_knows_it(self, house: DepositHouse, person: Person) -> None:
        """Due tells of what we are creating sooner than it answers us: that event waits, and opens nothing."""
        house.world.faults.set("reply_lost", "due", only=OFFRAMP, times=1)
        house.announce(person)
        house.pass_time(20)
        (transfer,) = transfers(house)
        waiting = house.rows("SELECT DISTINCT state, waits_for FROM inbox_events WHERE type <> 'deposit'")
        assert waiting == [("deferred", f"due/transfer/{transfer}")]

        house.pass_time(300)
        all_funded_once(house, 1)
        of_events = house.rows("SELECT DISTINCT e.state, e.flow_id = f.id FROM inbox_events e, flows f")
        assert of_events == [("handled", True)]


class TestTheSameBytesAgain:
    def test_soon_after_are_a_duplicate_and_counted(self, house: DepositHouse, person: Person) -> None:
        house.announce(person)
        house.pass_time(60)
        house.announce_again()
        house.pass_time(60)

        all_funded_once(house, 1)
        assert house.one("SELECT duplicates FROM inbox_events WHERE type = 'deposit'") == 1
        assert house.open_breaks() == []

    def test_later_create_nothing_until_a_person_has_said_what_they_are(
        self, house: DepositHouse, person: Person
    ) -> None:
        house.announce(person)
        house.pass_time(LATER)
        house.announce_again()
        house.pass_time(120)

        all_funded_once(house, 1)
        assert conversions_asked(house) == 1
        assert house.open_breaks() == [("due", "possible_second_deposit")]
        with pytest.raises(Refused, match="--as another"):
            breaks.resolve(house.desk, [the_break(house)], said="settled")

        found = the_break(house)
        assert second_deposits.say(house.desk, [found], answer="resend", said="Due says so") == [found]
        house.pass_time(600)
        assert events(house) == [("handled", None), ("ignored", "a resend, said ana")]
        assert house.open_breaks() == []
        all_funded_once(house, 1)

    def test_are_another_deposit_when_a_person_says_so_and_only_once(self, house: DepositHouse, person: Person) -> None:
        house.announce(person)
        house.pass_time(LATER)
        house.announce(person)
        house.pass_time(60)
        found = the_break(house)

        assert second_deposits.say(house.desk, [found], answer="another", said="two payments") == [found]
        assert second_deposits.say(house.desk, [found], answer="another", said="two payments") == []
        assert second_deposits.say(house.desk, [found], answer="resend", said="no, wait") == []
        house.pass_time(120)

        all_funded_once(house, 2)
        assert house.one("SELECT count(DISTINCT id) FROM flows") == 2
        said = house.rows("SELECT detail ->> 'answer' FROM audit_log WHERE action = 'break.second_deposit'")
        assert said == [("another",)]

    def test_replayed_are_no_other_deposit(self, house: DepositHouse, person: Person) -> None:
        """A replay is the event itself once more: of one that opened a flow it wakes it, of a doubtful one it asks."""
        house.announce(person)
        house.pass_time(60)
        first = house.one("SELECT id FROM inbox_events WHERE type = 'deposit'")
        again, _ = replay_event(house.desk, first)
        replay_event(house.desk, again)
        house.pass_time(60)
        all_funded_once(house, 1)
        assert [state for state, _ in events(house)] == ["handled"] * 3
        assert house.open_breaks() == []

        house.pass_time(LATER)
        house.announce_again()
        house.pass_time(1)
        replay_event(house.desk, house.one("SELECT max(id) FROM inbox_events WHERE type = 'deposit'"))
        house.pass_time(60)
        assert conversions_asked(house) == 1
        assert house.one("SELECT count(*) FROM breaks") == 1

    def test_waits_for_an_older_one_whose_call_is_in_doubt(self, house: DepositHouse, person: Person) -> None:
        """Both are of one amount: the transfer of the first could be taken for that of the second."""
        house.world.faults.set("unavailable", "due")
        house.announce(person)
        house.pass_time(LATER)
        house.announce(person)
        house.pass_time(1)
        second_deposits.say(house.desk, [the_break(house)], answer="another", said="two payments")
        house.pass_time(1)
        house.world.faults.clear()
        house.world.faults.set("server_error_after", "due", only=OFFRAMP, times=1)
        house.pass_time(1800)

        all_funded_once(house, 2)
        # Neither took for its own what the other had made.
        assert house.one("SELECT count(DISTINCT flow_id) FROM intentions WHERE call = 'off_ramp'") == 2
        assert house.letters() == []


class TestTheOtherMode:
    def test_a_transfer_nobody_here_made_opens_nothing_and_is_reported(
        self, house: DepositHouse, person: Person
    ) -> None:
        """Where we have Due convert, an event of a transfer is of one that we make: it waits, a day at most."""
        house.books_differ = "Due converted money that no deposit here is about"
        house.deposit(person)
        house.pass_time(600)
        assert house.one("SELECT count(*) FROM flows") == 0
        waits = house.rows("SELECT DISTINCT state FROM inbox_events WHERE reason <> 'not funded yet'")
        assert waits == [("deferred",)]

        skip(house, timedelta(hours=25))
        assert house.open_breaks() == [("due", "unmatched_event")]
        assert house.world.effects.summary()["made"] == 0

    def test_a_seeds_event_makes_no_call_but_a_look(self, house: DepositHouse) -> None:
        """An account that converts by itself is doing so: a second conversion would pay twice."""
        house.world.faults.set("webhook_dropped", "due", only="transfer.status_changed")
        person = house.person()
        transfer = house.deposit(person)
        house.pass_time(30)
        assert house.one("SELECT count(*) FROM flows") == 0

        body = {"virtual_account_id": person.virtual_account, "amount": "250.00"}
        house.world.due.endpoints.announce_seed_deposit(**body)
        house.pass_time(1)
        house.worker.polls.run_look("due", "due_virtual_account", person.virtual_account)
        house.pass_time(120)

        assert house.state_of(transfer) == "broker_funded"
        assert conversions_asked(house) == 0
        assert house.world.effects.summary()["made"] == 1


class TestAnEventThatCannotBeActedOn:
    def test_of_an_unknown_account_opens_a_break_and_a_replay_once_it_is_linked(self, house: DepositHouse) -> None:
        person = house.person(due=False)
        house.announce(person)
        house.pass_time(60)
        assert house.open_breaks() == [("due", "unmatched_event")]
        assert conversions_asked(house) == 0

        house.link(person.due_link("legacy_offramp"))
        replay_event(house.desk, house.one("SELECT id FROM inbox_events WHERE type = 'deposit'"))
        house.pass_time(120)
        all_funded_once(house, 1)
        assert house.open_breaks() == []

    @pytest.mark.parametrize("amount", ["0", "-5.00", "1e3000", "250.0000001", "NaN", "", "ten"])
    def test_of_no_amount_is_set_aside(self, house: DepositHouse, person: Person, amount: str) -> None:
        house.books_differ = "its event stays dead until a person has dealt with it"
        house.world.due.endpoints.announce_seed_deposit(person.virtual_account, amount)
        house.pass_time(60)

        assert [letter[:2] for letter in house.letters()] == [("unusable_event", "open")]
        assert conversions_asked(house) == 0


class TestATransferFromBefore:
    """Due converted as much on that account, and no deposit here has that transfer: it may be this one."""

    @pytest.fixture
    def before(self, house: DepositHouse, person: Person) -> str:
        transfer = house.deposit(person, amount="250.00", fee="0")
        house.pass_time(60)
        skip(house, timedelta(hours=30))
        return transfer

    def test_is_taken_for_it_when_a_person_says_so(self, house: DepositHouse, person: Person, before: str) -> None:
        house.world.due.endpoints.announce_seed_deposit(person.virtual_account, "250.00")
        house.pass_time(60)
        assert conversions_asked(house) == 0
        assert [letter[:2] for letter in house.letters()] == [("needs_person", "open")]

        second_deposits.say(house.desk, [the_break(house)], answer="resend", said="our old system had it converted")
        house.pass_time(120)
        assert house.state_of(before) == "broker_funded"
        assert conversions_asked(house) == 0
        assert [letter[1:] for letter in house.letters()] == [("resolved", "person")]

    def test_is_left_alone_when_it_is_not(self, house: DepositHouse, person: Person, before: str) -> None:
        house.books_differ = "the transfer from before belongs to nobody here"
        house.announce(person, "250.00")
        house.pass_time(60)
        second_deposits.say(house.desk, [the_break(house)], answer="another", said="a new payment")
        house.pass_time(120)

        made = [one for one in transfers(house) if one != before]
        assert [house.state_of(one) for one in made] == ["broker_funded"]
