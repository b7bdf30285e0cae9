"""More flows than places at a provider: none waits for the dispatcher when a place is free again."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

from db import looks
from funding.flow import Step
from funding.flows.due_deposit import due_deposit
from tests.simulation.heard import Heard
from tests.support.deposit_house import DepositHouse
from workers.pull import Pull
from workers.runner import Runner


class Doors:
    """Places that are "free" or "taken" as the test says, in turn; free in the end."""

    def __init__(self, turns: str) -> None:
        self._turns = deque(turns.split())

    def try_enter(self, provider: str) -> bool:
        return not self._turns or self._turns.popleft() == "free"

    def leave(self, provider: str) -> None:
        pass


class Noting(Doors):
    """Notes who goes in and out."""

    def __init__(self, turns: str) -> None:
        super().__init__(turns)
        self.noted: list[str] = []

    def try_enter(self, provider: str) -> bool:
        free = super().try_enter(provider)
        self.noted += [f"in {provider}"] * free
        return free

    def leave(self, provider: str) -> None:
        self.noted.append(f"out {provider}")


class Announced(Heard):
    """Keeps the flows that were announced, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.announced: list[UUID] = []

    def flows(self, items: Sequence[tuple[UUID, str, str]]) -> list[UUID]:
        self.announced += [flow for flow, _, _ in items]
        return []


def follow() -> Step:
    step = due_deposit.step_of("received")
    assert step is not None
    return step


def received(house: DepositHouse, count: int) -> list[UUID]:
    """So many deposits whose first step is due and was announced already."""
    ana = house.person()
    for _ in range(count):
        house.deposit(ana, path=("funds_received",))
    house.books_differ = "the deposits are still on their way"
    house.deliver()
    house.ingest()
    flows = [flow for (flow,) in house.rows("SELECT id FROM flows ORDER BY id")]
    house.one("UPDATE flows SET announced_at = rk_now() RETURNING 1")
    return flows


def paid_out(house: DepositHouse) -> UUID:
    """A deposit that Due has paid out already when its first event comes."""
    house.deposit(house.person(), path=("payment_processed",))
    house.deliver()
    house.ingest()
    [(flow,)] = house.rows("SELECT id FROM flows")
    return UUID(str(flow))


def runner_of(house: DepositHouse, doors: Doors) -> tuple[Runner, Announced]:
    wake = Announced()
    house.worker.session.beat()
    return replace(house.worker.runner, doors=doors, wake=wake), wake


def states(house: DepositHouse) -> list[str]:
    return [state for (state,) in house.rows("SELECT state FROM flows ORDER BY id")]


def test_whoever_leaves_a_place_sends_for_one_that_was_turned_away(house: DepositHouse) -> None:
    first, second, third = received(house, 3)
    runner, wake = runner_of(house, Doors("taken taken taken taken free"))
    assert [runner.run(follow(), flow) for flow in (first, second, third)] == [False, False, True]
    assert wake.announced == [first]

    runner.run(follow(), first)
    assert wake.announced == [first, second]
    runner.run(follow(), second)
    assert wake.announced == [first, second], "nobody else was turned away"
    assert states(house) == ["off_ramp_initiated"] * 3


def test_a_place_left_while_one_is_being_turned_away_is_taken_at_once(house: DepositHouse) -> None:
    """Who left it could not see the note yet, and perhaps nobody else will leave one for long."""
    [flow] = received(house, 1)
    runner, wake = runner_of(house, Doors("taken free"))
    assert runner.run(follow(), flow)
    assert states(house) == ["off_ramp_initiated"]
    assert (wake.announced, runner.turned_away.waiting()) == ([], set())


def test_one_turned_away_where_only_a_guest_was_is_sent_for_when_its_step_is_done(house: DepositHouse) -> None:
    """The place of a call at a second provider is left without a word."""
    [flow] = received(house, 1)
    runner, wake = runner_of(house, Doors(""))
    fund = due_deposit.step_of("off_ramp_completed")
    assert fund is not None
    waiting = UUID(int=1)
    runner.turned_away.note("alpaca", waiting, lambda: wake.flows([(waiting, fund.flow, "off_ramp_completed")]))
    runner.run(follow(), flow)
    assert wake.announced == [waiting]


