"""Histories drawn from seeds. A failing one says how to play it again, its story, and what is not true at its end."""

import pytest

from tests.simulation.play import play
from tests.simulation.stage import Stage

HISTORIES = 2_000
BLOCK = 125  # histories on one database


@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(HISTORIES // BLOCK))
def test_every_history_ends_well(stage: Stage, block: int) -> None:
    seeds = range(block * BLOCK, (block + 1) * BLOCK)
    failures = [told for seed in seeds if (told := play(stage, seed))]
    assert not failures, f"{len(failures)} of {BLOCK} histories end badly; the first:\n{failures[0]}"
