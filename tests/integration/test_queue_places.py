"""A worker with no place left at a provider leaves that provider's flows in the queue, for workers that have one."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from uuid import UUID, uuid4

import dramatiq
import pytest

from dispatch.broker import FUNDING_OF, NAMESPACE, QUEUES, make_broker, make_client
from dispatch.wake import Wake
from embedded.valkey import ValkeyServer
from funding.flow import Step
from providers.gate import places
from tests.support.waiting import eventually
from workers.actors import declare

THREADS = 4
PLACES = places(THREADS)


class Desk:
    """A worker's desk whose steps last until `go` is set. As the runner, it turns away who finds every place taken."""

    def __init__(self, *, busy: bool) -> None:
        self.go = threading.Event()
        self.begun: list[UUID] = []
        self.done: list[UUID] = []
        self.turned_away: list[UUID] = []
        self._free = {provider: threading.Semaphore(PLACES) for provider in FUNDING_OF}
        if not busy:
            self.go.set()

    def step(self, step: Step, flow: UUID) -> bool:
        return self._ask(step.provider, flow)

    def events(self, ids: Sequence[int]) -> None: ...

    def tick(self, job: str, slot: datetime) -> bool:
        return True

    def look(self, provider: str, poll: str, subject: str) -> bool:
        return self._ask(provider, UUID(subject))

    def _ask(self, provider: str | None, what: UUID) -> bool:
        if not self._free[provider].acquire(blocking=False):
            self.turned_away.append(what)
            return False
        with ExitStack() as inside:
            inside.callback(self._free[provider].release)
            self.begun.append(what)
            self.go.wait(60)
            self.done.append(what)
        return True

    def notification(self, notification: UUID) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@contextmanager
def working(server: ValkeyServer, *, busy: bool) -> Iterator[Desk]:
    """One worker process's threads."""
    desk, broker = Desk(busy=busy), make_broker(server.url, places=PLACES)
    declare(broker, desk)
    worker = dramatiq.Worker(broker, queues=set(QUEUES), worker_threads=THREADS, worker_timeout=50)
    worker.start()
    try:
        yield desk
    finally:
        desk.go.set()
        worker.stop()
        broker.close()


def announce(server: ValkeyServer, count: int, *, state: str = "received") -> set[UUID]:
    flows = {uuid4() for _ in range(count)}
    Wake(make_broker(server.url), make_client(server.url)).flows([(flow, "due_deposit", state) for flow in flows])
    return flows


def ask_to_look(server: ValkeyServer, count: int) -> set[UUID]:
    subjects = {uuid4() for _ in range(count)}
    wake = Wake(make_broker(server.url), make_client(server.url))
    wake.looks([("ibex", "ibex_transaction", str(subject)) for subject in subjects])
    return subjects


def waiting(server: ValkeyServer, provider: str) -> int:
    with make_client(server.url) as client:
        return int(client.llen(f"{NAMESPACE}:{FUNDING_OF[provider]}"))


def test_a_full_worker_holds_what_it_works_on_and_an_idle_one_does_the_rest(server: ValkeyServer) -> None:
    with working(server, busy=True) as full:
        flows = announce(server, 20)
        eventually(lambda: len(full.begun) == PLACES)
        with working(server, busy=False) as idle:
            eventually(lambda: len(idle.done) == len(flows) - PLACES)
            assert (full.done, full.turned_away) == ([], [])
            assert flows - set(idle.done) == set(full.begun)


def test_a_rush_of_looks_waits_there_too_and_none_is_turned_away(server: ValkeyServer) -> None:
    """IBEX's webhooks name accounts, hundreds in a rush: put down, each would be a quarter of a minute late."""
    with working(server, busy=True) as desk:
        subjects = ask_to_look(server, 20)
        eventually(lambda: len(desk.begun) == PLACES)
        assert waiting(server, "ibex") == len(subjects) - PLACES

        desk.go.set()
        eventually(lambda: set(desk.done) == subjects)
        assert desk.turned_away == []


def test_a_slow_provider_fills_its_own_places_and_no_others(server: ValkeyServer) -> None:
    with working(server, busy=True) as desk:
        at_due = announce(server, 20)
        eventually(lambda: len(desk.begun) == PLACES)
        at_alpaca = announce(server, PLACES, state="off_ramp_completed")
        eventually(lambda: at_alpaca <= set(desk.begun))
        assert waiting(server, "due") == len(at_due) - PLACES

        desk.go.set()
        eventually(lambda: set(desk.done) == at_due | at_alpaca)
        assert desk.turned_away == []
