"""What Alpaca's stream frames and listings say."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding.facts import CannotUse, CashArrived, Changed, Fact, Ignored
from funding.money import Money
from providers.alpaca.interpret import interpret, polled
from tests.unit.test_due_interpret import JSON

FRAME = {
    "event_id": "01KJWPYRZR1FZ96QKGRCGWFJHT",
    "at": "2026-03-04T15:20:11.000Z",
    "entry_type": "JNLC",
    "journal_id": "5b1a3a58-6f0e-4a4f-9f31-7f0e2a8c1d10",
    "status_from": "queued",
    "status_to": "executed",
    "description": "deposit dep_01",
    "idempotency_key": None,
}
JOURNAL = {"id": "5b1a3a58", "entry_type": "JNLC", "status": "EXECUTED", "net_amount": "100.00"}
ACTIVITY = {
    "id": "20260304152011000::cafe",
    "activity_type": "CSD",
    "date": "2026-03-04",
    "net_amount": "250.00",
    "description": "wire",
    "status": "executed",
}


def stream(**changes: Any) -> Fact:
    (fact,) = interpret(json.dumps(FRAME | changes).encode(), source="stream").facts
    return fact


def poll(kind: str, shown: dict[str, Any]) -> Fact:
    (fact,) = interpret(polled(kind, shown), source="poll").facts
    return fact


class TestAFrame:
    def test_says_that_a_journal_changed_which_may_be_ours(self) -> None:
        """It opens no flow: whether we made it is known once its reference is written."""
        assert stream() == Changed(
            kind="journal",
            id="5b1a3a58-6f0e-4a4f-9f31-7f0e2a8c1d10",
            status="executed",
            at=datetime(2026, 3, 4, 15, 20, 11, tzinfo=UTC),
            opening=None,
            ours=True,
            reference="deposit",
        )

    def test_about_shares_is_ignored(self) -> None:
        assert isinstance(stream(entry_type="JNLS"), Ignored)

    def test_about_a_failed_entry_of_a_batch_is_ignored(self) -> None:
        assert isinstance(stream(journal_id=None, batch_error_message="no"), Ignored)

    @pytest.mark.parametrize(
        "changes",
        [{"journal_id": None}, {"journal_id": 5}, {"journal_id": "a/b"}, {"status_to": None}, {"at": 5}, {"at": "x"}],
    )
    def test_of_another_shape_is_set_aside(self, changes: dict[str, Any]) -> None:
        with pytest.raises(CannotUse):
            stream(**changes)

    def test_is_not_taken_from_a_webhook(self) -> None:
        """Alpaca sends none, so whoever sent it is not Alpaca."""
        with pytest.raises(CannotUse):
            interpret(json.dumps(FRAME).encode(), source="webhook")


class TestAPolledJournal:
    def test_says_what_the_stream_says(self) -> None:
        assert poll("journal", JOURNAL) == Changed(kind="journal", id="5b1a3a58", status="executed", at=None, ours=True)

    def test_of_an_unknown_kind_is_set_aside(self) -> None:
        with pytest.raises(CannotUse):
            poll("order", JOURNAL)


class TestAPolledActivity:
    @pytest.mark.parametrize(("amount", "cents"), [("250.00", 250_00), ("-3.1", -3_10), ("0.01", 1)])
    def test_is_cash_with_its_sign(self, amount: str, cents: int) -> None:
        assert poll("activity", ACTIVITY | {"net_amount": amount}) == CashArrived(
            activity="20260304152011000::cafe",
            amount=Money(cents, "USD"),
            at=datetime(2026, 3, 4, tzinfo=UTC),
            description="CSD wire",
        )

    @pytest.mark.parametrize(
        "changes",
        [
            {"activity_type": "JNLC"},
            {"status": "canceled"},
            {"net_amount": None},
            {"net_amount": "0"},
            {"activity_type": "FILL", "net_amount": None},
        ],
    )
    def test_that_moved_no_cash_of_its_own_is_ignored(self, changes: dict[str, Any]) -> None:
        """A journal's cash is booked by its flow: twice would break the balance."""
        assert isinstance(poll("activity", ACTIVITY | changes), Ignored)

    @pytest.mark.parametrize(
        "changes", [{"net_amount": 250}, {"net_amount": "0.001"}, {"id": None}, {"date": "soon"}, {"activity_type": 1}]
    )
    def test_of_another_shape_is_set_aside(self, changes: dict[str, Any]) -> None:
        with pytest.raises(CannotUse):
            poll("activity", ACTIVITY | changes)


class TestAnyBody:
    @given(changes=st.dictionaries(st.sampled_from([*FRAME, *ACTIVITY]), JSON), more=JSON)
    def test_is_read_or_set_aside_but_never_breaks(self, changes: Any, more: Any) -> None:
        activity = {"poll": {"kind": "activity", "object": ACTIVITY | changes}}
        for body in (FRAME | changes, activity, {"poll": {"kind": "journal", "object": JOURNAL | changes}}, more):
            try:
                interpret(json.dumps(body).encode(), source="replay")
            except CannotUse:
                continue
