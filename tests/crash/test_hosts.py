"""A worker and a clock, each on a host of its own, that lose Postgres, Redis, the provider, and half a minute."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from signal import SIGCONT, SIGSTOP, SIGTERM
from urllib.parse import urlsplit

import pytest

from tests.support.fleet import Fleet
from tests.support.namespaces import APART, Host, Network

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(APART is None, reason="no network namespaces: they need unshare, nsenter, ip and the right to"),
]

SLOW = {"name": "slow_reply", "provider": "*", "probability": 1.0, "seconds": 1.0}
PAUSED_S = 30.0
FAR = ("worker-far", "clock-far")


@dataclass(frozen=True)
class Apart:
    """The fleet's own worker and clock run here; one more of each runs far away."""

    fleet: Fleet
    worker: Host
    clock: Host

    def cut(self, cable: str) -> None:
        self.worker.cut(cable)
        self.clock.cut(cable)

    def mend(self, cable: str) -> None:
        self.worker.mend(cable)
        self.clock.mend(cable)

    def said(self, name: str, event: str) -> int:
        """How often a process has logged this event."""
        return len([line for line in self._lines(name) if line.get("event") == event])

    def says(self, name: str, event: str, after: int) -> Callable[[], bool]:
        """Whether it has logged it more often than `after` times."""
        return lambda: self.said(name, event) > after

    def leads(self, name: str) -> bool:
        """Whether this clock holds the lease."""
        holders = [line["holder"] for line in self._lines(name) if line.get("event") == "clock.started"]
        query = "SELECT holder::text FROM clock_leases WHERE expires_at > clock_timestamp()"
        return {row["holder"] for row in self.fleet.rows(query)} == {*holders[-1:]}

    def let_the_far_clock_lead(self) -> None:
        """The near one stops, and finds the lease taken when it is back."""
        for _ in range(10):
            self.fleet.system.supervisor.kill("clock", SIGTERM)
            with suppress(AssertionError):
                self.fleet.wait(lambda: self.leads("clock-far"), "the far clock leads", within_s=10)
                return
        pytest.fail("the far clock never leads")

    def held_far(self, *, for_s: float = 0.0, at_least: int = 2) -> list[str]:
        """Wait until the far worker has held so many flows for so long: then it is in the middle of calls."""
        found: list[str] = []
        query = """
            SELECT f.id::text FROM flows f JOIN worker_sessions s ON s.id = f.session_id
             WHERE s.pid = %s AND s.dead_at IS NULL AND f.claimed_at < clock_timestamp() - %s * interval '1 second'
        """

        def held() -> bool:
            pid = self.fleet.system.supervisor.pid("worker-far")
            found[:] = [row["id"] for row in self.fleet.rows(query, pid, for_s)]
            return len(found) >= at_least

        self.fleet.wait(held, "the far worker is in the middle of calls", within_s=60)
        return found

    def lost(self, flows: list[str]) -> bool:
        """Whether a claim of each was freed because its session had died."""
        query = "SELECT count(DISTINCT flow_id) FROM attempts WHERE outcome = 'lost' AND flow_id = ANY(%s::uuid[])"
        return bool(self.fleet.one(query, flows) == len(flows))

    def _lines(self, name: str) -> Iterator[dict[str, str]]:
        for line in self.fleet.system.supervisor.log(name).read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)


@pytest.fixture
def apart(fleet: Fleet) -> Iterator[Apart]:
    environment = fleet.system.environment
    ports = {name: urlsplit(environment[name]).port or 0 for name in environment if name.endswith("_URL")}
    cables = {
        "postgres": [ports["DATABASE_URL"]],
        "redis": [ports["REDIS_URL"]],
        "provider": [ports["DUE_BASE_URL"], ports["ALPACA_BASE_URL"]],
    }
    with ExitStack() as ending:
        network = ending.enter_context(Network(cables))
        hosts = {name: network.host() for name in FAR}
        for name, kind in zip(FAR, ("worker", "clock"), strict=True):
            ending.callback(fleet.retire, name)
            ending.callback(fleet.system.supervisor.signal, name, SIGCONT)
            fleet.add(name, kind, enter=hosts[name].enter, **hosts[name].settings(environment))
        apart = Apart(fleet, *hosts.values())
        fleet.wait(apart.says("worker-far", "worker.started", 0), "the far worker works", within_s=60)
        fleet.wait(apart.says("clock-far", "clock.started", 0), "the far clock runs", within_s=60)
        yield apart


