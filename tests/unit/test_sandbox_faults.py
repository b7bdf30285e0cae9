"""Faults strike as often as they were asked to, where they were asked to, and are counted."""

from itertools import starmap
from typing import Any

import pytest

from sandbox.faults import Faults
from sandbox.ids import Ids


def make_faults(seed: int = 0) -> Faults:
    return Faults(Ids(seed))


def strikes(faults: Faults, draws: int = 200) -> list[bool]:
    return [faults.take("server_error", "due") is not None for _ in range(draws)]


class TestFaults:
    def test_strike_about_as_often_as_asked_and_the_same_for_one_seed(self) -> None:
        first, again, other = map(make_faults, (1, 1, 2))
        for faults in (first, again, other):
            faults.set("server_error", "due", 0.3)

        story = strikes(first)

        assert story == strikes(again)
        assert story != strikes(other)
        assert 30 < sum(story) < 90
        assert first.counts["server_error"] == sum(story)

    def test_one_fault_does_not_move_the_dice_of_another(self) -> None:
        alone, beside = make_faults(), make_faults()
        for faults in (alone, beside):
            faults.set("server_error", "due", 0.5)
        beside.set("unavailable", "due", 0.5)

        together = []
        for _ in range(50):
            beside.take("unavailable", "due")
            together.append(beside.take("server_error", "due") is not None)

        assert together == strikes(alone, 50)

    def test_stop_after_so_many_times(self) -> None:
        faults = make_faults()
        faults.set("server_error", times=2)
        assert sum(strikes(faults)) == 2

    @pytest.mark.parametrize(
        ("only", "route", "hit"),
        [
            ("POST /v1/journals", "POST /v1/journals", True),
            ("POST /v1/journals", "POST /v1/journals/batch", False),
            ("GET /v1/transfers/{id}", "GET /v1/transfers/tf_1", True),
            ("GET /v1/transfers/*", "GET /v1/transfers", False),
        ],
    )
    def test_keep_to_their_route(self, only: str, route: str, hit: object) -> None:
        faults = make_faults()
        faults.set("server_error", only=only)
        assert (faults.take("server_error", "alpaca", route) is not None) is hit

    def test_keep_to_their_provider_and_never_touch_the_control(self) -> None:
        faults = make_faults()
        faults.set("server_error", "alpaca")
        faults.set("unavailable", "*")
        assert faults.take("server_error", "due") is None
        assert faults.take("unavailable", "control") is None
        assert faults.take("unavailable", "due") is not None

    def test_throw_no_dice_where_they_could_not_show(self) -> None:
        faults = make_faults()
        faults.set("stale_read", times=1)
        assert faults.take("stale_read", "due", when=lambda _: False) is None
        assert faults.take("stale_read", "due") is not None

    def test_hand_over_their_parameters(self) -> None:
        faults = make_faults()
        faults.set("slow_reply", seconds=3)
        assert faults.take("slow_reply", "due") == {"seconds": 3}

    @pytest.mark.parametrize("wrong", [("no_such_fault",), ("server_error", "nobody"), ("server_error", "due", 2.0)])
    def test_refuse_nonsense(self, wrong: tuple[Any, ...]) -> None:
        with pytest.raises(ValueError, match=r"unknown|between"):
            list(starmap(make_faults().set, [wrong]))

    def test_are_taken_away(self) -> None:
        faults = make_faults()
        faults.set("server_error")
        faults.set("server_error", "due", 0)
        assert sum(strikes(faults, 5)) == 5
        faults.clear("server_error")
        assert sum(strikes(faults, 5)) == 0
