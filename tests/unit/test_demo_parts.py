"""The demo's parts that need no system: who takes part, what is wrong, where things are drawn."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from db.demo_figures import Compared
from db.demo_story import Deposit, Moved
from ops.cli.demo import charts, report
from ops.cli.demo.cast import Cast, Fate, Person, fate_of, orders
from ops.cli.demo.charts import histogram, timeline
from ops.cli.demo.latency import Timed, percentiles
from ops.cli.demo.story import Kind, Stopped, Story
from ops.cli.demo.summary import sentence, troubles

BEGAN = datetime(2026, 11, 21, 9, tzinfo=UTC)


def person(name: str) -> Person:
    return Person(name=name, account="acct", virtual_account=f"va_{name}", brokerage_account=f"ba_{name}")


TROUBLED = Cast(ordinary=[person("a"), person("b")], refused=[person("r"), person("s")], unknown=[person("u")])
QUIET = Cast(ordinary=[person("a")], refused=[], unknown=[])


def good() -> tuple[dict[str, Any], dict[str, Any]]:
    """A summary of four deposits that went well, and what the sandbox counted."""
    effects = {"intended": 3, "made": 3, "duplicates": 0, "missing": [], "unexpected": [], "wrong_amounts": []}
    flows = {"started": 4, "completed": 3, "returned": 1, "parked": 0, "failed": 0, "unfinished": 0}
    summary = {
        "flows": {name: {"due_deposit": count} for name, count in flows.items()},
        "sent": {"funded": 2, "refused": 1, "returned": 1},
        "lost": 0,
        "recovered_by_polling": 2,
        "webhooks": {"sent": 9, "dropped": 5, "duplicated": 2, "reordered": 1},
        "processes": {"killed": 6, "restarted": 6},
        "dead_letters": {"opened": 1, "replayed": 1, "open": 0},
        "provider_effects": {name: effects[name] for name in ("intended", "made", "duplicates")},
        "ledger": {"balanced": True, "entries": 21, "clearing_differences": {}, "customer_differences": {}},
        "reconciliation": {"runs": 2, "breaks_opened": 1, "breaks_open": 0},
        "seconds": {"p50": 1.0, "p99": 9.0, "total": 20.0},
        "faults": {"reply_lost": 4},
        "troubles": [],
        "command": "bin/demo --flows 4 --seed 1",
    }
    return summary, effects


class TestCast:
    def test_has_one_of_each_sort_even_in_a_handful(self) -> None:
        assert {order.fate for order in orders(TROUBLED, 4, random.Random(1))} == set(Fate)

    def test_is_mostly_ordinary(self) -> None:
        counts = Counter(fate_of(number, TROUBLED) for number in range(60))
        assert counts == {Fate.FUNDED: 48, Fate.REFUSED: 6, Fate.UNKNOWN: 2, Fate.RETURNED: 4}

    def test_repeats_itself_from_a_seed(self) -> None:
        assert orders(TROUBLED, 30, random.Random(7)) == orders(TROUBLED, 30, random.Random(7))

    def test_has_no_trouble_without_faults(self) -> None:
        assert {order.fate for order in orders(QUIET, 60, random.Random(1))} == {Fate.FUNDED, Fate.RETURNED}


class TestVerdict:
    def test_is_silent_when_all_is_well(self) -> None:
        summary, effects = good()
        assert troubles(summary, effects, []) == []
        assert sentence(summary) == (
            "4 deposits: 3 funded, 1 returned to their senders, 0 lost, 0 doubled; 5 webhooks dropped, "
            "6 processes killed, 1 dead letter replayed, and the books agree with the providers' own to the cent."
        )

    @pytest.mark.parametrize(
        ("part", "name", "value", "said"),
        [
            ("summary", "lost", 1, "1 deposits were never heard of"),
            ("effects", "duplicates", 2, "2 deposits were paid twice"),
            ("effects", "missing", ["tf_1"], "1 deposits were not paid: ['tf_1']"),
            ("effects", "unexpected", ["j"], "1 payments nobody asked for"),
            ("effects", "wrong_amounts", ["j"], "1 payments of another amount"),
            ("dead_letters", "open", 1, "1 dead letters are still open"),
            ("ledger", "balanced", False, "the ledger does not balance"),
            (
                "ledger",
                "clearing_differences",
                {"due:clearing USDC": "1"},
                "clearing differs: {'due:clearing USDC': '1'}",
            ),
            ("ledger", "customer_differences", {"a USD": "1"}, "customers: {'a USD': '1'}"),
        ],
    )
    def test_names_what_is_wrong(self, part: str, name: str, value: Any, said: str) -> None:
        summary, effects = good()
        parts: dict[str, dict[str, Any]] = {**summary, "summary": summary, "effects": effects}
        parts[part][name] = value
        assert troubles(summary, effects, []) == [said]

    def test_counts_what_never_ended(self) -> None:
        summary, effects = good()
        summary["flows"]["parked"] = {"due_deposit": 1}
        assert troubles(summary, effects, []) == ["1 deposits are neither finished nor given back"]

    def test_takes_no_open_break_for_granted(self) -> None:
        summary, effects = good()
        found = {"provider": "due", "type": "stuck", "subject": "tf_1", "ours": "a", "theirs": "b"}
        assert troubles(summary, effects, [found]) == ["an open break: due stuck tf_1: ours a, theirs b"]


class TestCharts:
    def test_gives_the_share_that_was_as_quick(self) -> None:
        assert percentiles([float(number) for number in range(1, 101)]) == {"p50": 50.0, "p99": 99.0}
        assert percentiles([3.0]) == {"p50": 3.0, "p99": 3.0}
        assert percentiles([]) == {"p50": None, "p99": None}

    def test_counts_everyone_once(self) -> None:
        bars = histogram([0.1, 0.2, 5.0, 10.0], [("p50", 0.2), ("p99", None)]).bars
        assert [bar.title.split()[0] for bar in bars] == ["2", "1", "1"]

    def test_numbers_that_would_overlap_stand_apart(self) -> None:
        story = a_story()
        for _ in range(3):
            story.end(story.begin(Kind.BLOW, "blow"), "over")
        marks = timeline(story, [], charts.worth_telling(story)).marks
        assert marks[1].label_x - marks[0].label_x >= charts.APART
        assert [mark.number for mark in marks] == [1, 2, 3]

    def test_draws_a_deposit_from_its_arrival_to_its_end(self) -> None:
        drawn = timeline(a_story(), [a_deposit()], []).bars
        assert [bar.name for bar in drawn] == [charts.UNHEARD, "received", "broker_funded", "parked", "broker_funded"]


class TestReport:
    def test_shows_what_it_was_told_as_text(self) -> None:
        """A customer's name may hold anything."""
        summary, _ = good()
        book = Compared(account="<b>x</b>", asset="USD", ours=Decimal("1234.50"), theirs=Decimal("1234.50"))
        page = report.page(summary, a_story(), [book], [a_deposit(customer="<script>alert(1)</script>")])
        assert "<script>" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "&lt;b&gt;x&lt;/b&gt;" in page
        assert "1,234.50 USD" in page

    def test_leads_with_what_is_wrong(self) -> None:
        summary, _ = good()
        page = report.page({**summary, "troubles": ["the ledger does not balance"]}, a_story(), [], [])
        assert "Something is wrong" in page
        assert "the ledger does not balance" in page
        assert "Nothing lost" not in page


class TestStory:
    def test_stops_when_asked(self) -> None:
        story = a_story()
        story.stop.set()
        with pytest.raises(Stopped):
            story.wait_for(lambda: False, within_s=60)

    def test_gives_up_in_time(self) -> None:
        assert not a_story().wait_for(lambda: False, within_s=0.01)


def a_story() -> Story:
    return Story(tell=lambda _text, *, kind: None, began_at=BEGAN)


def a_deposit(*, customer: str | None = "a") -> Timed:
    at = [BEGAN + timedelta(seconds=number) for number in range(5)]
    deposit = Deposit(
        id=uuid4(),
        kind="due_deposit",
        transfer="tf_1",
        customer=customer,
        state="broker_funded",
        status="resting",
        asset="USDC",
        amount=Decimal(5_000_000),
        asset_out="USD",
        amount_out=Decimal(500),
        heard_by="poll",
        attempts=3,
        moves=[Moved(state="received", at=at[1]), Moved(state="broker_funded", at=at[4])],
        parked=[(at[2], at[3])],
        closed_at=at[4],
    )
    return Timed(deposit=deposit, arrived_at=BEGAN, heard_s=1.0, finished_s=4.0)
