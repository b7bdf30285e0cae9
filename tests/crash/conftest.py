"""One whole system as real processes for all tests of this folder: started once, broken in turn, checked after each."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ops.cli.system import running_system
from tests.support.fleet import Fleet

SETTINGS = {
    "POLL_S": "3",
    "RETRY_FIRST_S": "1",
    "RETRY_TRIES": "6",  # with a tenth of the replies lost, three tries run out now and then
    "DATABASE_POOL": "6",
}
# Whatever servers the run uses, these tests break theirs.
OURS_ALONE = ("DATABASE_URL", "REDIS_URL", "DUE_", "ALPACA_", "BRIDGE_", "IBEX_", "STRIPE_")


SYSTEM = pytest.StashKey[ExitStack]()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After the last of this folder the system ends: it would take a quarter of a core from all other tests."""
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        item.config.stash.get(SYSTEM, ExitStack()).close()


@pytest.fixture(scope="session")
def running(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OURS_ALONE)}
    with ExitStack() as stack:
        request.config.stash[SYSTEM] = stack
        started = running_system("test", pretend=True, seed=11, say=_say, more=SETTINGS, environ=environ)
        yield Fleet(stack.enter_context(started))


@pytest.fixture
def fleet(running: Fleet) -> Iterator[Fleet]:
    """A fleet without faults; at the end everything that was sent is finished, once, and nothing is lost."""
    yield running
    running.faults()
    running.wait(lambda: not running.untrue(), "nothing untrue", within_s=90, why=running.untrue)


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 -- pytest shows it when a test fails
