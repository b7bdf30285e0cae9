"""What pages say when something is wrong: each kind as a page, with what to do, and never at the door's cost."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, text

from db.engine import make_engine
from db.page_reading import page_reading
from tests.support.visitor import Visitor, visiting
from web.pages.crowd import Busy, Crowd

NOWHERE = "postgresql://127.0.0.1:1/nowhere"


@contextmanager
def in_place_of_reading(monkeypatch: pytest.MonkeyPatch, query: str, engine: Engine) -> Iterator[None]:
    """Every page runs this query instead of its own look."""

    @contextmanager
    def looking() -> Iterator[Connection]:
        with page_reading(engine) as connection:
            connection.execute(text("SET LOCAL statement_timeout = '50ms'"))
            connection.execute(text(query))
            yield connection

    monkeypatch.setattr("web.pages.desk.looking", looking)
    yield


def test_without_postgres_a_page_says_so_and_tries_again() -> None:
    with visiting(make_engine(NOWHERE)) as ana:
        answer = ana.sign_in().get("/flows")

    assert answer.status_code == 503
    assert "Postgres cannot be reached" in answer.text
    assert answer.headers["Retry-After"] == "5"
    assert "live.js" in answer.text, "it comes back by itself"
    assert 'action="/ops/sign-out"' in answer.text


def test_a_query_that_takes_too_long_is_given_up(ana: Visitor, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with in_place_of_reading(monkeypatch, "SELECT pg_sleep(30)", engine):
        answer = ana.get("/")

    assert answer.status_code == 503
    assert "Postgres took too long" in answer.text


def test_a_database_of_another_version_is_named(empty_database_url: str) -> None:
    with visiting(make_engine(empty_database_url)) as ana:
        answer = ana.sign_in().get("/")

    assert answer.status_code == 503
    assert "rampkeeper migrate" in answer.text


def test_a_bug_is_told_without_a_word_of_its_own(ana: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("web.pages.desk.looking", fail)
    answer = ana.get("/")

    assert answer.status_code == 500
    assert "Something failed on our side" in answer.text
    assert "hunter2" not in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_other_methods_are_refused_and_say_which_there_are(ana: Visitor) -> None:
    answer = ana.post("/flows", {})

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_an_asset_is_there_for_ever_under_its_version_only(ana: Visitor) -> None:
    found = re.search(r"/ops(/static/(\w+)/pages.css)", ana.get("/sign-out").text)
    assert found
    asset = ana.get(found[1])
    assert (asset.status_code, asset.mimetype) == (200, "text/css")
    assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"

    for path in ("0000000000000000/pages.css", f"{found[2]}/other.css", f"{found[2]}/..%2fapplication.py"):
        assert ana.get(f"/static/{path}").status_code == 404


class TestCrowd:
    def test_only_so_many_read_at_a_time_and_only_so_many_wait(self) -> None:
        crowd = Crowd(at_once=1, in_all=2, patience_s=20)
        leave, waiting, done = threading.Event(), threading.Event(), threading.Event()

        def wait() -> None:
            waiting.set()
            with crowd.turn():
                done.set()

        with crowd.turn():
            second = threading.Thread(target=wait)
            second.start()
            assert waiting.wait(20)
            while crowd._places._value:
                leave.wait(0.01)
            with pytest.raises(Busy), crowd.turn():
                pass
            assert not done.is_set()
        second.join(20)
        assert done.is_set(), "whoever waited has their turn"
        with crowd.turn():
            pass

    def test_who_waits_too_long_is_sent_away(self) -> None:
        crowd = Crowd(at_once=1, in_all=2, patience_s=0.01)
        with crowd.turn(), pytest.raises(Busy), crowd.turn():
            pass

    def test_a_page_that_finds_it_full_says_so(self, ana: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Crowd, "turn", lambda _: (_ for _ in ()).throw(Busy))
        answer = ana.get("/")

        assert answer.status_code == 503
        assert "Webhooks come first" in answer.text