def test_whatever_two_hosts_are_cut_off_from_nothing_is_lost_or_doubled(fleet: Fleet, apart: Apart) -> None:
    """In turn from Postgres, Redis and the provider, and then they stand still over calls that were never answered."""
    everything = cut_off_from_postgres(fleet, apart)
    everything |= cut_off_from_redis(fleet, apart)
    everything |= cut_off_from_the_provider_and_paused(fleet, apart)
    fleet.finished(everything)


def cut_off_from_postgres(fleet: Fleet, apart: Apart) -> set[str]:
    """The far leader's lease goes to the near one, which frees what the far worker cannot record."""
    apart.let_the_far_clock_lead()
    fleet.faults(SLOW)
    sent = fleet.send(10, step_seconds=0.2)
    held = apart.held_far()
    apart.cut("postgres")
    fleet.faults()
    fleet.wait(lambda: apart.leads("clock"), "the near clock leads", within_s=60)
    sent |= fleet.send(2)
    fleet.finished(sent)
    assert apart.lost(held)
    died = apart.said("worker-far", "session.dead")
    apart.mend("postgres")
    fleet.wait(apart.says("worker-far", "session.dead", died), "the far worker begins anew", within_s=60)
    return sent


def cut_off_from_redis(fleet: Fleet, apart: Apart) -> set[str]:
    """The far worker asks Postgres what is due; then the far leader announces nothing, yet all is done."""
    apart.let_the_far_clock_lead()
    began, ended = apart.said("worker-far", "pull.began"), apart.said("worker-far", "pull.ended")
    apart.worker.cut("redis")
    fleet.wait(apart.says("worker-far", "pull.began", began), "the far worker pulls", within_s=60)
    apart.worker.mend("redis")
    fleet.wait(apart.says("worker-far", "pull.ended", ended), "the far worker listens", within_s=60)

    unreachable = apart.said("clock-far", "redis.unreachable")
    apart.clock.cut("redis")
    sent = fleet.send(6)
    fleet.wait(apart.says("clock-far", "redis.unreachable", unreachable), "the far clock is not heard", within_s=60)
    sent |= fleet.send(2)
    fleet.finished(sent)
    assert apart.leads("clock-far")
    apart.clock.mend("redis")
    return sent


def cut_off_from_the_provider_and_paused(fleet: Fleet, apart: Apart) -> set[str]:
    """Calls that nobody answers, then SIGSTOP of leader and worker; when they wake up everything has long moved on."""
    sent = fleet.send(8, step_seconds=0.2)
    apart.cut("provider")
    sent |= fleet.send(8, step_seconds=0.2)
    held = apart.held_far(for_s=3.0)
    for name in FAR:
        fleet.system.supervisor.signal(name, SIGSTOP)
    stopped = time.monotonic()
    fleet.wait(lambda: apart.leads("clock"), "the near clock leads", within_s=60)
    fleet.wait(lambda: apart.lost(held), "the far worker's claims are freed", within_s=60)
    sent |= fleet.send(2)
    fleet.finished(sent)
    apart.mend("provider")
    time.sleep(max(PAUSED_S - (time.monotonic() - stopped), 0))
    died, lost = apart.said("worker-far", "session.dead"), apart.said("clock-far", "clock.lead_lost")
    for name in FAR:
        fleet.system.supervisor.signal(name, SIGCONT)
    fleet.wait(apart.says("worker-far", "session.dead", died), "the far worker begins anew", within_s=60)
    fleet.wait(apart.says("clock-far", "clock.lead_lost", lost), "the far clock follows", within_s=60)
    return sent | fleet.send(2)