def test_a_look_and_a_tick_that_are_turned_away_are_sent_for_by_a_step(house: DepositHouse) -> None:
    """And the other way round: whoever leaves a place sends for whatever wants one."""
    [flow] = received(house, 1)
    runner, wake = runner_of(house, Doors("taken taken taken taken free"))
    asked = replace(house.worker.polls, doors=runner.doors, wake=wake, turned_away=runner.turned_away)
    asked = replace(asked, asks={"compare_due": "due"})
    slot = house.clock.now
    assert not asked.run_look("due", "due_transfer", "acct/tf")
    assert not asked.run_tick("compare_due", slot)

    runner.run(follow(), flow)
    assert (wake.hints.looks, wake.hints.ticks) == ([("due", "due_transfer", "acct/tf")], [])
    runner.send_for("due")
    assert wake.hints.ticks == [("compare_due", slot)]


def test_a_deposit_goes_straight_on_at_the_next_provider_when_there_is_a_place(house: DepositHouse) -> None:
    """One message for the whole way, and two places only for as long as it takes to go over."""
    flow = paid_out(house)
    doors = Noting("")
    runner, wake = runner_of(house, doors)
    runner.run(follow(), flow)
    assert states(house) == ["broker_funding_initiated"]
    assert doors.noted == ["in due", "in alpaca", "out due", "out alpaca"]
    assert wake.announced == []
    house.pass_time(60)


def test_it_is_announced_where_every_place_is_taken(house: DepositHouse) -> None:
    flow = paid_out(house)
    doors = Noting("free taken")
    runner, wake = runner_of(house, doors)
    runner.run(follow(), flow)
    assert (states(house), wake.announced) == (["off_ramp_completed"], [flow])
    assert doors.noted == ["in due", "out due"]
    house.books_differ = "the deposit is still on its way"


def test_a_worker_that_is_stopping_goes_no_further_than_the_step_it_is_at(house: DepositHouse) -> None:
    """The next call would be cut off in the middle, and looked up by another worker for minutes."""
    flow = paid_out(house)
    runner, wake = runner_of(house, Doors(""))
    runner.stopping.set()
    runner.run(follow(), flow)
    assert (states(house), wake.announced) == (["off_ramp_completed"], [flow])
    house.pass_time(60)
    assert states(house) == ["broker_funded"]


def test_without_redis_looks_turned_away_are_tried_again_at_once(house: DepositHouse) -> None:
    with house.begin() as connection:
        looks.ask(connection, "due", "due_transfer", "acct/tf")
    answers = deque([False, False, True])

    class Desk:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"nothing but a look is due: {name}")

        def look(self, *_: str) -> bool:
            return answers.popleft()

    pull = Pull(house.begin, Desk(), threads=1, heard=lambda: False)
    with ThreadPoolExecutor(1) as pool:
        assert [pull.once(pool) for _ in range(4)] == [0, 0, 1, 0]


def test_without_redis_those_turned_away_are_tried_again_at_once(house: DepositHouse) -> None:
    flows = received(house, 4)
    house.one("UPDATE flows SET announced_at = NULL RETURNING 1")
    runner, _ = runner_of(house, Doors("free" + 8 * " taken" + " free taken taken"))

    class Desk:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"nothing but steps is due: {name}")

        def step(self, step: Step, flow: UUID) -> bool:
            return runner.run(step, flow)

    pull = Pull(house.begin, Desk(), threads=1, heard=lambda: False)
    with ThreadPoolExecutor(1) as pool:
        assert [pull.once(pool) for _ in range(4)] == [1, 1, 2, 0]
    assert states(house) == ["off_ramp_initiated"] * len(flows)
