"""Two webs behind a router, two workers, two clocks: all at once, and then one of each dies."""

from typing import Any

import pytest
import requests

from embedded.ports import free_port
from ops.cli.system import is_ready
from tests.support.fleet import Fleet
from tests.support.router import Router

pytestmark = pytest.mark.timeout(300)


def move_webhooks(fleet: Fleet, url: str) -> None:
    """Tell Due to send its webhooks to another address, as its API allows."""
    sandbox: Any = fleet.system.sandbox
    (endpoint,) = fleet.system.control("GET", "due/webhook_endpoints")
    answer = requests.post(
        f"{sandbox['due']}/v1/webhook_endpoints/{endpoint['id']}",
        json={"url": f"{url}/webhooks/due"},
        headers={"Authorization": f"Bearer {sandbox['due_api_key']}"},
        timeout=10,
    )
    answer.raise_for_status()


def both_work(fleet: Fleet, sent: set[str]) -> set[str]:
    """Send a few more until both workers have done steps; what was sent. One may be quick enough to take a lot."""
    more: set[str] = set()
    for _ in range(20):
        steps = """
            SELECT count(DISTINCT a.session_id) FROM attempts a JOIN flow_references r ON r.flow_id = a.flow_id
             WHERE r.external_id = ANY(%s)
        """
        if fleet.one(steps, list(sent | more)) >= 2:
            return more
        lot = fleet.send(4)
        more |= lot
        fleet.under_way(lot, at_least=4)
    pytest.fail("one worker does everything")


def test_two_of_each_share_the_work_and_one_of_each_may_die(fleet: Fleet) -> None:
    port = free_port()
    second = f"http://127.0.0.1:{port}"
    fleet.add("web-2", "web", PORT=str(port))
    fleet.add("worker-2", "worker")
    fleet.add("clock-2", "clock")
    webs = (fleet.system.web, second)
    with Router(webs) as router:
        try:
            fleet.wait(lambda: is_ready(second), "the second web is ready", within_s=60)
            sessions = "SELECT count(*) FROM worker_sessions WHERE ended_at IS NULL AND dead_at IS NULL"
            fleet.wait(lambda: fleet.one(sessions) >= 2, "two workers beat", within_s=60)
            move_webhooks(fleet, router.url)
            sent = fleet.send(16)
            fleet.under_way(sent, at_least=6)
            sent |= both_work(fleet, sent)
            assert set(router.answered) == set(webs), "both webs accept"
            fleet.kill("web", "worker", "clock")
            sent |= fleet.send(6)
            fleet.finished(sent)
        finally:
            for name in ("web", "worker", "clock"):
                fleet.system.supervisor.wait_ready(name)
            move_webhooks(fleet, fleet.system.web)
            for name in ("web-2", "worker-2", "clock-2"):
                fleet.retire(name)

    holders = fleet.one("SELECT count(*) FROM clock_leases WHERE expires_at > clock_timestamp()")
    assert holders <= 1
