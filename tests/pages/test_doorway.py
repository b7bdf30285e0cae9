"""Signing in and out: who passes, how long, and what a stranger learns."""

import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from db.engine import make_engine
from settings import SettingsError, load
from tests.support.visitor import HASH, NAME, PASSWORD, USERS, Visitor, visiting
from web.pages import sessions
from web.pages.doorway import TRIES, TRIES_IN_ALL

PAGES = ("/", "/flows", "/dead-letters", "/breaks", "/search?q=x", "/events/1", "/nothing")


@pytest.fixture
def engine() -> Engine:
    """No database is asked who may come in."""
    return make_engine("postgresql://127.0.0.1:1/nowhere")


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of sessions: a list of one number, to be moved."""
    now = [1_800_000_000.0]
    monkeypatch.setattr("web.pages.sessions.time", SimpleNamespace(time=lambda: now[0]))
    return now


def is_in(visitor: Visitor, **more: Any) -> bool:
    """Whether a page that is not there is told as such, and not as a reason to sign in."""
    return visitor.get("/nothing", **more).status_code == 404


class TestClosed:
    def test_without_users_every_page_says_how_to_open_them(self, engine: Engine) -> None:
        with visiting(engine, OPS_USERS="") as visitor:
            for path in ("", "/", "/flows", "/sign-in"):
                answer = visitor.get(path)
                assert answer.status_code == 503
                assert "nobody can sign in" in answer.text
                assert "rampkeeper password-hash" in answer.text

    @pytest.mark.parametrize(
        ("users", "reason"),
        [
            (f"ana:boss:{HASH}", "a role must be one of viewer, operator, approver"),
            ("ana:viewer:hunter2hunter2", "a hash is not of the form scrypt"),
            (f"ana:viewer:{HASH},ana:viewer:{HASH}", "two entries have the same name"),
        ],
    )
    def test_a_user_nobody_could_be_stops_the_start(self, users: str, reason: str) -> None:
        with pytest.raises(SettingsError) as caught:
            load({"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x", "OPS_USERS": users})

        told = str(caught.value)
        assert f"OPS_USERS: {reason}" in told
        assert "for example OPS_USERS=" in told
        assert HASH not in told
        assert "hunter2" not in told


class TestSigningIn:
    def test_leads_back_to_the_page_that_was_asked_for(self, stranger: Visitor) -> None:
        asked = stranger.get("/flows?view=parked")
        assert (asked.status_code, asked.headers["Location"]) == (303, "/ops/sign-in?next=/flows?view%3Dparked")

        answer = stranger.try_in(path="/sign-in?next=/flows?view%3Dparked")

        assert (answer.status_code, answer.headers["Location"]) == (303, "/ops/flows?view=parked")
        assert is_in(stranger)

    @pytest.mark.parametrize("elsewhere", ["//evil.test", "https://evil.test", "/\\evil.test", "/%0d%0aX:1", "evil"])
    def test_leads_nowhere_else(self, stranger: Visitor, elsewhere: str) -> None:
        assert stranger.try_in(path=f"/sign-in?next={elsewhere}").headers["Location"] == "/ops/"

    @pytest.mark.parametrize("path", PAGES)
    def test_a_stranger_sees_no_page_nor_whether_it_exists(self, stranger: Visitor, path: str) -> None:
        assert stranger.get(path).status_code == 303
        assert stranger.get(path, headers={"X-Live": "1"}).status_code == 401

    def test_the_cookie_is_for_these_pages_alone(self, stranger: Visitor) -> None:
        plain = stranger.try_in().headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Lax", "Path=/ops"} <= set(plain.split("; "))
        assert "Secure" not in plain

    def test_behind_https_the_cookie_never_travels_without(self, stranger: Visitor) -> None:
        behind_proxy = stranger.try_in(headers={"X-Forwarded-Proto": "https"})

        assert "Secure" in behind_proxy.headers["Set-Cookie"].split("; ")
        assert "max-age" in behind_proxy.headers["Strict-Transport-Security"]

    def test_an_unknown_name_reads_like_a_wrong_password(self, stranger: Visitor) -> None:
        wrong, unknown = stranger.try_in(NAME, "another password"), stranger.try_in("nobody", PASSWORD)

        assert wrong.status_code == unknown.status_code == 401
        assert "do not fit together" in wrong.text

        def said(page: str) -> str:
            return re.sub(r'value="[^"]*"', "", page)

        assert said(wrong.text) == said(unknown.text)
        assert "another password" not in wrong.text

    def test_an_unknown_name_costs_as_much_as_a_wrong_password(
        self, stranger: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared: list[str] = []
        monkeypatch.setattr("web.pages.doorway.password_matches", lambda _, kept: compared.append(kept))
        stranger.try_in("nobody", PASSWORD)

        assert [kept.split(".")[:4] for kept in compared] == [HASH.split(".")[:4]], "a hash that nobody has, as dear"

    def test_a_form_without_our_token_is_not_looked_at(self, stranger: Visitor) -> None:
        for token in ({}, {"csrf_token": "x"}, {"csrf_token": stranger.token()[:-1]}):
            answer = stranger.post("/sign-in", {**token, "name": NAME, "password": PASSWORD})
            assert answer.status_code == 400
        assert not is_in(stranger)

    def test_a_token_of_another_visitor_does_not_fit(self, engine: Engine, stranger: Visitor) -> None:
        with visiting(engine) as other:
            theirs = other.token()
        stranger.token()

        answer = stranger.post("/sign-in", {"csrf_token": theirs, "name": NAME, "password": PASSWORD})

        assert answer.status_code == 400

    @pytest.mark.parametrize(
        ("body", "status"),
        [(b"x" * 20_000, 413), (b"x" * 300_000, 413), (b"\xff\xfe", 400), (b"&".join([b"a=1"] * 50), 400)],
    )
    def test_a_form_that_is_none_is_refused(self, stranger: Visitor, body: bytes, status: int) -> None:
        answer = stranger.client.post(
            "/ops/sign-in", data=body, content_type="application/x-www-form-urlencoded", headers={}
        )
        assert answer.status_code == status


class TestGuessing:
    @pytest.fixture(autouse=True)
    def _cheap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Tries are counted here, not hashed."""
        monkeypatch.setattr("web.pages.doorway.password_matches", lambda said, _: said == PASSWORD)

    def test_is_slowed_down_for_each_name(self, stranger: Visitor) -> None:
        for _ in range(TRIES.amount):
            assert stranger.try_in(password="wrong password").status_code == 401

        assert stranger.try_in().status_code == 429, "even the right one: it is the same to a guesser"
        assert stranger.try_in("nobody", "wrong password").status_code == 401, "another name is another count"

    def test_is_forgiven_to_who_knew_it_in_the_end(self, engine: Engine) -> None:
        """Somebody who signs in ten times a day never meets a limit."""
        with visiting(engine) as visitor:
            for _ in range(TRIES.amount * 2):
                visitor.sign_in()
                visitor.client.delete_cookie(sessions.COOKIE, path="/ops")

    def test_of_names_is_counted_together(self, stranger: Visitor) -> None:
        found = [stranger.try_in(f"name{number}", "wrong password").status_code for number in range(TRIES.amount + 1)]

        assert found == [401] * TRIES.amount + [429]

    def test_is_bounded_for_all_together(self) -> None:
        assert TRIES_IN_ALL.amount <= 60, "a minute; each costs a tenth of a second of a core"


