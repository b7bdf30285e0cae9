"""What the pages say of comparisons with providers, and of what people did."""

import re
from urllib.parse import quote
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from db import page_audit
from tests.pages.desk.looked_into import LINES, LookedInto
from tests.pages.desk.test_content import words
from tests.pages.desk.test_outside import walked
from tests.support.desk_scene import HOSTILE_CUSTOMER, SCRIPT, Scene
from tests.support.visitor import Visitor

NOTHING = UUID(int=0)


class TestReconciliation:
    def test_lists_runs_the_newest_first(self, ana: Visitor, looked_into: LookedInto) -> None:
        page = ana.get("/reconciliation").text

        assert re.findall(r'id="run-([^"]+)"', page) == [str(looked_into.finished), str(looked_into.failed)]
        assert f"/ops/reconciliation/{looked_into.finished}" in page
        assert re.search(rf"finished Due its listing .*? {LINES} 3 2 ", words(page))

    @pytest.mark.parametrize(
        ("query", "shown"),
        [("provider=due", "finished"), ("provider=alpaca", "failed"), ("status=failed", "failed"), ("status=x", "")],
    )
    def test_goes_through_a_filter(self, ana: Visitor, looked_into: LookedInto, query: str, shown: str) -> None:
        page = ana.get(f"/reconciliation?{query}").text

        ids = [str(getattr(looked_into, shown))] if shown else []
        assert re.findall(r'id="run-([^"]+)"', page) == ids
        assert ids or "None fits." in words(page)

    def test_of_one_run_shows_counts_and_findings_with_their_breaks(
        self, ana: Visitor, looked_into: LookedInto
    ) -> None:
        page = ana.get(f"/reconciliation/{looked_into.finished}").text
        said = words(page)

        assert "Comparison with Due finished" in said
        assert "Their records 5 Our records 4 Breaks opened 3 Reopened 1 Closed 2" in said
        assert f"Found: unmatched event {LINES}" in said
        assert f"/ops/breaks/{looked_into.found}" in page
        assert "250.000000 USDC" in said

    def test_shows_every_finding_once_in_the_order_of_the_report(self, ana: Visitor, looked_into: LookedInto) -> None:
        pages = walked(ana, f"/reconciliation/{looked_into.finished}")

        assert re.findall(r'id="finding-(\d+)"', pages) == [str(number) for number in range(1, LINES + 1)]

    def test_of_a_failed_run_says_so(self, ana: Visitor, looked_into: LookedInto) -> None:
        said = words(ana.get(f"/reconciliation/{looked_into.failed}").text)

        assert "It did not come to its end" in said
        assert SCRIPT in said, "why"

    @pytest.mark.parametrize("path", [f"/reconciliation/{NOTHING}", "/reconciliation/x", "/reconciliation?after=x"])
    def test_refuses_what_makes_no_sense(self, ana: Visitor, path: str) -> None:
        assert ana.get(path).status_code in {400, 404}

    @pytest.mark.parametrize("after", ["x", "-1", "9" * 19])
    def test_refuses_places_that_no_finding_has(self, ana: Visitor, looked_into: LookedInto, after: str) -> None:
        assert ana.get(f"/reconciliation/{looked_into.finished}?after={after}").status_code == 400


class TestAudit:
    def test_shows_every_line_once_the_newest_first(self, ana: Visitor, engine: Engine, scene: Scene) -> None:
        with engine.connect() as connection:
            known = connection.execute(text("SELECT id FROM audit_log ORDER BY id DESC")).scalars().all()

        assert [int(line) for line in re.findall(r'id="line-(\d+)"', walked(ana, "/audit"))] == known
        assert len(known) > LINES

    @pytest.mark.parametrize(
        ("query", "lines"),
        [
            ({"who": "bo"}, LINES),
            ({"who": HOSTILE_CUSTOMER}, 1),
            ({"subject": SCRIPT}, 1),
            ({"action": "break.note"}, 1),
            ({"who": "bo", "subject": SCRIPT}, 0),
        ],
    )
    def test_goes_through_filters(self, ana: Visitor, scene: Scene, query: dict[str, str], lines: int) -> None:
        page = ana.get("/audit", query_string=query).text

        assert len(re.findall(r'id="line-\d+"', page)) == min(lines, 50)
        assert lines or "None fits." in words(page)

    def test_looks_through_the_whole_log_a_window_at_a_time(
        self, ana: Visitor, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(page_audit, "WINDOW", 20)

        pages = walked(ana, f"/audit?who={quote(HOSTILE_CUSTOMER)}")
        assert len(re.findall(r'id="line-\d+"', pages)) == 1
        assert "None among those looked at; there are more behind them." in words(pages)
        assert pages.count("<h1>") > LINES // 20

    def test_says_how_to_prove_that_it_is_whole(self, ana: Visitor, scene: Scene) -> None:
        said = words(ana.get("/audit").text)

        assert "rampkeeper audit verify walks the whole chain" in said

    def test_leads_to_what_was_acted_on(self, ana: Visitor, scene: Scene) -> None:
        page = ana.get(f"/audit?subject={scene.moving}").text
        found = re.search(r'href="/ops(/search\?q=[^"]+)"', page)

        assert found
        assert ana.get(found[1]).headers["Location"] == f"/ops/flows/{scene.moving}"

    @pytest.mark.parametrize("after", ["x", "2026-01-01T00:00:00Z~x", "2026-01-01~1"])
    def test_refuses_what_makes_no_sense(self, ana: Visitor, after: str) -> None:
        assert ana.get(f"/audit?after={after}").status_code == 400
