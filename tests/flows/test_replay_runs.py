"""Dead letters replayed in a run that is cut off twice: each payment is made once at its provider."""

from datetime import timedelta

import pytest

from db.replay import Filter
from ops.actions import dead_letters, replay_runs
from tests.support.deposit_house import DepositHouse


def test_a_run_cut_off_twice_pays_each_deposit_once_and_each_customers_in_order(house: DepositHouse) -> None:
    people = [house.person(name) for name in ("ana", "bo")]
    for person in people:
        house.world.alpaca.refuse_account(person.brokerage)
    deposits = {person.name: [house.deposit(person) for _ in range(2)] for person in people}
    house.pass_time(60)
    assert len(house.letters()) == 4
    for person in people:
        house.world.alpaca.refuse_account(person.brokerage, on=False)
    rests = iter((1, 0, 1, 0))  # what is left of patience: the second rest and the fourth end in Ctrl-C

    def rest(length: timedelta) -> None:
        house.pass_time(length.total_seconds())
        if not next(rests, 1):
            raise KeyboardInterrupt

    found = dead_letters.find(house.desk, Filter())
    run = replay_runs.start(house.desk, found, wanted="--all", rate=1, stop_after=None)
    with pytest.raises(KeyboardInterrupt):
        run.to_the_end(rest=rest)
    with pytest.raises(KeyboardInterrupt):
        replay_runs.resume(house.desk, run.run).to_the_end(rest=rest)
    house.pass_time(120)
    counts = replay_runs.resume(house.desk, run.run).to_the_end(rest=rest)

    assert (counts.resolved, counts.came_back) == (4, 0)
    house.pass_time(60)
    assert {house.state_of(one) for both in deposits.values() for one in both} == {"broker_funded"}
    summary = house.world.effects.summary()
    assert (summary["intended"], summary["made"], summary["duplicates"]) == (4, 4, 0)
    tried = house.rows("""
        SELECT l.number, l.customer_id, t.recorded_at FROM replay_run_letters l
          JOIN dead_letters d ON d.id = l.letter_id
          JOIN transitions t ON t.flow_id = d.flow_id AND t.to_state = 'broker_funding_initiated'
         ORDER BY l.customer_id, t.recorded_at
    """)
    assert len(tried) == 4
    assert [(customer, number) for number, customer, _ in tried] == sorted(
        (customer, number) for number, customer, _ in tried
    )
