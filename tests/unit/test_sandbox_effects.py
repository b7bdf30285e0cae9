"""Effects are counted by what happened, so that a planted double is seen whatever the product calls it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sandbox.world import World


class Bench:
    """A world whose firm has cash, and deposits that expect to be funded."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)
        self.world = World(0, lambda: self.at, {"firm_cash": "10000"})
        account = self.world.due.add_account()
        self.virtual = self.world.due.add_virtual_account(account.id, self.world.due.add_recipient(account.id).id).id
        self.brokerage = self.world.alpaca.add_account()

    def deposit(self, amount: str = "100.75", **more: Any) -> str:
        transfer_id = self.world.due.deposit(self.virtual, amount, expects_account=self.brokerage, **more)
        self.settle()
        return transfer_id

    def settle(self) -> None:
        self.at += timedelta(minutes=1)
        self.world.tick()

    def fund(self, amount: str = "100.00", key: str | None = None, **more: Any) -> Any:
        firm = self.world.alpaca.firm_account_id
        wanted = {"entry_type": "JNLC", "from_account": firm, "to_account": self.brokerage, "amount": amount, **more}
        return self.world.alpaca.journals.create(wanted, key)

    def summary(self) -> dict[str, Any]:
        return self.world.effects.summary()


class TestEffects:
    def test_one_journal_for_one_deposit(self) -> None:
        bench = Bench()
        bench.deposit()
        bench.fund()
        found = bench.summary()
        assert (found["intended"], found["made"], found["duplicates"]) == (1, 1, 0)
        assert (found["missing"], found["unexpected"], found["wrong_amounts"]) == ([], [], [])

    def test_a_double_is_seen_under_another_key_and_description(self) -> None:
        bench = Bench()
        bench.deposit()
        bench.fund(key="one", description="dep_01")
        bench.fund(key="two", description="something else")
        assert bench.summary()["duplicates"] == 1

    def test_a_double_of_a_named_transfer_is_seen_beside_a_missing_twin(self) -> None:
        bench = Bench()
        first, second = bench.deposit(), bench.deposit()
        bench.fund(description=f"deposit {first}")
        bench.fund(description=f"deposit {first}")
        found = bench.summary()
        assert (found["made"], found["duplicates"], found["missing"]) == (2, 1, [second])

    def test_same_descriptions_and_keys_are_pointed_out(self) -> None:
        bench = Bench()
        for _ in range(2):
            bench.deposit()
            bench.fund(key="k", description="dep_01")
        found = bench.summary()
        assert found["duplicates"] == 0
        assert (found["repeated_descriptions"], found["repeated_keys"]) == ({"dep_01": 2}, {"k": 2})

    def test_what_was_refused_does_not_count(self) -> None:
        bench = Bench()
        bench.deposit()
        bench.fund(description="/fixtures/status=rejected/fixtures/")
        bench.settle()
        bench.fund()
        assert (bench.summary()["made"], bench.summary()["duplicates"]) == (1, 0)

    def test_a_correction_stands_for_what_it_replaces(self) -> None:
        bench = Bench()
        bench.deposit()
        journal = bench.fund()
        bench.settle()
        bench.world.alpaca.journals.force(journal.id, "correct", Decimal("1.00"))
        found = bench.summary()
        assert (found["made"], found["duplicates"], found["unexpected"], found["missing"]) == (1, 0, [], [])

    def test_a_deposit_that_went_back_intends_nothing(self) -> None:
        bench = Bench()
        bench.deposit(path=("funds_received", "refund_processed"))
        assert (bench.summary()["intended"], bench.summary()["missing"]) == (0, [])
        journal = bench.fund()
        assert bench.summary()["unexpected"] == [journal.id]

    def test_money_to_nobody_who_waits_is_unexpected(self) -> None:
        bench = Bench()
        bench.deposit()
        wrong = bench.fund("7.00")
        found = bench.summary()
        assert (found["unexpected"], len(found["missing"])) == ([wrong.id], 1)

    def test_a_wrong_amount_under_the_right_name_is_pointed_out(self) -> None:
        bench = Bench()
        journal = bench.fund("7.00", description=f"deposit {bench.deposit()}")
        assert bench.summary()["wrong_amounts"] == [journal.id]

    def test_sending_money_back_is_a_reversal(self) -> None:
        bench = Bench()
        bench.deposit()
        bench.fund()
        bench.settle()
        bench.fund(from_account=bench.brokerage, to_account=bench.world.alpaca.firm_account_id)
        found = bench.summary()
        assert (found["made"], found["reversals"], found["duplicates"]) == (1, 1, 0)

    def test_cents_are_cut_not_rounded(self) -> None:
        bench = Bench()
        bench.deposit(destination_amount="99.999")
        bench.fund("99.99")
        assert bench.summary()["missing"] == []
