"""A provider that cannot be read: how soon it is asked again has nothing to do with how long we have waited before."""

from datetime import timedelta

from tests.support.deposit_house import DepositHouse

LONG_S = 6 * 3600


def waits(house: DepositHouse) -> tuple[timedelta, int, int]:
    """How long until the flow's next step, the readings in a row that came to nothing, and its snoozes."""
    [(wait, misses, snoozes)] = house.rows("SELECT due_at - rk_now(), misses, snoozes FROM flows")
    return wait, misses, snoozes


def test_one_lost_reading_after_long_waiting_is_made_again_at_once(house: DepositHouse) -> None:
    transfer = house.deposit(house.person(), path=("funds_received", "approved"), step_seconds=1.0)
    house.pass_time(LONG_S)
    _, misses, before = waits(house)
    assert (misses, before > 5) == (0, True)

    house.world.faults.set("server_error", "due", times=2)
    house.one("UPDATE flows SET due_at = rk_now() RETURNING 1")
    house.pass_time(0)
    first, misses, snoozes = waits(house)
    assert (first <= timedelta(seconds=3), misses, snoozes) == (True, 1, before)

    house.pass_time(first.total_seconds())
    second, misses, snoozes = waits(house)
    assert (timedelta(seconds=4) <= second <= timedelta(seconds=6), misses, snoozes) == (True, 2, before)

    house.pass_time(second.total_seconds())
    assert waits(house)[1:] == (0, before + 1), "a reading that succeeds forgets the misses"
    house.move(transfer, "payment_processed")
    house.pass_time(60)
    assert house.state_of(transfer) == "broker_funded"
