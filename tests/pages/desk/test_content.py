"""What each page says of a real day: as much as the command line, no more, and in words."""

import json
import re
from datetime import datetime
from html import unescape

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from db.page_reading import LIMIT, page_reading
from tests.pages.desk.looked_into import LookedInto
from tests.support.desk_scene import HOSTILE_CUSTOMER, HOSTILE_EVENT, SCRIPT, Scene
from tests.support.visitor import Visitor

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


CLOCK = r"(\d\d:\d\d:\d\d|(\d\d \w{3}|\d{4}-\d\d-\d\d) \d\d:\d\d)"
"""A moment as a page says it: the time alone today, else with its day, and with its year when that is another."""


def words(page: str) -> str:
    """What a person reads of a page, in one line."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page)))


@pytest.fixture
def value(engine: Engine, scene: Scene) -> "Value":
    return Value(engine)


class Value:
    """Asks the database itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, query: str, **values: object) -> str:
        with self._engine.connect() as connection:
            return str(connection.execute(text(query), values).scalar_one())


class TestOverview:
    def test_says_what_moves_what_is_parked_and_what_needs_a_person(self, ana: Visitor, scene: Scene) -> None:
        said = words(ana.get("/").text)

        assert "Moving 1 oldest opened" in said
        assert "Parked 2 waiting for a person" in said
        assert "Dead letters 3 of 3 causes" in said
        assert "Open breaks 1 250.000000 USDC at risk" in said
        assert "2 flows are parked and wait for a person." in said
        assert "1 event is quarantined" in said
        assert "unknown virtual account" in said
        assert "Money arrived on Due's virtual account" in said

    def test_says_how_the_providers_fare(self, ana: Visitor, scene: Scene) -> None:
        said = words(ana.get("/").text)

        assert re.search(rf"Due open for calls refused {CLOCK}", said), "it has no credentials here: no new flows"
        assert re.search(r"Alpaca open for calls refused .* \d+\.\d % \d of \d+", said)


class TestStory:
    def test_of_a_funded_deposit_is_whole(self, ana: Visitor, scene: Scene, value: Value) -> None:
        page = ana.get(f"/flows/{scene.funded}")
        said = words(page.text)

        assert "250.000000 USDC" in said
        assert "249.25 USD finished" in said
        for state in ("received", "off ramp initiated", "off ramp completed", "broker funding initiated"):
            assert re.search(rf"{state} {CLOCK} reached", said)
        for query in (
            "SELECT external_id FROM flow_references WHERE flow_id = :flow AND provider = 'alpaca'",
            "SELECT external_id FROM flow_references WHERE flow_id = :flow AND provider = 'due'",
            "SELECT event_id FROM inbox_events WHERE flow_id = :flow ORDER BY id LIMIT 1",
            "SELECT id FROM attempts WHERE flow_id = :flow AND step = 'fund_brokerage'",
            "SELECT key FROM intentions WHERE flow_id = :flow",
            "SELECT id FROM notifications WHERE flow_id = :flow LIMIT 1",
        ):
            assert value(query, flow=scene.funded) in said, query
        assert "Your backend told: deposit.funded" in said
        assert "brokerage cus_ana posted" in said
        assert "It is finished; a look for late changes follows." in said

    def test_counts_every_posting(self, ana: Visitor, scene: Scene, value: Value) -> None:
        page = ana.get(f"/flows/{scene.funded}").text
        postings = int(
            value(
                "SELECT count(*) FROM postings p JOIN journal_entries e ON e.id = p.entry_id WHERE e.flow_id = :flow",
                flow=scene.funded,
            )
        )

        ledger = page[page.index('id="ledger-title"') :]
        assert ledger.count('data-title="Account"') == postings > 10

    def test_of_a_moving_deposit_says_when_it_is_looked_at_next(self, ana: Visitor, scene: Scene, value: Value) -> None:
        said = words(ana.get(f"/flows/{scene.moving}").text)
        due = datetime.fromisoformat(
            value("SELECT due_at AT TIME ZONE 'UTC' FROM flows WHERE id = :id", id=scene.moving)
        )

        today_or_later = (f"{due:%H:%M:%S}", f"{due:%d %b %H:%M}", f"{due:%Y-%m-%d %H:%M}")
        assert any(
            f"What happens next The next look, or sooner on an event: {at} UTC, in" in said for at in today_or_later
        )
        assert "Follow transfer: Read the transfer from Due itself" in said
        assert re.search(r"Last time: Due says \w+\.", said)

    def test_of_a_refused_one_says_why_and_what_to_type(self, ana: Visitor, scene: Scene, value: Value) -> None:
        said = words(ana.get(f"/flows/{scene.refused}").text)
        letter = value("SELECT id FROM dead_letters WHERE flow_id = :id", id=scene.refused)

        assert "Nothing, until a person acts." in said
        assert "restricted by compliance" in said
        assert f"rampkeeper dead-letters replay {letter}" in said

    def test_of_one_without_owner_shows_its_break(self, ana: Visitor, scene: Scene) -> None:
        said = words(ana.get(f"/flows/{scene.ownerless}").text)

        assert "Customer unknown" in said
        assert "Break found: unmatched event" in said
        assert "find the owner and add the link" in said

    def test_of_nothing_is_a_page_that_says_so(self, ana: Visitor, scene: Scene) -> None:
        for path in (f"/flows/{scene.funded}0", f"/flows/{'0' * 8}-0000-4000-8000-{'0' * 12}", "/events/999", "/x"):
            answer = ana.get(path)
            assert answer.status_code == 404
            assert "There is nothing here" in answer.text


