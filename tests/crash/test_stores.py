"""Valkey emptied, restarted and absent; Postgres restarted and killed: what was accepted goes on, once."""

import pytest

from tests.support.fleet import Fleet

pytestmark = pytest.mark.timeout(300)


def test_valkey_emptied_under_load(fleet: Fleet) -> None:
    everything: set[str] = set()
    for _ in range(3):
        sent = fleet.send(5)
        fleet.under_way(sent, at_least=1)
        fleet.valkey.flush()
        everything |= sent
    fleet.finished(everything)


def test_valkey_restarted_under_load(fleet: Fleet) -> None:
    sent = fleet.send(10)
    fleet.under_way(sent, at_least=2)
    fleet.valkey.restart()
    sent |= fleet.send(4)
    fleet.finished(sent)


def test_valkey_absent_from_the_beginning(fleet: Fleet) -> None:
    """Web, worker and clock start without it and do all of it; when it comes, they use it."""
    fleet.valkey.kill()
    try:
        for name in ("web", "worker", "clock"):
            fleet.kill(name)
        for name in ("web", "worker", "clock"):
            fleet.system.supervisor.wait_ready(name)
        sent = fleet.send(10)
        fleet.finished(sent)
        assert fleet.valkey.pid is None
    finally:
        fleet.valkey.start()
    fleet.finished(fleet.send(4))


@pytest.mark.parametrize("crash", [False, True], ids=["restarted", "killed"])
def test_postgres_goes_and_comes_under_load(fleet: Fleet, crash: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """Answered 200 means committed: `fleet` counts at the end that all of those are there."""
    sent = fleet.send(10)
    fleet.under_way(sent, at_least=2)
    if crash:
        fleet.postgres.kill()
        sent |= fleet.send(4)
        fleet.postgres.start()
    else:
        fleet.postgres.restart()
        sent |= fleet.send(4)
    fleet.finished(sent)
