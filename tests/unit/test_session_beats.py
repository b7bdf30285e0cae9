"""A worker's session: found dead it begins anew; nothing is sent on a beat or a claim that is too old."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from db import sessions
from funding.errors import StaleClaim
from tests.support.waiting import eventually
from workers import session as module
from workers.session import FRESH_S, Session


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the database; a beat finds the row alive."""
    asked: list[str] = []
    monkeypatch.setattr(sessions, "start", lambda *_: asked.append("start"))
    monkeypatch.setattr(sessions, "end", lambda *_: asked.append("end"))
    monkeypatch.setattr(sessions, "beat", lambda *_: True)
    return asked


def begin() -> AbstractContextManager[Any]:
    return nullcontext()


@pytest.fixture
def session(time: Time, rows: list[str]) -> Session:
    session = Session(begin, monotonic=time)
    session.start()
    return session


def test_one_found_dead_is_left_for_a_new_one(
    session: Session, rows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = session.id
    monkeypatch.setattr(sessions, "beat", lambda *_: False)
    session.beat()
    assert session.id != before
    assert rows == ["start", "start"]


class TestBeforeSending:
    def test_a_fresh_claim_needs_no_proof(self, session: Session) -> None:
        session.claiming()
        session.check_before_sending(lambda: pytest.fail("the database is not asked"))

    def test_an_old_beat_sends_nothing(self, session: Session, time: Time) -> None:
        session.claiming()
        time.now += FRESH_S + 1
        with pytest.raises(StaleClaim, match="beat"):
            session.check_before_sending(lambda: True)

    def test_an_old_claim_is_proved_again_and_then_fresh(self, session: Session, time: Time) -> None:
        session.claiming()
        time.now += FRESH_S + 1
        session.beat()
        proofs = iter([True])
        for _ in range(2):
            session.check_before_sending(lambda: next(proofs))
        assert next(proofs, None) is None

    @pytest.mark.parametrize("late", [False, True], ids=["freed", "proved too slowly"])
    def test_an_old_claim_that_cannot_be_proved_sends_nothing(self, session: Session, time: Time, late: bool) -> None:  # noqa: FBT001 - a parameter of the test
        session.claiming()
        time.now += FRESH_S + 1
        session.beat()

        def keep() -> bool:
            time.now += (FRESH_S + 1) * late
            return late

        with pytest.raises(StaleClaim, match="claim is too old"):
            session.check_before_sending(keep)


def test_a_beat_that_fails_is_followed_by_the_next(
    session: Session, rows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    tried: list[int] = []

    def beat(*_: object) -> bool:
        tried.append(1)
        if len(tried) == 1:
            raise OperationalError("", {}, Exception("away"))
        return True

    monkeypatch.setattr(sessions, "beat", beat)
    session.beat_always()
    eventually(lambda: len(tried) >= 3)
    session.end()
    assert rows[-1] == "end"
