"""Reports: the same figures as text, JSON, CSV and a page of its own."""

import csv
import io
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.support.command_line import CommandLine
from tests.support.desk_rows import add_deposit, add_ownerless, add_parked, post_funded


@pytest.fixture
def rampkeeper(database_url: str) -> CommandLine:
    return CommandLine(database_url)


class Page(HTMLParser):
    """What a page fetches, and the words on it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "link", "img", "iframe"}:
            self.fetched.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def waiting(engine: Engine) -> Engine:
    with engine.begin() as connection:
        add_parked(connection, customer="=SUM(A1)")
        add_parked(connection, customer="<b>bo</b>")
        add_ownerless(connection)
    return engine


class TestDeadLetters:
    def test_tells_how_many_wait_and_what_is_at_risk(self, waiting: Engine, rampkeeper: CommandLine) -> None:
        told = rampkeeper("report", "dead-letters").stdout

        assert "waiting    3" in told
        assert "at risk    747.75 USD" in told
        assert "unknown_virtual_account" in told

    def test_is_one_document_with_the_same_figures(self, waiting: Engine, rampkeeper: CommandLine) -> None:
        document = rampkeeper.json("report", "dead-letters")

        assert document["facts"]["waiting"] == "3"
        assert [group["letters"] for group in document["groups"]] == [2, 1]
        assert len(document["waiting"]) == 3
        assert document["days"][0]["opened"] == 3

    def test_is_a_page_that_fetches_nothing_and_obeys_nobody(self, waiting: Engine, rampkeeper: CommandLine) -> None:
        """A customer's id, or what a provider said, must not become markup."""
        page = rampkeeper("report", "dead-letters", "--format", "html").stdout

        read = Page(page)
        assert read.fetched == []
        assert "<b>bo</b>" in read.words
        assert "http" not in page.replace("http-equiv", "")
        assert "<svg" in page

    def test_holds_no_formula_for_a_spreadsheet(self, waiting: Engine, rampkeeper: CommandLine) -> None:
        rows = list(csv.reader(io.StringIO(rampkeeper("report", "dead-letters", "--format", "csv").stdout)))

        letters = [row for row in rows if row[0] == "waiting"]
        assert "'=SUM(A1)" in [row[4] for row in letters]
        assert not any(cell.startswith("=") for row in rows for cell in row)

    def test_goes_into_a_file(self, waiting: Engine, rampkeeper: CommandLine, tmp_path: Path) -> None:
        file = tmp_path / "report.html"

        result = rampkeeper("report", "dead-letters", "--format", "html", "--output", str(file))

        assert result.stdout == ""
        assert file.read_text().startswith("<!doctype html>")


class TestReconciliation:
    def test_groups_open_breaks_with_what_is_at_risk(self, waiting: Engine, rampkeeper: CommandLine) -> None:
        document = rampkeeper.json("report", "reconciliation")

        (group,) = document["types"]
        assert (group["provider"], group["type"], group["amount"]) == ("due", "unmatched_event", 250_000_000)
        assert document["facts"]["without_an_owner"] == "1"

    def test_says_that_nothing_is_open(self, rampkeeper: CommandLine) -> None:
        assert "none is open" in rampkeeper("report", "reconciliation").stdout


class TestDaily:
    def test_counts_the_day_and_only_the_day(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            flow = add_deposit(connection, state="broker_funded", status="resting")
            post_funded(connection, flow, "cus_1")
            connection.execute(text("UPDATE flows SET created_at = '2026-03-01T23:59:59Z', closed_at = '2026-03-02'"))
            add_deposit(connection, customer="other")

        then = rampkeeper.json("report", "daily", "--date", "2026-03-01")
        today = rampkeeper.json("report", "daily")

        assert then["title"] == "Day report 2026-03-01"
        assert (then["facts"]["opened"], then["facts"]["went_on"]) == ("1", "249.25 USD")
        assert then["flows"][0]["median_time"] == 1.0
        assert then["facts"]["ledger"] == "balances"
        assert today["facts"]["opened"] == "1"
