"""Journals at Alpaca: cash moves exactly once, or not at all."""

from decimal import Decimal
from typing import Any

import pytest

from sandbox.alpaca.errors import AlpacaError
from tests.support.clockwork import make_stage


class TestJournals:
    def test_move_cash_exactly_once_and_tell_both_sides(self) -> None:
        stage = make_stage(firm_cash="1000")
        journal = stage.journal(description="deposit dep_01")
        assert (journal.status, stage.cash(), stage.cash(stage.brokerage)) == ("queued", "1000.00", "0.00")

        stage.run(60)

        assert journal.status == "executed"
        assert (stage.cash(), stage.cash(stage.brokerage)) == ("900.00", "100.00")
        booked = [
            (one.account_id, str(one.amount)) for one in stage.world.alpaca.ledger.activities if one.kind == "JNLC"
        ]
        assert booked == [(stage.world.alpaca.firm_account_id, "-100.00"), (stage.brokerage, "100.00")]
        moves = [frame.payload["status_to"] for frame in stage.world.alpaca.journal_events.frames]
        assert moves == ["queued", "sent_to_clearing", "executed"]

    def test_reserve_what_they_will_take(self) -> None:
        stage = make_stage(firm_cash="150")
        stage.journal()
        with pytest.raises(AlpacaError, match="insufficient") as refusal:
            stage.journal()
        assert refusal.value.status == 403
        assert refusal.value.body["code"] == 40_310_000

    def test_between_customers_are_refused(self) -> None:
        stage = make_stage()
        other = stage.world.alpaca.add_account(cash="100")
        with pytest.raises(AlpacaError) as refusal:
            stage.journal(from_account=other)
        assert refusal.value.status == 422

    @pytest.mark.parametrize("limits", [{"journal_single_limit": "50"}, {"journal_daily_limit": "50"}])
    def test_above_a_limit_wait_for_a_person(self, limits: dict[str, Any]) -> None:
        stage = make_stage(firm_cash="1000", **limits)
        journal = stage.journal()
        stage.run(60)
        assert journal.status == "pending"

        stage.world.alpaca.journals.force(journal.id, "executed")

        assert stage.cash(stage.brokerage) == "100.00"

    @pytest.mark.parametrize("status", ["rejected", "pending", "refused"])
    def test_follow_the_fixture_in_their_description(self, status: str) -> None:
        stage = make_stage(firm_cash="100")
        journal = stage.journal(description=f"dep_01 /fixtures/status={status}/fixtures/")
        stage.run(60)
        assert journal.status == status
        assert stage.cash(stage.brokerage) == "0.00"

    def test_rejected_ones_free_what_they_reserved(self) -> None:
        stage = make_stage(firm_cash="100")
        stage.world.alpaca.refuse_account(stage.brokerage, mode="rejected")
        assert stage.journal().status == "queued"
        stage.run(60)

        stage.world.alpaca.refuse_account(stage.brokerage, on=False)
        stage.journal()
        stage.run(60)

        assert stage.cash(stage.brokerage) == "100.00"

    def test_compliance_can_refuse_at_once(self) -> None:
        stage = make_stage(firm_cash="100")
        stage.world.alpaca.refuse_account(stage.brokerage)
        with pytest.raises(AlpacaError, match="compliance") as refusal:
            stage.journal()
        assert refusal.value.status == 403

    def test_corrected_ones_are_replaced_by_a_new_id(self) -> None:
        stage = make_stage(firm_cash="1000")
        journal = stage.journal()
        stage.run(60)

        successor = stage.world.alpaca.journals.force(journal.id, "correct", Decimal("90.00"))

        assert (journal.status, successor.status, successor.replaces) == ("correct", "executed", journal.id)
        assert stage.cash(stage.brokerage) == "90.00"
        assert stage.cash() == "910.00"

    def test_cannot_be_deleted_once_they_moved_on(self) -> None:
        stage = make_stage(firm_cash="100")
        journal = stage.journal()
        with pytest.raises(AlpacaError) as refusal:
            stage.world.alpaca.journals.delete(journal.id)
        assert refusal.value.status == 422

    @pytest.mark.parametrize("amount", ["0", "-1", "1.001", "x", None, True])
    def test_refuse_amounts_that_are_none(self, amount: Any) -> None:
        with pytest.raises(AlpacaError) as refusal:
            make_stage(firm_cash="100").journal(amount)
        assert refusal.value.status == 422
