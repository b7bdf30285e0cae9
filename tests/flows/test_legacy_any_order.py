"""Whatever happens on the way, each deposit in `legacy_offramp` is converted once and paid once."""

import random
from uuid import UUID

import pytest

from ops.actions.reconcile import second_deposits
from sandbox.outbox import LoggedEvent
from tests.support.deposit_house import DepositHouse
from tests.support.depositors import Person

AMOUNTS = ("80.00", "250.00")
BEFORE = ("reset_before", "server_error", "throttled", "unavailable")
AFTER = ("reply_lost", "server_error_after")
CALLS = ("POST /offramp", "GET /v1/transfers", "GET /v1/transfers/{id}", "POST /v1/journals")
SOON_S = 600  # equal bytes within that are one event


class History:
    """Deposits, resends, faults and people's words, drawn from a seed. A person always knows what is true."""

    def __init__(self, house: DepositHouse, people: list[Person], seed: int) -> None:
        self._house = house
        self._people = people
        self._draw = random.Random(seed)
        self._stored: set[str] = set()  # ids of Due's events that have a row here
        self._another: dict[int, bool] = {}  # rows, and whether each was the first of its event
        self.deposits = 0

    def act(self) -> None:
        """One thing happens; then time passes."""
        self._draw.choice((self._deposit, self._deposit, self._send_again, self._spoil))()
        self._pass(self._draw.choice((1, 20, 200, SOON_S + 60)))
        if self._draw.random() < 0.5:
            self.answer()

    def answer(self) -> None:
        """People answer what was asked of them."""
        doubts = self._house.rows("""
            SELECT id, event_id FROM breaks WHERE type = 'possible_second_deposit' AND status = 'open'
        """)
        for found, event in doubts:
            said = "another" if self._another[event] else "resend"
            second_deposits.say(self._house.desk, [UUID(str(found))], answer=said, said="asked Due")

    def settle(self) -> None:
        """The providers behave again, and everybody has said what there is to say."""
        self._house.world.faults.clear()
        for _ in range(3):
            self._pass(1_200)
            self.answer()
            self._house.replay()
        self._pass(1_200)

    def _deposit(self) -> None:
        person, amount = self._draw.choice(self._people), self._draw.choice(AMOUNTS)
        self._pass(SOON_S + 1)  # sooner, its equal bytes would be dropped as a resend's are, and Due would be asked why
        self._house.announce(person, amount)
        self.deposits += 1

    def _send_again(self) -> None:
        events = self._events()
        if events:
            self._house.world.outbox.resend(self._draw.choice(events))

    def _spoil(self) -> None:
        call = self._draw.choice(CALLS)
        name = self._draw.choice((*BEFORE, *AFTER) if call.startswith("POST") else BEFORE)
        self._house.world.faults.set(name, "*", only=call, times=self._draw.randint(1, 2))

    def _events(self) -> list[LoggedEvent]:
        return [one for log in self._house.world.outbox.events.values() for one in log if one.type == "deposit"]

    def _pass(self, seconds: float) -> None:
        """Time passes. What Due has just sent, one event at most, arrives first: so the row it became is known."""
        before = {one.id: one.attempts for one in self._events()}
        self._house.world.tick()
        self._house.deliver()
        for event in self._events():
            if event.attempts > before[event.id]:
                self._note(event)
        self._house.pass_time(seconds)

    def _note(self, event: LoggedEvent) -> None:
        for (row,) in self._house.rows("SELECT id FROM inbox_events WHERE type = 'deposit'"):
            if row not in self._another:  # bytes that came too soon became no row
                self._another[row] = event.id not in self._stored
        self._stored.add(event.id)


@pytest.mark.parametrize("seed", range(6))
def test_each_deposit_is_converted_and_paid_once(house: DepositHouse, seed: int) -> None:
    people = [house.person(name, mode="legacy_offramp") for name in ("ana", "ben")]
    history = History(house, people, seed)
    for _ in range(7):
        history.act()
    history.settle()

    made = list(house.world.due.transfers)
    assert len(made) == history.deposits
    assert {house.state_of(one) for one in made} <= {"broker_funded"}
    effects = house.world.effects.summary()
    assert (effects["made"], effects["duplicates"], effects["unexpected"]) == (history.deposits, 0, [])
    assert house.open_breaks() == []
