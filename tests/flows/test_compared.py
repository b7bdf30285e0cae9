"""Comparisons with deposits that really went their way: where all is well nothing is found, and what went wrong is."""

from datetime import timedelta
from typing import Any

import pytest

from db import break_listings
from db.engine import UnitOfWork
from ops.actions.reconcile.compare import Comparer, Wanted, balance_of, source_of
from tests.support.deposit_house import DepositHouse
from workers.comparisons import Comparisons
from workers.polls import Polls

HOUR = 3600


def compare(house: DepositHouse, provider: str) -> dict[str, Any]:
    """What `rampkeeper reconcile run` does, on the house's clock."""
    source = source_of(house.worker.providers, provider)
    assert source
    comparer = Comparer(begin=house.begin, grace=timedelta(minutes=10), sleep=lambda _seconds: None)
    wanted = Wanted(provider=provider, since=house.clock.now - timedelta(days=7))
    run = comparer.with_provider(wanted, source, balance=balance_of(house.begin, house.worker.providers, provider))
    return show(house.begin, run)


def show(begin: UnitOfWork, run: Any) -> dict[str, Any]:
    with begin() as connection:
        return break_listings.show_run(connection, run)


def found(run: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["type"], one["subject"]) for one in run["findings"]]


def journals_of(house: DepositHouse) -> list[str]:
    return list(house.world.alpaca.journals.by_id)


class TestWell:
    def test_deposits_however_they_ended_are_no_breaks(self, house: DepositHouse) -> None:
        """Funded, returned, failed, still at Due, waiting at Alpaca, refused and replayed, of nobody."""
        house.books_differ = "a failed payout stays at Due"
        ana, bo = house.person("ana"), house.person("bo")
        house.deposit(ana)
        house.deposit(ana, path=("awaiting_funds", "funds_received", "manual_review", "refund_processed"))
        house.deposit(ana, path=("awaiting_funds", "funds_received", "failed"))
        house.deposit(ana, path=("awaiting_funds", "funds_received", "manual_review"))
        house.deposit(ana, path=("awaiting_funds",))
        house.deposit(house.person("nobody", due=False, alpaca=False))
        house.world.alpaca.refuse_account(bo.brokerage, mode="rejected")
        house.deposit(bo)
        house.pass_time(60, listening=True)
        house.world.alpaca.refuse_account(bo.brokerage, on=False)
        house.replay(error="journal_rejected")
        house.pass_time(2 * HOUR, listening=True)

        due, alpaca = compare(house, "due"), compare(house, "alpaca")

        assert found(due) == []
        assert found(alpaca) == []
        assert (due["counts"]["theirs"], due["counts"]["ours"]) == (7, 6), "awaited money has no flow"
        assert (alpaca["counts"]["theirs"], alpaca["counts"]["ours"]) == (3, 3)

    def test_a_corrected_journal_and_its_replacement_are_no_break(self, house: DepositHouse) -> None:
        house.deposit(house.person())
        house.pass_time(60, listening=True)
        (journal,) = journals_of(house)
        house.world.alpaca.journals.force(journal, "correct")
        house.pass_time(2 * HOUR, listening=True)
        assert len(journals_of(house)) == 2
        assert found(compare(house, "alpaca")) == []

    def test_a_deposit_on_its_way_is_none_either(self, house: DepositHouse) -> None:
        """In the middle of everything at most timing is said, and nothing once it has arrived."""
        house.deposit(house.person())
        for _ in range(12):
            house.pass_time(3)
            for provider in ("due", "alpaca"):
                assert {kind for kind, _ in found(compare(house, provider))} <= {"timing"}
        house.pass_time(60)
        assert found(compare(house, "due")) == []
        assert house.open_breaks() == []


