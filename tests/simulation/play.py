"""Play a history of a seed, and say what is wrong at its end."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from tests.simulation.clock import drawn_ids
from tests.simulation.history import History
from tests.simulation.plan import PLANS
from tests.simulation.stage import Stage
from tests.simulation.truth import untrue_at_the_end


def play(stage: Stage, seed: int, plan: str = "rough") -> str | None:
    """What went wrong with this seed, for a person to read; None when nothing did."""
    history = told(stage, seed, plan)
    wrong = [*history.wrong, *untrue_at_the_end(history.world, history.quiet)]
    if not wrong:
        return None
    again = f"play it again: .venv/bin/python -m tests.simulation {seed} --plan {plan}"
    return "\n".join([f"seed {seed} of plan {plan}:", *(f"- {line}" for line in wrong), again, "", str(history.story)])


def told(stage: Stage, seed: int, plan: str) -> History:
    """The history of this seed, played to its end."""
    stage.clear(seed)
    with drawn_ids(seed), without_logs():
        history = History(stage, seed, PLANS[plan])
        history.play()
    return history


@contextmanager
def without_logs() -> Iterator[None]:
    """A history tells its own story: the product's log lines would take longer than its steps."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