class TestLists:
    @pytest.mark.parametrize(
        ("path", "shown", "hidden"),
        [
            ("/flows", ["moving"], ["funded", "refused", "returned", "ownerless"]),
            ("/flows?view=parked", ["refused", "ownerless"], ["moving", "funded", "returned"]),
            ("/flows?view=finished", ["funded", "returned"], ["moving", "refused", "ownerless"]),
            ("/flows?view=finished&state=returned", ["returned"], ["funded"]),
            ("/flows?view=all", ["moving", "funded", "returned", "refused", "ownerless"], []),
            ("/flows?view=all&customer=cus_ana", ["funded", "returned"], ["moving", "refused"]),
            ("/flows?view=all&provider=none", [], ["moving", "funded"]),
            ("/dead-letters", ["refused", "ownerless"], ["funded"]),
            ("/breaks", ["ownerless"], ["refused"]),
            ("/breaks?provider=alpaca", [], ["ownerless"]),
            ("/breaks?view=closed", [], ["ownerless"]),
        ],
    )
    def test_show_what_belongs_there(
        self, ana: Visitor, scene: Scene, path: str, shown: list[str], hidden: list[str]
    ) -> None:
        page = ana.get(path).text

        for name in shown:
            assert f"/ops/flows/{getattr(scene, name)}" in page, name
        for name in hidden:
            assert f"/ops/flows/{getattr(scene, name)}" not in page, name

    @pytest.mark.parametrize(
        "path",
        ["/flows?view=nothing", "/flows?after=x", "/flows?after=2026-01-01~x", "/flows?after=2026-01-01T00:00:00~"],
    )
    def test_refuse_what_makes_no_sense(self, ana: Visitor, scene: Scene, path: str) -> None:
        assert ana.get(path).status_code in {400, 404}

    def test_each_thing_has_a_page(self, ana: Visitor, scene: Scene, value: Value) -> None:
        letter = value("SELECT id FROM dead_letters WHERE event_id = :event", event=scene.quarantined)
        found = value("SELECT id FROM breaks WHERE flow_id = :flow", flow=scene.ownerless)

        assert f"rampkeeper dead-letters replay {letter}" in words(ana.get(f"/dead-letters/{letter}").text)
        assert "Unmatched event at Due open" in words(ana.get(f"/breaks/{found}").text)
        assert "quarantined" in words(ana.get(f"/events/{scene.quarantined}").text)