class TestSessions:
    def test_end_eight_hours_after_signing_in(self, stranger: Visitor, moment: list[float]) -> None:
        stranger.sign_in()
        for _ in range(15):
            moment[0] += timedelta(minutes=30).total_seconds()
            assert is_in(stranger)
        moment[0] += timedelta(minutes=30).total_seconds()

        assert not is_in(stranger)

    def test_end_after_an_idle_hour(self, stranger: Visitor, moment: list[float]) -> None:
        stranger.sign_in()
        moment[0] += sessions.IDLE.total_seconds() + 1

        assert not is_in(stranger)

    def test_a_page_that_looks_again_by_itself_is_no_sign_of_life(self, stranger: Visitor, moment: list[float]) -> None:
        stranger.sign_in()
        for _ in range(3):
            moment[0] += sessions.IDLE.total_seconds() / 3 + 1
            last = stranger.get("/nothing", headers={"X-Live": "1"}).status_code

        assert last == 401

    def test_a_cookie_that_was_changed_is_nobodys(self, ana: Visitor) -> None:
        cookie = ana.client.get_cookie(sessions.COOKIE, path="/ops")
        assert cookie is not None
        ana.client.set_cookie(sessions.COOKIE, cookie.value[:-2] + "AA", path="/ops")

        assert not is_in(ana)

    def test_are_known_to_every_web_process_and_outlast_a_restart(self, engine: Engine, ana: Visitor) -> None:
        cookie = ana.client.get_cookie(sessions.COOKIE, path="/ops")
        assert cookie is not None
        with visiting(engine) as other:
            other.client.set_cookie(sessions.COOKIE, cookie.value, path="/ops")
            assert is_in(other)

    @pytest.mark.parametrize(
        "changed",
        [
            {"OPS_USERS": USERS.replace("viewer", "approver")},
            {"OPS_USERS": f"{USERS},bo:viewer:{HASH}"},
            {"ENCRYPTION_KEYS": "a:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="},
        ],
    )
    def test_end_when_users_or_secrets_change(self, engine: Engine, ana: Visitor, changed: dict[str, str]) -> None:
        cookie = ana.client.get_cookie(sessions.COOKIE, path="/ops")
        assert cookie is not None
        with visiting(engine, **changed) as other:
            other.client.set_cookie(sessions.COOKIE, cookie.value, path="/ops")
            assert not is_in(other)

    def test_signing_out_takes_our_token(self, ana: Visitor) -> None:
        ana.post("/sign-out", {"csrf_token": "x"})
        assert is_in(ana), "another site cannot sign her out"

        found = re.search(r'name="csrf_token" value="([^"]+)"', ana.get("/nothing").text)
        assert found
        assert ana.post("/sign-out", {"csrf_token": found[1]}).headers["Location"] == "/ops/sign-in"
        assert not is_in(ana)
