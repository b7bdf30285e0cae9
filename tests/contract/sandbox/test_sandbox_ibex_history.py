"""What IBEX says has moved, rightly and wrongly."""

from decimal import Decimal
from typing import Any

import pytest

from tests.contract.sandbox.ibex_stage import IbexStage, make_ibex

ZERO = "0001-01-01T00:00:00Z"


def deposits(stage: IbexStage, count: int) -> list[str]:
    address, made = stage.receive_at(), []
    for number in range(count):
        made.append(stage.world.ibex.deposit(address, str(number + 1)))
        stage.run()
    return made


class TestHistory:
    def ids(self, stage: IbexStage, query: str) -> list[str]:
        return [one["id"] for one in stage.get(f"/v2/transaction/account/{stage.account}/all?{query}")]

    def test_shows_a_deposit_that_has_not_settled_with_a_zero_date(self) -> None:
        stage = make_ibex()
        transaction = stage.world.ibex.deposit(stage.receive_at(), "100")
        pending = stage.get(f"/v2/transaction/{transaction}")
        stage.run()
        settled = stage.get(f"/v2/transaction/{transaction}")
        assert (pending["status"], pending["settledAt"], pending["transactionTypeId"]) == ("pending", ZERO, 9)
        assert settled == {**pending, "status": "completed", "settledAt": "2026-01-01T10:00:00.2Z"}
        assert settled["amount"] == 100
        assert stage.call("GET", "/v2/transaction/x")[0] == 404

    @pytest.mark.parametrize(("how", "unset"), [("zero", ZERO), ("number", 0), ("null", None)])
    def test_writes_no_time_in_three_ways(self, how: str, unset: object) -> None:
        stage = make_ibex(unset_time=how)
        transaction = stage.world.ibex.deposit(stage.receive_at())
        assert stage.get(f"/v2/transaction/{transaction}")["settledAt"] == unset

    def test_tells_the_chain_hash_in_the_details_alone(self) -> None:
        stage = make_ibex()
        transaction = stage.world.ibex.deposit(stage.receive_at(), tx_hash="0xabc")
        assert stage.get(f"/v2/transaction/{transaction}/details") == {"networkId": "0xabc"}

    def test_pages_by_settlement_and_a_limit_of_zero_means_all(self) -> None:
        stage = make_ibex()
        newest = deposits(stage, 5)[::-1]
        assert self.ids(stage, "limit=2&page=1&sort=-settledAt") == newest[:2]
        assert self.ids(stage, "limit=2&page=3&sort=-settledAt") == newest[4:]
        assert self.ids(stage, "limit=0&page=7") == newest
        assert self.ids(stage, "limit=2&sort=settledAt") == newest[:2:-1]

    def test_may_begin_with_the_oldest_where_a_minus_says_newest(self) -> None:
        stage = make_ibex(minus_sort="oldest", first_page=0)
        oldest = deposits(stage, 3)
        assert self.ids(stage, "limit=2&page=0&sort=-settledAt") == oldest[:2]
        assert self.ids(stage, "limit=2&page=1&sort=-settledAt") == oldest[2:]
        assert self.ids(stage, "") == oldest[::-1]

    def test_puts_what_has_not_settled_behind_all_that_has(self) -> None:
        stage = make_ibex()
        settled = deposits(stage, 2)
        pending = stage.world.ibex.deposit(stage.receive_at())
        assert self.ids(stage, "sort=-settledAt") == [*settled[::-1], pending]
        assert self.ids(stage, "sort=-createdAt") == [pending, *settled[::-1]]

    @pytest.mark.parametrize("query", ["sort=amount", "limit=-1", "limit=x", "page=x"])
    def test_refuses_queries_it_does_not_know(self, query: str) -> None:
        stage = make_ibex()
        assert stage.call("GET", f"/v2/transaction/account/{stage.account}/all?{query}")[0] == 400

    def test_in_its_newer_shape_gives_25_a_page_and_no_address(self) -> None:
        stage = make_ibex()
        newest = deposits(stage, 26)[::-1]
        pages = [stage.get(f"/transactions?page={page}")["transactions"] for page in (1, 2)]
        assert [[one["id"] for one in page] for page in pages] == [newest[:25], newest[25:]]
        assert "address" not in pages[0][0]

    def test_may_hold_eleven_decimals_exactly(self) -> None:
        stage = make_ibex(decimals=11)
        transaction = stage.world.ibex.deposit(stage.receive_at(), "9876543210.123456")
        stage.run()
        amount = stage.get(f"/v2/transaction/{transaction}")["amount"]
        assert Decimal("9876543210.123456") < amount < Decimal("9876543210.123457")
        assert stage.balance() == amount


class TestMisleadingReads:
    def read(self, stage: IbexStage, transaction: str) -> Any:
        return stage.get(f"/v2/transaction/{transaction}")

    def test_stale(self) -> None:
        stage = make_ibex()
        (transaction,) = deposits(stage, 1)
        stage.world.faults.set("stale_read", "ibex", times=2)
        assert (self.read(stage, transaction)["status"], stage.balance()) == ("pending", 0)
        assert (self.read(stage, transaction)["status"], stage.balance()) == ("completed", 1)

    def test_amount_changed_for_good(self) -> None:
        stage = make_ibex()
        (transaction,) = deposits(stage, 1)
        stage.world.faults.set("amount_changed", "ibex", after_reads=1, delta="-0.25")
        amounts = [self.read(stage, transaction)["amount"] for _ in range(3)]
        assert amounts == [Decimal(1), Decimal("0.75"), Decimal("0.75")]

    def test_changed_right_after_it_was_listed(self) -> None:
        stage = make_ibex(settle_seconds=3600)
        stage.world.ibex.deposit(stage.receive_at())
        stage.world.faults.set("changed_after_listed", "ibex")
        path = f"/v2/transaction/account/{stage.account}/all?limit=0"
        assert [stage.get(path)[0]["status"] for _ in range(2)] == ["pending", "completed"]

    def test_listing_that_ends_early(self) -> None:
        stage = make_ibex()
        deposits(stage, 4)
        stage.world.faults.set("truncated_listing", "ibex", times=1)
        assert [len(stage.get("/transactions?page=1")["transactions"]) for _ in range(2)] == [2, 4]

    def test_status_nobody_knows(self) -> None:
        stage = make_ibex()
        (transaction,) = deposits(stage, 1)
        stage.world.faults.set("unknown_status", "ibex", times=1, status="settling")
        assert [self.read(stage, transaction)["status"] for _ in range(2)] == ["settling", "completed"]
