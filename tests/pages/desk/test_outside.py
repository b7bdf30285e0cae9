"""What the pages say of what came from outside: the events of the inbox, and the providers that sent them."""

import re

import pytest
from sqlalchemy import Engine, text

from tests.pages.desk.looked_into import FINGERPRINT
from tests.pages.desk.test_content import CLOCK, words
from tests.support.desk_scene import HOSTILE_TYPE, Scene
from tests.support.visitor import Visitor


def events(page: str) -> list[int]:
    """The numbers of the events that a list shows, in its order."""
    return [int(number) for number in re.findall(r'id="event-(\d+)"', page)]


class TestEvents:
    def test_are_all_there_the_newest_first(self, ana: Visitor, engine: Engine, scene: Scene) -> None:
        with engine.connect() as connection:
            newest_first = text("SELECT id FROM inbox_events ORDER BY received_at DESC, id DESC")
            known = list(connection.execute(newest_first).scalars())

        assert events(walked(ana, "/events")) == known

    def test_that_are_set_aside_say_why_and_lead_to_their_page(self, ana: Visitor, scene: Scene) -> None:
        page = ana.get("/events?view=set-aside").text

        assert scene.quarantined in events(page)
        assert f"/ops/events/{scene.quarantined}" in page
        assert "quarantined" in words(page)
        assert "handled" not in words(page)

    def test_that_wait_are_those_that_are_due(self, ana: Visitor, engine: Engine, scene: Scene) -> None:
        with engine.connect() as connection:
            due_first = text("SELECT id FROM inbox_events WHERE due_at IS NOT NULL ORDER BY due_at, id")
            waiting = list(connection.execute(due_first).scalars())

        assert events(ana.get("/events?view=waiting").text) == waiting

    @pytest.mark.parametrize(
        ("column", "value"), [("provider", "due"), ("source", "webhook"), ("state", "handled"), ("type", HOSTILE_TYPE)]
    )
    def test_go_through_a_filter(self, ana: Visitor, engine: Engine, scene: Scene, column: str, value: str) -> None:
        with engine.connect() as connection:
            fits = text(f"SELECT id FROM inbox_events WHERE {column} = :value")  # noqa: S608 -- of the names above
            known = set(connection.execute(fits, {"value": value}).scalars())

        assert known
        page = ana.get("/events", query_string={column: value}).text
        assert set(events(page)) <= known
        assert "Only" in words(page)
        assert events(ana.get("/events", query_string={column: "nothing"}).text) == []

    def test_of_one_flow_are_its_own(self, ana: Visitor, engine: Engine, scene: Scene) -> None:
        with engine.connect() as connection:
            its = text("SELECT id FROM inbox_events WHERE flow_id = :flow ORDER BY received_at DESC, id DESC")
            known = list(connection.execute(its, {"flow": scene.funded}).scalars())

        assert events(ana.get(f"/events?flow={scene.funded}").text) == known != []

    def test_say_so_when_there_are_none(self, ana: Visitor, scene: Scene) -> None:
        assert "None fits." in words(ana.get("/events?view=waiting&provider=nobody").text)

    @pytest.mark.parametrize(
        "path",
        [
            "/events?view=nothing",
            "/events?flow=x",
            "/events?after=x",
            "/events?after=2026-01-01T00:00:00Z~x",
            "/events?after=2026-01-01T00:00:00Z~-1",
            "/events?after=2026-01-01T00:00:00Z~99999999999999999999",
        ],
    )
    def test_refuse_what_makes_no_sense(self, ana: Visitor, path: str) -> None:
        assert ana.get(path).status_code in {400, 404}


class TestProviders:
    def test_say_who_paused_one_since_when_and_why(self, ana: Visitor, scene: Scene) -> None:
        said = words(ana.get("/providers").text)

        assert re.search(rf"Stripe paused .*? since {CLOCK}", said)
        assert "rampkeeper providers resume stripe" in said
        assert "rampkeeper providers resume due" not in said

    def test_read_a_poll_up_to_its_oldest_account(self, ana: Visitor, scene: Scene) -> None:
        said = words(ana.get("/providers").text)

        assert re.search(rf"onramp sessions 2 accounts {CLOCK} 2h( \d+\w)? ago", said)

    def test_name_keys_by_their_fingerprints(self, ana: Visitor, scene: Scene) -> None:
        said = words(ana.get("/providers").text)

        assert re.search(rf"{FINGERPRINT} {CLOCK}", said)
        assert "No key has checked a webhook of it yet." in said, "of the others"
        assert "It has not been polled yet." in said

    def test_show_breaker_last_event_and_failures(self, ana: Visitor, scene: Scene) -> None:
        said = words(ana.get("/providers").text)

        assert re.search(rf"Due open for calls takes no new flows Breaker closed .*? Last event {CLOCK}", said)
        assert re.search(r"Failed in 1 h \d+\.\d %, \d of \d+ calls", said)


def walked(ana: Visitor, path: str) -> str:
    """All pages of a list, one after another."""
    pages = [ana.get(path).text]
    while further := re.search(r'rel="next" href="/ops([^"]+)"', pages[-1]):
        pages.append(ana.get(further[1].replace("&amp;", "&")).text)
        assert len(pages) < 10, "it comes to an end"
    return "".join(pages)
