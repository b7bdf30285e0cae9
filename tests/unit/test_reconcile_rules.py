"""Rules that name a break: one pair of records, at most one finding, the gravest first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest

from funding.flows.due_deposit import State
from funding.flows.table import FLOWS
from funding.ports.alpaca import JournalStatus
from funding.ports.bridge import Stage, TransferState
from funding.ports.due import TransferStatus
from funding.ports.ibex import TokenStatus
from funding.ports.stripe import OnrampStatus, PaymentStatus
from funding.reconcile.books import (
    ALPACA,
    BOOKS,
    BRIDGE_DEPOSIT,
    BRIDGE_TRANSFER,
    CHECKOUT,
    DUE,
    IBEX,
    ONRAMP,
    Book,
)
from funding.reconcile.records import Finding, Ours, Pair, Record, Window
from funding.reconcile.rules import TYPES, duplicate, judge, listing_truncated
from providers.registry import PROVIDERS
from tests.support.compared import a_journal, a_transfer

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MADE = NOW - 3 * DAY
FLOW = UUID(int=7)
WINDOW = Window(since=NOW - 7 * DAY, until=NOW, now=NOW, grace=timedelta(minutes=10))


def ours(state: str = "broker_funded", **more: Any) -> Ours:
    status = {"broker_funded": "resting", "returned": "closed", "failed": "closed"}.get(state, "open")
    said: dict[str, Any] = {
        "flow": FLOW,
        "state": state,
        "status": status,
        "parked": False,
        "newest": True,
        "created_at": MADE,
        "moved_at": MADE,
        "asset": "USDC",
        "amount": 250_000_000,
        "asset_out": "USD",
        "amount_out": 249_25,
        "account": "acct_1",
        **more,
    }
    return Ours(**said)


def judged(
    theirs: Record | None, mine: Ours | None, *, book: Book = DUE, named: Ours | None = None, **window: Any
) -> Finding | None:
    pair = Pair(id=theirs.id if theirs else "tf_1", theirs=theirs, ours=mine, named=named, read_at=NOW)
    return judge(pair, book, replace(WINDOW, **window))


def named(finding: Finding | None) -> str | None:
    if finding is None:
        return None
    assert finding.found.type in TYPES
    return finding.found.type


class TestStates:
    @pytest.mark.parametrize(
        ("status", "agreeing"),
        [
            ("awaiting_funds", {State.RECEIVED}),
            ("manual_review", {State.RECEIVED, State.OFF_RAMP_INITIATED}),
            (
                "payment_processed",
                {State.OFF_RAMP_COMPLETED, State.BROKER_FUNDING_INITIATED, State.BROKER_FUNDED},
            ),
            ("refund_processed", {State.RETURNED}),
            ("canceled", {State.RETURNED}),
            ("failed", {State.FAILED}),
            ("a_status_of_tomorrow", {State.RECEIVED, State.OFF_RAMP_INITIATED}),
        ],
    )
    def test_agree_or_differ_whichever_of_our_states_a_transfer_meets(self, status: str, agreeing: set[State]) -> None:
        """Old enough, and untouched for days: what does not agree by now does not agree."""
        theirs = a_transfer("tf_1", at=MADE, status=status)
        for state in State:
            expected = None if state in agreeing else "state_differs"
            assert named(judged(theirs, ours(state))) == expected, state

    @pytest.mark.parametrize(
        ("book", "documented"),
        [
            (DUE, TransferStatus),
            (ALPACA, JournalStatus),
            (BRIDGE_DEPOSIT, Stage),
            (BRIDGE_TRANSFER, TransferState),
            (IBEX, TokenStatus),
            (ONRAMP, OnrampStatus),
            (CHECKOUT, PaymentStatus),
        ],
        ids=lambda one: f"{one.provider}-{one.kind}" if isinstance(one, Book) else "",
    )
    def test_know_every_status_and_name_only_states_there_are(self, book: Book, documented: type[StrEnum]) -> None:
        assert set(book.agreed) == {str(one) for one in documented} - {"unknown"}
        assert book.unknown_as in book.agreed
        assert book.quiet <= set(book.agreed)
        named = {state for states in (*book.agreed.values(), *book.behind.values()) for state in states}
        flows = [FLOWS[kind] for kind in book.flow_kinds]
        assert named <= {str(state) for flow in flows for state in (*flow.open, *flow.resting, *flow.closed)}

    def test_of_every_provider_are_compared(self) -> None:
        """Or nobody would miss there what a flow relies on."""
        assert set(BOOKS) == set(PROVIDERS)
        of_people = {"bridge_customer", "bridge_virtual_account", "bridge_leaving"}
        booked = {kind for books in BOOKS.values() for book in books for kind in book.flow_kinds}
        assert booked == set(FLOWS) - of_people

    def test_of_a_flow_on_its_way_are_timing_for_a_day(self) -> None:
        theirs = a_transfer("tf_1", at=MADE)
        moving = ours("off_ramp_initiated", moved_at=NOW - DAY / 2)
        found = judged(theirs, moving)
        assert named(found) == "timing"
        assert found
        assert found.found.amount is None, "nothing is at risk"
        assert named(judged(theirs, replace(moving, moved_at=NOW - 2 * DAY))) == "state_differs"
        assert named(judged(theirs, replace(moving, parked=True))) == "state_differs"

    def test_that_moved_while_the_provider_was_read_are_timing(self) -> None:
        """The listing was read before the flow went on: comparing the two moments would invent a break."""
        theirs = a_transfer("tf_1", at=MADE, status="funds_received")
        funded = ours("broker_funded", moved_at=NOW + timedelta(seconds=1))
        assert named(judged(theirs, funded)) == "timing"
        later = NOW + timedelta(seconds=2)
        assert named(judged(theirs, funded, asked={"tf_1"}, asked_at=later)) == "state_differs"

    @pytest.mark.parametrize(
        ("status", "state", "newest", "expected"),
        [
            ("executed", "broker_funded", True, None),
            ("pending", "broker_funding_initiated", True, None),
            ("rejected", "off_ramp_completed", True, None),
            ("rejected", "broker_funded", False, None),  # a later journal did it
            ("correct", "broker_funded", False, None),  # its replacement stands
            ("correct", "broker_funded", True, "state_differs"),  # its replacement is not known here
            ("executed", "off_ramp_completed", False, "state_differs"),  # money moved, and we think it did not
            ("canceled", "broker_funded", True, "state_differs"),
            ("pending", "broker_funded", True, "state_differs"),
        ],
    )
    def test_of_a_journal(self, status: str, state: str, newest: bool, expected: str | None) -> None:  # noqa: FBT001 -- a row of the table
        theirs = a_journal("j_1", at=MADE, status=status)
        assert named(judged(theirs, ours(state, newest=newest), book=ALPACA)) == expected


class TestBridge:
    @pytest.mark.parametrize(
        ("book", "status", "state", "expected"),
        [
            (BRIDGE_DEPOSIT, "payment_processed", "credited", None),
            (BRIDGE_DEPOSIT, "payment_processed", "sent_on_chain", None),
            (BRIDGE_DEPOSIT, "refunded", "credited", "state_differs"),  # the customer has what Bridge gave back
            (BRIDGE_DEPOSIT, "funds_received", "credited", "state_differs"),  # nobody said that it was sent on
            (BRIDGE_DEPOSIT, "microdeposit", "credited", "state_differs"),  # never converted
            (BRIDGE_DEPOSIT, "held_by_tomorrows_rules", "converting", None),
            (BRIDGE_TRANSFER, "payment_processed", "paid_out", None),
            (BRIDGE_TRANSFER, "returned", "paid_out", "state_differs"),  # by the bank, days later
            (BRIDGE_TRANSFER, "returned", "released", None),
            (BRIDGE_TRANSFER, "awaiting_funds", "failed", None),  # never paid for, and the hold was released
            (BRIDGE_TRANSFER, "awaiting_funds", "paid_out", "state_differs"),
            (BRIDGE_TRANSFER, "kyc_required", "paying_out", None),
            (IBEX, "completed", "credited", None),
            (IBEX, "failed", "paid_out", "state_differs"),  # the tokens never left
            (IBEX, "pending", "credited", "state_differs"),  # credited before it was there
            (ONRAMP, "fulfillment_complete", "claimed", None),
            (ONRAMP, "fulfillment_complete", "abandoned", "state_differs"),  # paid after all
            (ONRAMP, "requires_payment", "claimed", "state_differs"),
            (CHECKOUT, "paid", "disputed", None),
            (CHECKOUT, "unpaid", "claimable", "state_differs"),
        ],
    )
    def test_and_its_neighbours_agree_or_differ(
        self, book: Book, status: str, state: str, expected: str | None
    ) -> None:
        theirs = Record(kind=book.kind, id="x", status=status, at=MADE)
        assert named(judged(theirs, ours(state, status="open"), book=book)) == expected

    def test_is_not_asked_for_what_never_moved(self) -> None:
        for book, status in ((BRIDGE_DEPOSIT, "microdeposit"), (BRIDGE_TRANSFER, "canceled"), (ONRAMP, "initialized")):
            assert judged(Record(kind=book.kind, id="x", status=status, at=MADE), None, book=book) is None

    def test_is_asked_for_money_that_nobody_here_knows(self) -> None:
        for book, status in ((BRIDGE_DEPOSIT, "funds_received"), (IBEX, "completed"), (CHECKOUT, "paid")):
            theirs = Record(kind=book.kind, id="x", status=status, at=MADE)
            assert named(judged(theirs, None, book=book)) == "missing_here"

    def test_payouts_for_one_flow_are_a_duplicate_though_none_is_paid_yet(self) -> None:
        two = [
            Record(kind="transfer", id=name, status="funds_received", at=MADE, asset="USDT", amount=5_000000)
            for name in ("tr_1", "tr_2")
        ]
        found = duplicate(BRIDGE_TRANSFER, str(FLOW), two, FLOW)
        assert (found.found.type, str(found.found.amount)) == ("duplicate", "5.000000 USDT")


class TestAmounts:
    @pytest.mark.parametrize(
        ("theirs", "expected", "at_risk"),
        [
            ({"amount": 240_000_000}, "amount_differs", (10_000_000, "USDC")),
            ({"amount_out": 249_26}, "amount_differs", (1, "USD")),
            ({"amount_out": 249_00, "fee": 1_00}, "fee_only_difference", (25, "USD")),
            ({"amount_out": 249_00, "fee": 75}, "amount_differs", (25, "USD")),
            ({"amount_out": 249_00, "fee": 1_00, "amount": 1}, "amount_differs", (249_999_999, "USDC")),
            ({"asset": "USDT"}, "currency_differs", (250_000_000, "USDC")),
            ({"asset_out": "EURC", "amount_out": None}, "currency_differs", (249_25, "USD")),
            ({"amount": None}, None, None),
        ],
    )
    def test_differ(self, theirs: dict[str, Any], expected: str | None, at_risk: tuple[int, str] | None) -> None:
        found = judged(a_transfer("tf_1", at=MADE, **theirs), ours(fee=75))
        assert named(found) == expected
        amount = found.found.amount if found else None
        assert (amount and (amount.minor, amount.asset)) == at_risk

    def test_are_not_compared_before_we_know_ours(self) -> None:
        early = ours("off_ramp_initiated", amount_out=None, asset_out=None)
        assert judged(a_transfer("tf_1", at=MADE, status="approved", amount_out=1), early) is None

    def test_weigh_more_than_states(self) -> None:
        theirs = a_transfer("tf_1", at=MADE, status="failed", amount=1)
        assert named(judged(theirs, ours())) == "amount_differs"

    def test_of_a_journal_that_moved_nothing_do_not_matter(self) -> None:
        theirs = a_journal("j_1", at=MADE, status="rejected", amount_out=1)
        assert judged(theirs, ours("off_ramp_completed"), book=ALPACA) is None


class TestOneSide:
    def test_missing_here(self) -> None:
        found = judged(a_transfer("tf_1", at=MADE), None)
        assert named(found) == "missing_here"
        assert found
        assert found.found.subject == "transfer tf_1"
        assert (str(found.found.amount), found.at) == ("250.000000 USDC", MADE)
        assert named(judged(a_transfer("tf_1", at=NOW - timedelta(minutes=5)), None)) == "timing"

    def test_nobody_misses_money_that_has_not_come(self) -> None:
        assert judged(a_transfer("tf_1", at=MADE, status="awaiting_funds"), None) is None
        assert judged(a_journal("j_1", at=MADE, status="refused"), None, book=ALPACA) is None

    def test_a_journal_of_ours_that_its_flow_does_not_have(self) -> None:
        theirs = a_journal("j_1", at=NOW, reference=str(FLOW))
        moving = ours("off_ramp_completed", moved_at=NOW - timedelta(minutes=1))
        assert named(judged(theirs, None, book=ALPACA, named=moving)) == "timing"
        found = judged(theirs, None, book=ALPACA, named=ours("returned"))
        assert named(found) == "missing_here"
        assert found
        assert found.flow == FLOW
        assert judged(theirs, None, book=ALPACA, named=ours("returned"), shared={str(FLOW)}) is None, "a duplicate says"

    def test_a_journal_of_nobody_is_no_news_that_is_late(self) -> None:
        assert named(judged(a_journal("j_1", at=NOW, reference="by hand"), None, book=ALPACA)) == "missing_here"

    def test_missing_there(self) -> None:
        found = judged(None, ours(), asked={"tf_1"})
        assert named(found) == "missing_there"
        assert found
        assert (found.flow, found.at, found.found.theirs) == (FLOW, MADE, "due knows none of that id")
        assert named(judged(None, ours(created_at=NOW - timedelta(minutes=1)))) == "timing"

    def test_is_not_said_of_a_listing_that_leaves_things_out(self) -> None:
        assert judged(None, ours(), cut_short={"acct_1"}) is None
        assert named(judged(None, ours(), cut_short={"acct_1"}, asked={"tf_1"})) == "missing_there"
        assert judged(None, ours(), book=ALPACA, cut_short={None}) is None

    def test_at_the_edge_of_a_file_is_timing(self) -> None:
        """The provider's time of an object is a little before ours: it may stand in the file before."""
        first = ours(created_at=WINDOW.since + timedelta(minutes=30))
        assert named(judged(None, first, from_file=True)) == "timing"
        assert named(judged(None, first)) == "missing_there"

    def test_what_cannot_be_read_is_told(self) -> None:
        found = judged(a_transfer("tf_1", at=MADE, fault="source.amount is no amount"), ours())
        assert named(found) == "unmatched_event"


class TestSeveral:
    def test_journals_for_one_flow_are_a_duplicate_worth_all_but_one(self) -> None:
        two = [a_journal("j_1", at=MADE, amount_out=100), a_journal("j_2", at=MADE + DAY, amount_out=90)]
        found = duplicate(ALPACA, str(FLOW), two, FLOW)
        assert (found.found.type, found.found.subject) == ("duplicate", f"journals for {FLOW}")
        assert (str(found.found.amount), found.flow) == ("0.90 USD", FLOW)
        assert found.found.theirs == "2: j_1 executed, j_2 executed"

    def test_objects_that_a_listing_left_out(self) -> None:
        found = listing_truncated(DUE, "acct_1", [f"tf_{n}" for n in range(7)], WINDOW)
        assert found.found.type == "listing_truncated"
        assert found.found.ours == "7 there when asked for: tf_0, tf_1, tf_2, tf_3, tf_4 ..."
        assert found.at == WINDOW.since
