"""The world on a clock of its own: what happens by itself, in which order, at which moment."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox.world import World
from tests.support.clockwork import START, make_stage


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
