"""The demo's parts that need no system: who takes part, what is wrong, where things are drawn."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from db.demo_figures import Compared
from db.demo_story import Moved, Movement
from funding.flows.table import FLOWS
from ops.cli.demo import charts, kinds, report
from ops.cli.demo.cast import Cast, Depositor, Holder
from ops.cli.demo.charts import histogram, timeline
from ops.cli.demo.latency import Timed, percentiles
from ops.cli.demo.orders import ENDS, FATES, FILLS, KINDS, Fate, counts, fate_of, orders
from ops.cli.demo.story import Kind, Stopped, Story
from ops.cli.demo.summary import effects_of, sentence, troubles

BEGAN = datetime(2026, 11, 21, 9, tzinfo=UTC)


def depositor(name: str) -> Depositor:
    return Depositor(name=name, account="acct", virtual_account=f"va_{name}", brokerage_account=f"ba_{name}")


def holder(name: str) -> Holder:
    return Holder(
        name=name,
        customer="c",
        virtual_account="va",
        bank="bank",
        bank_attributes={"bank_name": "Chase", "last4": "6789"},
        account="account",
        address="T",
        wallet="0x",
    )


TROUBLED = Cast(
    depositors=[depositor("a"), depositor("b")],
    refused=[depositor("r"), depositor("s")],
    unknown=[depositor("u")],
    holders=[holder("h"), holder("i")],
    newcomers=[holder("n")],
    movers=[holder("m")],
)
QUIET = Cast(depositors=[depositor("a")], holders=[holder("h")])


def good() -> tuple[dict[str, Any], dict[str, Any]]:
    """A summary of five that went as they should, and what the sandbox counted."""
    found = {
        "intended": 2,
        "made": 2,
        "duplicates": 0,
        "missing": [],
        "unexpected": [],
        "wrong_amounts": [],
        "bridge": {"stray": [], "transfers": {"made": 1, "repeated": 0}},
        "ibex": {"sends": 1, "repeated_sends": []},
        "stripe": {"onramp_sessions": 0, "doubled": {"onramp_sessions": {}}},
    }
    ends = {"due_deposit": {"broker_funded": 2, "returned": 1}, "bridge_withdrawal": {"paid_out": 2}}
    none = dict.fromkeys(ends, 0)
    summary = {
        "flows": {
            "started": {"due_deposit": 3, "bridge_withdrawal": 2},
            "completed": {"due_deposit": 2, "bridge_withdrawal": 2},
            "parked": none,
            "failed": none,
            "unfinished": none,
            "ended": ends,
        },
        "sent": {"due_deposit": {"funded": 1, "refused": 1, "returned": 1}, "bridge_withdrawal": {"paid out": 2}},
        "expected": ends,
        "lost": 0,
        "recovered_by_polling": 2,
        "webhooks": {"sent": 9, "dropped": 5, "duplicated": 2, "reordered": 1},
        "processes": {"killed": 6, "restarted": 6},
        "dead_letters": {"opened": 1, "replayed": 1, "open": 0},
        "provider_effects": {
            "intended": 4,
            "made": 4,
            "duplicates": 0,
            "by_kind": {
                "journals at Alpaca": {"intended": 2, "made": 2, "duplicates": 0},
                "sends at IBEX": {"intended": 2, "made": 2, "duplicates": 0},
            },
        },
        "ledger": {"balanced": True, "entries": 21, "clearing_differences": {}, "customer_differences": {}},
        "reconciliation": {"runs": 2, "breaks_opened": 1, "breaks_open": 0},
        "seconds": {"p50": 1.0, "p99": 9.0, "total": 20.0},
        "faults": {"reply_lost": 4},
        "troubles": [],
        "command": "bin/demo --flows 5 --seed 1",
    }
    return summary, found


class TestOrders:
    def test_have_one_of_each_kind_even_in_a_handful(self) -> None:
        assert set(counts(4)) == set(KINDS)
        assert set(counts(4).values()) == {1}
        assert counts(60) == {"due_deposit": 24, "bridge_on_ramp": 12, "stripe_top_up": 12, "bridge_withdrawal": 12}

    def test_have_every_fate_among_sixty(self) -> None:
        assert {order.fate for order in orders(TROUBLED, 60, random.Random(1), troubled=True)} == set(Fate)

    def test_repeat_themselves_from_a_seed(self) -> None:
        first, second = (orders(TROUBLED, 30, random.Random(7), troubled=True) for _ in range(2))
        assert first == second

    def test_meet_nobody_who_is_not_there_without_faults(self) -> None:
        fates = {order.fate for order in orders(QUIET, 60, random.Random(1), troubled=False)}
        assert fates.isdisjoint({Fate.REFUSED, Fate.UNKNOWN, Fate.NEWCOMER, Fate.MISPLACED, Fate.GIVEN_BACK})

    def test_withdraw_from_wallets_that_were_filled_before(self) -> None:
        """A withdrawal that waits for tokens nobody sends would hold up the end."""
        filled: dict[str, float] = {}
        for order in orders(TROUBLED, 600, random.Random(3), troubled=True):
            name = order.person.name
            if order.fate in FILLS | {Fate.MISPLACED, Fate.NEWCOMER}:
                filled[name] = filled.get(name, 0) + float(order.amount) * 0.99
            if order.kind == "bridge_withdrawal":
                filled[name] = filled.get(name, 0) - float(order.amount)
                assert filled[name] >= 0

    def test_end_where_their_kind_can_end(self) -> None:
        for kind, fates in FATES.items():
            assert {ENDS[fate] for fate in fates} <= {*FLOWS[kind].resting, *FLOWS[kind].closed}

    def test_come_to_every_state_in_which_money_arrives(self) -> None:
        for kind, fates in FATES.items():
            assert kinds.done(kind) in {str(ENDS[fate]) for fate in fates}
            assert fate_of(kind, 0, troubled=True) == fate_of(kind, 0, troubled=False)


class TestVerdict:
    def test_is_silent_when_all_is_well(self) -> None:
        summary, found = good()
        assert troubles(summary, found, []) == []
        assert sentence(summary) == (
            "5 movements of money: 4 arrived, 1 returned or refused, 0 lost, 0 doubled; 5 webhooks dropped, 6 "
            "processes killed, 1 dead letter replayed, and the books agree with the providers' own to the smallest "
            "unit."
        )

    @pytest.mark.parametrize(
        ("part", "name", "value", "said"),
        [
            ("summary", "lost", 1, "1 were never heard of"),
            ("found", "missing", ["tf_1"], "1 deposits were not paid: ['tf_1']"),
            ("found", "unexpected", ["j"], "1 payments nobody asked for"),
            ("found", "wrong_amounts", ["j"], "1 payments of another amount"),
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
        summary, found = good()
        parts: dict[str, dict[str, Any]] = {**summary, "summary": summary, "found": found}
        parts[part][name] = value
        assert troubles(summary, found, []) == [said]

    def test_counts_what_never_ended(self) -> None:
        summary, found = good()
        summary["flows"]["parked"] = {"due_deposit": 1}
        assert troubles(summary, found, []) == ["1 are not finished"]

    def test_knows_how_each_should_have_ended(self) -> None:
        """Two flows that swap their ends would leave every sum as it was."""
        summary, found = good()
        summary["flows"]["ended"] = summary["flows"]["ended"] | {"due_deposit": {"broker_funded": 1, "returned": 2}}
        assert troubles(summary, found, []) == [
            "due deposit: 1 broker funded, 2 returned, and it should be 2 broker funded, 1 returned"
        ]

    def test_counts_what_providers_made_twice_or_not_at_all(self) -> None:
        summary, found = good()
        by_kind = summary["provider_effects"]["by_kind"]
        by_kind["sends at IBEX"] = {"intended": 2, "made": 3, "duplicates": 1}
        by_kind["journals at Alpaca"] = {"intended": 2, "made": 1, "duplicates": 0}
        assert troubles(summary, found, []) == [
            "1 sends at IBEX made twice",
            "1 journals at Alpaca made, and 2 intended",
        ]

    def test_intends_as_many_sends_as_customers_withdraw(self) -> None:
        _, found = good()
        sent = orders(TROUBLED, 60, random.Random(1), troubled=True)
        intended = {what: one["intended"] for what, one in effects_of(found, sent).items()}
        assert intended == {
            "journals at Alpaca": 2,
            "payouts at Bridge": 12,
            "sends at IBEX": 12,
            "sessions at Stripe": 6,
        }

    def test_takes_no_open_break_for_granted(self) -> None:
        summary, found = good()
        one = {"provider": "due", "type": "stuck", "subject": "tf_1", "ours": "a", "theirs": "b"}
        assert troubles(summary, found, [one]) == ["an open break: due stuck tf_1: ours a, theirs b"]


class TestKinds:
    def test_colour_every_state_there_is(self) -> None:
        assert {kinds.tone(kind, state) for kind in FLOWS for state in kinds.states(kind)} <= set(kinds.TONES)

    def test_tell_an_arrival_from_another_end(self) -> None:
        told = [kinds.tone("bridge_withdrawal", state) for state in ("requested", "returned", "paid_out", "released")]
        assert told == ["stage-0", "aside", "done", "undone"]


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
        assert [bar.tone for bar in drawn] == ["unheard", "stage-0", "done", "parked", "done"]

    def test_puts_a_kind_under_its_name(self) -> None:
        drawn = timeline(a_story(), [a_deposit(), a_deposit()], [])
        assert [heading.text for heading in drawn.headings] == ["Due deposit"]
        assert drawn.headings[0].y < min(bar.y for bar in drawn.bars)


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
    movement = Movement(
        id=uuid4(),
        kind="due_deposit",
        ids=["tf_1"],
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
    return Timed(movement=movement, arrived_at=BEGAN, heard_s=1.0, finished_s=4.0)
