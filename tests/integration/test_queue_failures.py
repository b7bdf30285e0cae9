"""How Dramatiq and Redis really fail, each against a server of its own: messages are hints, so nothing is lost.

`docs/queue-failures.md` lists every way that is known, and which test shows that it cannot hurt here.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any
from uuid import UUID, uuid4

import dramatiq
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Callbacks, ShutdownNotifications, TimeLimit
from sqlalchemy import Engine, text

from db import claims, due_work, retention
from db.engine import unit_of_work
from dispatch.broker import FUNDING, FUNDING_OF, MAINTENANCE_CHANCE, NAMESPACE, QUEUES, make_broker, make_client
from dispatch.dispatcher import Dispatcher
from dispatch.wake import Wake
from embedded.valkey import ValkeyServer
from funding.flow import Step
from funding.flows.table import FLOWS
from tests.support.moved_time import MovedTime
from tests.support.rows import add_event, add_flow, add_session
from tests.support.waiting import eventually
from workers.actors import declare
from workers.pull import takes_messages

SLOT = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
FOLLOW = "due_deposit.take_up"


class Deaf:
    """A desk that hears every message and does nothing, or fails when told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.heard: list[object] = []

    def step(self, step: Step, flow: UUID) -> bool:
        return self._hear((step.name, flow))

    def events(self, ids: Sequence[int]) -> None:
        self._hear(list(ids))

    def tick(self, job: str, slot: datetime) -> bool:
        return self._hear((job, slot))

    def look(self, provider: str, poll: str, subject: str) -> bool:
        return self._hear((provider, poll, subject))

    def notification(self, notification: UUID) -> None:
        self._hear(notification)

    def _hear(self, what: object) -> bool:
        self.heard.append(what)
        if self.fails:
            raise RuntimeError("a bug of ours")
        return True


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def valkey(server: ValkeyServer) -> ValkeyServer:
    server.flush()
    return server


@contextmanager
def working(broker: RedisBroker, desk: Deaf) -> Iterator[None]:
    """A worker's threads on that broker."""
    declare(broker, desk)
    worker = dramatiq.Worker(broker, queues=set(QUEUES), worker_threads=2, worker_timeout=50)
    worker.start()
    try:
        yield
    finally:
        worker.stop()
        broker.close()


def wake_on(url: str) -> Wake:
    return Wake(make_broker(url), make_client(url))


def every_kind(wake: Wake) -> None:
    """Announce one of everything there is to announce."""
    wake.events([1, 2])
    wake.flows([(uuid4(), flow.name, str(state)) for flow in FLOWS.values() for state in flow.open])
    wake.ticks([("invariants", SLOT)])
    wake.looks([("due", "due_transfer", "acct_1/tf_1")])
    wake.notifications([uuid4()])


def messages(url: str) -> list[dict[str, Any]]:
    """Every message that lies in Redis, in any queue, delayed and dead ones too."""
    with redis.Redis.from_url(url) as client:
        found = [client.hvals(key) for key in client.keys(f"{NAMESPACE}:*.msgs")]
    return [dict(dramatiq.Message.decode(one).asdict()) for some in found for one in some]


class TestTheBroker:
    def test_has_no_retries_delays_or_results_of_its_own(self, valkey: ValkeyServer) -> None:
        """Rows 1, 7, 11, 12, 25: what does not run cannot lose, double or bury a message."""
        kinds = {type(one) for one in make_broker(valkey.url).middleware}
        assert kinds == {ShutdownNotifications, Callbacks, TimeLimit}

    def test_looks_for_the_messages_of_the_dead_often(self, valkey: ValkeyServer) -> None:
        """Row 3: ten times as often as by default, for the queues are short."""
        assert make_broker(valkey.url).maintenance_chance == MAINTENANCE_CHANCE == 10_000

    def test_is_of_a_release_without_the_leak(self) -> None:
        """Row 27."""
        assert tuple(int(part) for part in version("dramatiq").split(".")[:3]) >= (2, 2, 1)