class TestWrong:
    def test_a_lost_deposit_is_found(self, house: DepositHouse) -> None:
        """Neither webhook nor poll told of it: only the comparison is left."""
        house.books_differ = "one deposit is known at Due only"
        ana = house.person()
        house.world.faults.set("webhook_dropped", "due")
        lost = house.deposit(ana)
        house.pass_time(HOUR)
        assert found(compare(house, "due")) == [("missing_here", f"transfer {lost}")]

        house.poll()
        house.pass_time(HOUR)
        assert compare(house, "due")["counts"]["closed"] == 1
        assert house.open_breaks() == []

    def test_an_amount_that_changed_at_due_afterwards_is_found(self, house: DepositHouse) -> None:
        house.books_differ = "Due changed an amount after it had paid"
        transfer = house.deposit(house.person())
        house.pass_time(60)
        house.world.due.transfers[transfer].destination.amount -= 1
        assert found(compare(house, "due")) == [("amount_differs", f"transfer {transfer}")]

    def test_a_journal_made_by_hand_and_one_made_twice_are_found(self, house: DepositHouse) -> None:
        house.books_differ = "somebody moved cash by hand"
        ana = house.person()
        transfer = house.deposit(ana)
        house.pass_time(60, listening=True)
        firm = house.world.alpaca.firm_account_id
        order = {"entry_type": "JNLC", "from_account": firm, "to_account": ana.brokerage, "amount": "10.00"}
        by_hand = house.world.alpaca.journals.create({**order, "description": "by hand"})
        flow = str(house.flow_of(transfer)["id"])
        house.world.alpaca.journals.create({**order, "description": flow})
        house.pass_time(HOUR)
        assert found(compare(house, "alpaca")) == [
            ("duplicate", f"journals for {flow}"),
            ("missing_here", f"journal {by_hand.id}"),
        ]

    def test_money_of_an_account_nobody_linked_is_found(self, house: DepositHouse) -> None:
        """Due lists its accounts, and a deposit on one that no link of ours names is read too."""
        house.books_differ = "one deposit is known at Due only"
        house.world.faults.set("webhook_dropped", "due")
        lost = house.deposit(house.person(due=False, alpaca=False))
        house.pass_time(HOUR)
        assert found(compare(house, "due")) == [("missing_here", f"transfer {lost}")]


class TestTrouble:
    @pytest.mark.parametrize("fault", ["server_error", "throttled_bare", "stale_read", "truncated_listing"])
    def test_at_the_provider_invents_nothing(self, house: DepositHouse, fault: str) -> None:
        ana = house.person()
        for _ in range(4):
            house.deposit(ana)
        house.pass_time(300, listening=True)
        for provider in ("due", "alpaca"):
            house.world.faults.set(fault, provider, times=2)
            kinds = {kind for kind, _ in found(compare(house, provider))}
            house.world.faults.clear()
            assert kinds <= {"listing_truncated"}


class Places:
    """Says whether there is a place inside a provider."""

    def __init__(self) -> None:
        self.free = False
        self.asked: list[str] = []

    def try_enter(self, provider: str) -> bool:
        self.asked.append(provider)
        return self.free

    def leave(self, provider: str) -> None:
        self.asked.append(f"left {provider}")


class TestDaily:
    def test_waits_for_a_place_inside_its_provider(self, house: DepositHouse) -> None:
        """A comparison lasts: it counts among the threads that may be inside, as every call does."""
        daily = Comparisons(begin=house.begin, providers=house.worker.providers, poll=timedelta(minutes=1))
        places = Places()
        polls = Polls(
            begin=house.begin,
            walker=house._walker,
            wake=house.worker.ingest.wake,
            doors=places,
            polls={},
            looks={},
            chores=daily.chores(),
            asks=daily.asks(),
        )
        house.rows("INSERT INTO ticks (job, slot, term) VALUES ('compare_alpaca', rk_now(), 1) RETURNING 1")
        slot = house.one("SELECT slot FROM ticks")
        polls.run_tick("compare_alpaca", slot)
        assert house.rows("SELECT attempts, outcome FROM ticks") == [(0, None)], "it is due still"
        assert not any(asked.startswith("left") for asked in places.asked)
        places.asked.clear()
        places.free = True
        polls.run_tick("compare_alpaca", slot)
        assert house.rows("SELECT outcome, detail FROM ticks") == [
            ("done", "0 of theirs with 0 of ours: 0 breaks opened")
        ]
        assert places.asked == ["alpaca", "left alpaca"]

    def test_covers_a_week_and_what_is_open_before(self, house: DepositHouse) -> None:
        """A break found by hand in an older window closes by itself too."""
        house.books_differ = "an amount is changed here and put right again"
        transfer = house.deposit(house.person())
        house.pass_time(60, listening=True)
        house.pass_time(9 * 24 * HOUR)
        chores = Comparisons(begin=house.begin, providers=house.worker.providers, poll=timedelta(minutes=1)).chores()
        assert chores["compare_due"](lambda _: True) == "0 of theirs with 0 of ours: 0 breaks opened"
        with house.begin() as connection:
            connection.exec_driver_sql("UPDATE flows SET amount = amount + 1")
        wanted = Wanted(provider="due", since=house.clock.now - timedelta(days=20))
        source = source_of(house.worker.providers, "due")
        assert source
        Comparer(begin=house.begin, grace=timedelta(0)).with_provider(wanted, source)
        assert house.open_breaks() == [("due", "amount_differs")]
        with house.begin() as connection:
            connection.exec_driver_sql("UPDATE flows SET amount = amount - 1")

        assert chores["compare_due"](lambda _: True) == "1 of theirs with 1 of ours: 0 breaks opened"

        assert house.open_breaks() == []
        assert house.one("SELECT count(*) FROM reconciliation_runs WHERE asked_by = 'clock'") == 2
        assert transfer in house.one("SELECT subject FROM breaks")
