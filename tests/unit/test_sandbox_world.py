"""The world on a clock of its own: what happens by itself, in which order, at which moment."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.alpaca.errors import AlpacaError
from sandbox.world import World

START = datetime(2026, 1, 1, 10, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Stage:
    """A world with one customer at both providers and one webhook endpoint."""

    world: World
    clock: Clock
    account: str
    virtual_account: str
    brokerage: str

    def run(self, seconds: float, answer: Callable[[bytes], int | None] = lambda _: 200) -> list[dict[str, Any]]:
        """Let time pass from happening to happening, answer each webhook; the bodies delivered."""
        until, bodies = self.clock.at + timedelta(seconds=seconds), []
        while (upcoming := self.world.next_happening()) is not None and upcoming <= until:
            self.clock.at = max(self.clock.at, upcoming)
            self.world.tick()
            for delivery in self.world.due_deliveries():
                self.world.delivery_answered(delivery.id, answer(delivery.body))
                bodies.append(json.loads(delivery.body))
        self.clock.at = until
        return bodies

    def deposit(self, **more: Any) -> str:
        return self.world.due.deposit(self.virtual_account, **more)

    def journal(self, amount: str = "100.00", key: str | None = None, **more: Any) -> Any:
        firm = self.world.alpaca.firm_account_id
        wanted = {"entry_type": "JNLC", "from_account": firm, "to_account": self.brokerage, "amount": amount, **more}
        return self.world.alpaca.journals.create(wanted, key)

    def cash(self, account: str | None = None) -> str:
        return self.world.alpaca.balances()[account or self.world.alpaca.firm_account_id]


def make_stage(seed: int = 0, **config: Any) -> Stage:
    clock = Clock()
    world = World(seed, clock, config)
    account = world.due.add_account()
    recipient = world.due.add_recipient(account.id)
    world.link_firm_recipient(recipient.id)
    virtual = world.due.add_virtual_account(account.id, recipient.id)
    world.due.endpoints.add("http://receiver/webhooks/due")
    return Stage(world, clock, account.id, virtual.id, world.alpaca.add_account())


def statuses(bodies: list[dict[str, Any]]) -> list[str]:
    return [body["data"]["status"] for body in bodies]


class TestDeposit:
    def test_goes_its_way_alone_and_is_told_step_by_step(self) -> None:
        stage = make_stage()
        transfer_id = stage.deposit(step_seconds=[1, 2, 3, 4])

        bodies = stage.run(60)

        assert statuses(bodies) == [
            "awaiting_funds",
            "funds_received",
            "approved",
            "payment_submitted",
            "payment_processed",
        ]
        assert {body["data"]["id"] for body in bodies} == {transfer_id}
        assert bodies[-1]["data"]["destination"]["amount"] == "249.25"
        assert bodies[-1]["occurredAt"] == "2026-01-01T10:00:10Z"

    def test_takes_each_step_at_its_moment_even_when_nobody_looked(self) -> None:
        stage = make_stage()
        transfer = stage.world.due.transfers[stage.deposit(step_seconds=1)]
        stage.clock.at += timedelta(hours=1)

        stage.world.tick()

        assert [at for _, at in transfer.history] == [START + timedelta(seconds=second) for second in range(5)]

    def test_pays_the_firm_at_alpaca_and_leaves_nothing_at_due(self) -> None:
        stage = make_stage()
        transfer_id = stage.deposit()
        stage.run(0.3)
        assert stage.world.due.balances() == {"USDC": "250.00"}

        stage.run(60)

        assert stage.world.due.balances() == {"USDC": "0.00"}
        assert stage.cash() == "249.25"
        (activity,) = stage.world.alpaca.ledger.activities
        assert (activity.kind, activity.amount) == ("CSD", Decimal("249.25"))
        assert transfer_id in activity.description

    def test_shows_money_under_way_while_the_payout_takes_time(self) -> None:
        stage = make_stage(payout_delay_seconds=3600)
        stage.deposit()
        stage.run(60)
        assert (stage.world.payouts.in_transit(), stage.cash()) == ("249.25", "0.00")

        stage.run(3600)

        assert (stage.world.payouts.in_transit(), stage.cash()) == ("0.00", "249.25")

    @pytest.mark.parametrize("ending", [("refund_submitted", "refund_processed"), ("manual_review", "canceled")])
    def test_gives_the_money_back(self, ending: Any) -> None:
        stage = make_stage()
        stage.deposit(path=("funds_received", *ending))
        stage.run(60)
        assert stage.world.due.balances() == {"USDC": "0.00"}
        assert stage.cash() == "0.00"

    @pytest.mark.parametrize("ending", ["failed", "action_required", "a_status_of_tomorrow"])
    def test_keeps_the_money_while_nothing_is_settled(self, ending: Any) -> None:
        stage = make_stage()
        stage.deposit(path=("funds_received", ending))
        stage.run(60)
        assert stage.world.due.balances() == {"USDC": "250.00"}

    def test_refuses_fewer_waits_than_steps(self) -> None:
        with pytest.raises(ValueError, match="4 waits"):
            make_stage().deposit(step_seconds=[1])


class TestWebhooks:
    def test_are_tried_again_with_the_same_bytes_on_our_schedule(self) -> None:
        stage = make_stage(time_scale=60)
        seen: list[tuple[datetime, bytes]] = []

        def refuse(body: bytes) -> int:
            seen.append((stage.clock.at, body))
            return 503

        stage.deposit(path=("funds_received",))
        stage.run(100_000, answer=refuse)

        assert [round((at - START).total_seconds()) for at, _ in seen] == [0, 1, 6, 36, 156, 876]
        assert len({body for _, body in seen}) == 1

    def test_stop_once_one_is_answered_well(self) -> None:
        stage = make_stage()
        answers = iter([None, 200])
        stage.deposit(path=("funds_received",))
        assert len(stage.run(100_000, answer=lambda _: next(answers))) == 2

    def test_dropped_ones_never_leave(self) -> None:
        stage = make_stage()
        stage.world.faults.set("webhook_dropped", "due")
        stage.deposit()
        assert stage.run(100_000) == []
        assert stage.world.outbox.counts["dropped"] == 5

    def test_doubled_ones_come_twice(self) -> None:
        stage = make_stage()
        stage.world.faults.set("webhook_doubled", "due")
        stage.deposit()
        ids = [body["id"] for body in stage.run(60)]
        assert len(ids) == 10
        assert len(set(ids)) == 5

    def test_late_ones_come_late(self) -> None:
        stage = make_stage()
        stage.world.faults.set("webhook_late", "due", seconds=30)
        stage.deposit()
        assert stage.run(29) == []
        assert len(stage.run(60)) == 5

    def test_reordered_ones_all_come_but_not_in_their_order(self) -> None:
        stage = make_stage()
        stage.world.faults.set("webhook_reordered", "due")
        transfer = stage.world.due.transfers[stage.deposit()]

        came = statuses(stage.run(60))

        order = [status for status, _ in transfer.history]
        assert sorted(came) == sorted(order)
        assert came != order


class TestSeed:
    def story(self, seed: int) -> list[Any]:
        stage = make_stage(seed)
        for name in ("webhook_dropped", "webhook_doubled", "webhook_reordered"):
            stage.world.faults.set(name, "due", 0.4)
        for _ in range(5):
            stage.deposit()
        bodies = stage.run(60)
        journal = stage.journal()
        return [*bodies, dict(stage.world.faults.counts), journal.as_json(), stage.world.alpaca.balances()]

    def test_repeats_the_whole_story(self) -> None:
        assert self.story(7) == self.story(7)

    def test_another_seed_tells_another(self) -> None:
        assert self.story(7) != self.story(8)

    def test_reset_begins_again(self) -> None:
        world = World(7)
        first = world.due.add_account().id
        world.reset()
        assert world.due.accounts == {}
        assert world.due.add_account().id == first


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