class TestAMessage:
    def test_holds_ids_and_is_never_delayed(self, valkey: ValkeyServer) -> None:
        """Rows 2, 6, 18, 28: nothing is ever in a delay queue, and nothing in Redis is worth reading."""
        every_kind(wake_on(valkey.url))

        found = messages(valkey.url)

        asked = {step.provider for flow in FLOWS.values() for step in flow.steps()}
        used = {*QUEUES} - {queue for provider, queue in FUNDING_OF.items() if provider not in asked}
        assert {one["queue_name"] for one in found} == used
        assert [one for one in found if "eta" in one["options"]] == []
        steps = [one for one in found if one["queue_name"].startswith(FUNDING) and one["actor_name"] != "look"]
        said = {str(argument) for one in steps for argument in one["args"]}
        assert all(UUID(argument) for argument in said)
        assert max(len(str(one["args"])) for one in found) < 100

    def test_whose_work_fails_is_taken_once_and_gone(self, valkey: ValkeyServer) -> None:
        """Row 1: its row is still due, so Redis has nothing to keep."""
        desk, broker = Deaf(fails=True), make_broker(valkey.url)
        every_kind(wake_on(valkey.url))
        sent = len(messages(valkey.url))

        with working(broker, desk):
            eventually(lambda: len(desk.heard) >= sent and not messages(valkey.url))

        assert len(desk.heard) == sent

    def test_of_an_unknown_name_is_dropped_and_the_next_is_heard(self, valkey: ValkeyServer) -> None:
        """Row 10: as after a deploy was taken back. The flow is announced again under the name of its state's step."""
        desk, broker = Deaf(), make_broker(valkey.url)
        flow = uuid4()
        broker.enqueue(dramatiq.Message(FUNDING, "due_deposit.of_another_release", (str(flow),), {}, {}))
        wake_on(valkey.url).flows([(flow, "due_deposit", "received")])

        with working(broker, desk):
            eventually(lambda: desk.heard)

        assert desk.heard == [("take_up", flow)]

    def test_for_a_flow_that_is_not_there_does_nothing(self, engine: Engine) -> None:
        """Row 8: as when a message outlives a transaction that was rolled back."""
        begin = unit_of_work(engine)
        with begin() as connection:
            session = add_session(connection)
            assert claim(connection, uuid4(), session) is None

    def test_that_comes_twice_leads_to_one_claim(self, engine: Engine) -> None:
        """Rows 4, 5, 6, 7: eight copies at the same moment, of one step of one flow."""
        begin = unit_of_work(engine)
        with begin() as connection:
            flow, session = add_flow(connection, due_at=SLOT), add_session(connection)
        ready = threading.Barrier(8)

        def take(_: int) -> bool:
            ready.wait()
            with begin() as connection:
                return claim(connection, flow, session) is not None

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(take, range(8))) == 1
        with begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM attempts")).scalar() == 1


class TestALostMessage:
    @pytest.mark.parametrize("lost", ["emptied", "restarted"])
    def test_is_sent_again_for_its_row_is_still_due(self, engine: Engine, valkey: ValkeyServer, lost: str) -> None:
        """Rows 13, 17, 21, 26: whatever holds a message, or has lost it, another is sent 15 seconds later."""
        time = MovedTime(engine)
        with time() as connection:
            add_flow(connection, due_at=time.now)
            add_event(connection, "evt_1")
        dispatcher = Dispatcher(time, wake_on(valkey.url))
        assert dispatcher.run().total() == 2

        if lost == "emptied":
            valkey.flush()
        else:
            valkey.restart()
        assert messages(valkey.url) == []
        time.passes(seconds=16)

        fresh = Dispatcher(time, wake_on(valkey.url))
        assert fresh.run().total() == 2
        assert len(messages(valkey.url)) == 2

    def test_costs_nothing_when_redis_is_away_as_it_is_sent(self, engine: Engine) -> None:
        """Row 8: the commit stands, the announcement fails in silence, the row keeps no stamp and is found again."""
        nobody = wake_on("redis://127.0.0.1:1/0")
        time = MovedTime(engine)
        with time() as connection:
            flow = add_flow(connection, due_at=time.now)

        nobody.flows([(flow, "due_deposit", "received")])

        assert nobody.failures == 1
        assert Dispatcher(time, nobody).run().total() == 0
        with time() as connection:
            assert due_work.flows(connection, limit=10) == [(flow, "due_deposit", "received")]


class TestARedisThatAnswersButTakesNothing:
    """Rows 21 and 22: full, or made a replica by a failover. Workers then ask Postgres, as without any Redis."""

    @pytest.fixture
    def full(self, valkey: ValkeyServer) -> Iterator[ValkeyServer]:
        with redis.Redis.from_url(valkey.url) as client:
            client.config_set("maxmemory", "1")
            yield valkey
            client.config_set("maxmemory", "0")

    @pytest.fixture
    def replica(self, valkey: ValkeyServer) -> Iterator[ValkeyServer]:
        with redis.Redis.from_url(valkey.url) as client:
            client.execute_command("REPLICAOF", "127.0.0.1", "1")
            yield valkey
            client.execute_command("REPLICAOF", "NO", "ONE")

    @pytest.mark.parametrize("state", ["full", "replica"])
    def test_is_noticed_and_raises_nothing(self, request: pytest.FixtureRequest, state: str) -> None:
        url = request.getfixturevalue(state).url
        wake = wake_on(url)

        wake.notifications([uuid4()])

        assert wake.failures == 1
        with make_client(url) as client:
            assert client.ping()
            assert not takes_messages(client)

    def test_is_heard_again_when_it_takes_messages(self, valkey: ValkeyServer) -> None:
        with make_client(valkey.url) as client:
            assert takes_messages(client)


def test_no_letter_and_no_intention_is_ever_cleared() -> None:
    """Row 9: Dramatiq forgets its dead letters after seven days; ours are rows, and stay."""
    cleared = " ".join(str(statement) for statement in retention.STATEMENTS.values())
    kept = ("dead_letters", "intentions", "flows", "attempts", "transitions", "journal_entries", "postings")
    assert [table for table in kept if f" {table} " in cleared] == []


def claim(connection: Any, flow: UUID, session: UUID) -> claims.Claim | None:
    """Claim it for its first step."""
    step = next(step for step in FLOWS["due_deposit"].steps() if step.actor_name == FOLLOW)
    return claims.claim(
        connection, flow, step, attempt=uuid4(), session=session, hard_limit=timedelta(seconds=30), quick=True
    )
