"""A worker looks in Postgres for itself exactly while nobody tells it: no Redis, or no clock that announces there."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
import redis
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from db.engine import UnitOfWork, unit_of_work
from dispatch.broker import make_broker, make_client
from dispatch.dispatcher import Dispatcher
from dispatch.wake import ANNOUNCING, Wake
from embedded.valkey import ValkeyServer
from funding.flow import Step
from tests.support.rows import add_flow
from tests.support.waiting import eventually
from workers.pull import Pull, is_told


class Desk:
    """Takes everything, and keeps what it was given."""

    def __init__(self, fails: str = "") -> None:
        self.given: list[str] = []
        self.flows: list[UUID] = []
        self._fails = fails

    def _take(self, what: str) -> bool:
        self.given.append(what)
        if what == self._fails:
            raise RuntimeError(what)
        return True

    def step(self, _step: Step, flow: UUID) -> bool:
        self.flows.append(flow)
        return self._take("step")

    def events(self, *_: object) -> None:
        self._take("events")

    def tick(self, *_: object) -> bool:
        return self._take("tick")

    def look(self, *_: object) -> bool:
        return self._take("look")

    def notification(self, *_: object) -> None:
        self._take("notification")


class TestAWorkerIsTold:
    def test_once_a_dispatcher_has_passed(self, engine: Engine, valkey_url: str) -> None:
        with make_client(valkey_url) as client:
            assert not is_told(client)
            Dispatcher(unit_of_work(engine), Wake(make_broker(valkey_url), client)).run()
            assert is_told(client)

    def test_until_the_dispatcher_has_been_silent_for_a_while(self, engine: Engine, valkey_url: str) -> None:
        """The mark goes by itself: a clock that is gone takes nothing back."""
        with make_client(valkey_url) as client:
            Dispatcher(unit_of_work(engine), Wake(make_broker(valkey_url), client)).run()
            assert 0 < client.ttl(ANNOUNCING) <= 10
            client.expire(ANNOUNCING, 0)
            assert not is_told(client)

    def test_not_when_redis_is_away(self) -> None:
        with make_client("redis://127.0.0.1:1/0") as client:
            assert not is_told(client)

    def test_not_when_redis_goes_while_it_is_asked(self, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def gone(*_: object) -> int:
            raise redis.ConnectionError

        with make_client(valkey_url) as client:
            client.set(ANNOUNCING, "1")
            assert is_told(client)
            monkeypatch.setattr(client, "exists", gone)
            assert not is_told(client)


def test_a_dispatcher_without_redis_leaves_no_mark_and_raises_nothing() -> None:
    with make_client("redis://127.0.0.1:1/0") as client:
        wake = Wake(make_broker("redis://127.0.0.1:1/0"), client)
        wake.announcing()
        wake.announcing()  # within the quiet second: not even tried
    assert wake.failures == 1


class TestPulling:
    @pytest.fixture
    def pulling(self, engine: Engine) -> Iterator[Callable[..., Pull]]:
        begun: list[Pull] = []

        def begin(desk: Desk, *, heard: Callable[[], bool], begin: UnitOfWork | None = None) -> Pull:
            pull = Pull(begin or unit_of_work(engine), desk, threads=2, heard=heard)
            begun.append(pull)
            pull.start()
            return pull

        yield begin
        for pull in begun:
            pull.stop()
            pull.join(within_s=30)

    def test_begins_when_nobody_tells_and_ends_when_somebody_does(
        self, engine: Engine, pulling: Callable[..., Pull]
    ) -> None:
        desk, told = Desk(), [False]
        asked: list[bool] = []

        def heard() -> bool:
            asked.append(told[0])
            return told[0]

        with engine.begin() as connection:
            first = add_flow(connection, due_at=datetime.now(UTC))
        pulling(desk, heard=heard)
        eventually(lambda: desk.flows == [first])
        told[0] = True
        eventually(lambda: asked.count(True) >= 1)
        with engine.begin() as connection:
            add_flow(connection, due_at=datetime.now(UTC))
        since = len(asked)
        eventually(lambda: len(asked) >= since + 2)
        assert desk.flows == [first], "what is announced is left to the messages"

    def test_goes_on_after_the_database_was_away(self, engine: Engine, pulling: Callable[..., Pull]) -> None:
        desk, away = Desk(), [True]
        good = unit_of_work(engine)

        def begin() -> object:
            if away[0]:
                raise OperationalError("", None, Exception("away"))
            return good()

        with engine.begin() as connection:
            flow = add_flow(connection, due_at=datetime.now(UTC))
        tried: list[int] = []

        def heard() -> bool:
            tried.append(1)
            return False

        pulling(desk, heard=heard, begin=begin)
        eventually(lambda: len(tried) >= 2, what="the first failure did not end it")
        away[0] = False
        eventually(lambda: desk.flows == [flow])

    def test_an_act_that_fails_holds_up_no_other(self, engine: Engine, pulling: Callable[..., Pull]) -> None:
        desk = Desk(fails="step")
        with engine.begin() as connection:
            flows = {add_flow(connection, due_at=datetime.now(UTC)) for _ in range(3)}
        pulling(desk, heard=lambda: False)
        eventually(lambda: set(desk.flows) == flows)


def test_a_redis_that_was_emptied_tells_again_with_the_next_pass(engine: Engine) -> None:
    with ValkeyServer() as valkey, make_client(valkey.url) as client:
        dispatcher = Dispatcher(unit_of_work(engine), Wake(make_broker(valkey.url), client))
        dispatcher.run()
        valkey.flush()
        assert not is_told(client)
        dispatcher.run()
        assert is_told(client)
