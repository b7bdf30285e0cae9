"""Histories drawn from seeds. A failing one says how to play it again, its story, and what is not true at its end."""

from typing import Final

import pytest

from tests.simulation.play import play
from tests.simulation.stage import Stage

# By plan: blocks, and the histories of each, on one database. One of every kind takes as long as three of deposits.
BLOCKS: Final = {"rough": (12, 154), "every_kind": (4, 38)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("plan", "block"), [(plan, n) for plan, (many, _) in BLOCKS.items() for n in range(many)])
def test_every_history_ends_well(stage: Stage, plan: str, block: int) -> None:
    _, size = BLOCKS[plan]
    seeds = range(block * size, (block + 1) * size)
    failures = [told for seed in seeds if (told := play(stage, seed, plan))]
    assert not failures, f"{len(failures)} of {size} histories end badly; the first:\n{failures[0]}"