class TestSearch:
    def test_goes_straight_to_the_one_thing_that_bears_the_id(self, ana: Visitor, scene: Scene, value: Value) -> None:
        flow = f"/ops/flows/{scene.funded}"
        for said in (
            str(scene.funded),
            str(scene.funded)[:13],
            scene.transfer,
            value("SELECT external_id FROM flow_references WHERE flow_id = :f AND provider = 'alpaca'", f=scene.funded),
            value("SELECT id FROM attempts WHERE flow_id = :f LIMIT 1", f=scene.funded),
            value("SELECT key FROM intentions WHERE flow_id = :f", f=scene.funded),
            "msg_" + value("SELECT id FROM notifications WHERE flow_id = :f LIMIT 1", f=scene.funded).replace("-", ""),  # noqa: S608 - no query is made of it
        ):
            assert ana.get("/search", query_string={"q": f" {said} "}).headers.get("Location") == flow, said

    def test_finds_events_letters_breaks_and_customers(self, ana: Visitor, scene: Scene, value: Value) -> None:
        letter = value("SELECT id FROM dead_letters WHERE flow_id = :flow", flow=scene.refused)
        found = value("SELECT id FROM breaks WHERE flow_id = :flow", flow=scene.ownerless)
        account = value("SELECT external_id FROM customer_links WHERE customer_id = 'cus_ana' AND provider = 'alpaca'")

        def leads(said: str) -> str | None:
            return ana.get("/search", query_string={"q": said}).headers.get("Location")

        assert leads(HOSTILE_EVENT) == f"/ops/events/{scene.quarantined}"
        assert leads(str(scene.quarantined)) == f"/ops/events/{scene.quarantined}"
        assert leads(letter) == f"/ops/dead-letters/{letter}"
        assert leads(found) == f"/ops/breaks/{found}"
        assert leads("cus_ana") == leads(account) == "/ops/flows?view=all&customer=cus_ana"

    @pytest.mark.parametrize("said", ["nothing of the sort", SCRIPT, "' OR 1=1 --", "\0", "9" * 40, "%", "é" * 300])
    def test_of_anything_else_says_so(self, ana: Visitor, scene: Scene, said: str) -> None:
        answer = ana.get("/search", query_string={"q": said})

        assert answer.status_code == 200
        assert SCRIPT not in answer.text


class TestEveryPage:
    @pytest.fixture
    def pages(self, ana: Visitor, scene: Scene, looked_into: LookedInto, value: Value) -> dict[str, str]:
        """Every page that shows hostile values, by path."""
        flow = value("SELECT id FROM flows WHERE customer_id = :customer LIMIT 1", customer=HOSTILE_CUSTOMER)
        letter = value("SELECT id FROM dead_letters WHERE event_id = :event", event=scene.quarantined)
        paths = ("/", "/flows", "/flows?view=all", f"/flows/{flow}", "/dead-letters", f"/dead-letters/{letter}",
                 f"/events/{scene.quarantined}", "/breaks", f"/search?q={HOSTILE_EVENT}", "/events", "/providers",
                 "/reconciliation", f"/reconciliation/{looked_into.finished}",
                 f"/reconciliation/{looked_into.failed}", "/audit", f"/audit?who={HOSTILE_CUSTOMER}",
                 f"/audit?subject={SCRIPT}", f"/events?type={SCRIPT}")  # fmt: skip
        return {path: ana.get(path, follow_redirects=True).text for path in paths}

    def test_escapes_whatever_the_outside_chose(self, pages: dict[str, str]) -> None:
        for path, page in pages.items():
            for hostile in (SCRIPT, HOSTILE_CUSTOMER, HOSTILE_EVENT, "<img", "<svg onload", "\u202e", " 49<"):
                assert hostile not in page.replace('<img src="/ops/static', ""), (path, hostile)
            unquoted = re.sub(r'="[^"]*"', "=", page)  # a hostile address stands in quotes, in the link to reload
            assert not re.search(r"<[^>]+\s(on\w+|style)=", unquoted), path
            assert not re.search(r"<script(?! src=\"/ops/static/)", page), path
        assert any("&lt;script&gt;" in page for page in pages.values())

    def test_sends_every_header(self, ana: Visitor, scene: Scene) -> None:
        for path in ("/", f"/flows/{scene.funded}", "/nothing", "/sign-in"):
            headers = ana.get(path).headers
            assert {name: headers.get(name) for name in HEADERS} == HEADERS, path

    def test_shows_no_event_s_body(self, ana: Visitor, scene: Scene, value: Value) -> None:
        event = value("SELECT min(id) FROM inbox_events WHERE source = 'webhook'")
        body = json.loads(value("SELECT convert_from(body, 'UTF8') FROM inbox_events WHERE id = :id", id=event))
        page = unescape(ana.get(f"/events/{event}").text)

        assert "kept; never shown here" in page
        assert body["data"]["id"] not in page

    def test_is_read_in_a_transaction_that_can_only_read_and_ends_soon(self, engine: Engine) -> None:
        with page_reading(engine) as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar_one() == LIMIT
            with pytest.raises(DBAPIError, match="read-only transaction"):
                connection.execute(text("DELETE FROM flows"))
