"""Comparisons: everything planted is found, nothing is invented, and breaks close and reopen by themselves."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from db import break_listings, ledger
from db.engine import UnitOfWork, unit_of_work
from funding.errors import ProviderUnavailable
from funding.ledger import accounts
from funding.ledger.entries import credit, debit, entry
from funding.money import Money
from funding.reconcile.books import BRIDGE_TRANSFER
from funding.reconcile.records import Record, RecordPage
from funding.reconcile.rules import TYPES
from ops.actions.desk import Desk, Refused
from ops.actions.reconcile import breaks as actions
from ops.actions.reconcile.compare import Comparer, GivenUp, RunFailed, Wanted
from ops.reports.cells import to_json
from tests.support.compared import a_journal, a_transfer, add_compared, own

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
AT = NOW - 2 * DAY


@dataclass
class Listing:
    """A provider in memory: `shown` page by page; `hidden` only when asked for by id, `fresh` instead of `shown`."""

    shown: list[Record] = field(default_factory=list)
    hidden: list[Record] = field(default_factory=list)
    fresh: list[Record] = field(default_factory=list)
    fails_at: int | None = None
    asked: list[str] = field(default_factory=list)

    def page(self, *, since: datetime, until: datetime, cursor: str | None) -> RecordPage:
        start = int(cursor or 0)
        if self.fails_at is not None and start >= self.fails_at:
            raise ProviderUnavailable("no answer", provider="due", retry_after=timedelta(minutes=1))
        following = str(start + 3) if start + 3 < len(self.shown) else None
        return RecordPage(self.shown[start : start + 3], following)

    def one(self, object_id: str, *, account: str | None) -> Record | None:
        self.asked.append(object_id)
        return next((one for one in (*self.fresh, *self.hidden, *self.shown) if one.id == object_id), None)


@pytest.fixture
def begin(engine: Engine) -> UnitOfWork:
    return unit_of_work(engine)


@dataclass
class House:
    """A comparer on this test's database, and the providers it compares with."""

    begin: UnitOfWork
    listing: Listing = field(default_factory=Listing)
    waited: list[float] = field(default_factory=list)

    @property
    def comparer(self) -> Comparer:
        return Comparer(begin=self.begin, grace=timedelta(minutes=10), sleep=self.waited.append)

    def compare(
        self, provider: str = "due", *, since: datetime = NOW - 7 * DAY, until: datetime = NOW
    ) -> dict[str, Any]:
        wanted = Wanted(provider=provider, since=since, until=until)
        kind = {"due": "transfer", "alpaca": "journal"}[provider]
        return self.show(self.comparer.with_provider(wanted, lambda _accounts: {kind: self.listing}))

    def show(self, run: UUID) -> dict[str, Any]:
        with self.begin() as connection:
            return break_listings.show_run(connection, run)

    def know(self, **said: Any) -> UUID:
        with self.begin() as connection:
            return add_compared(connection, **{"at": AT, **said})

    def own(self, flow: UUID, provider: str, kind: str, name: str, *, at: datetime | None = None) -> None:
        with self.begin() as connection:
            own(connection, flow, provider, kind, name, at=at)

    def breaks(self) -> list[tuple[str, str, str]]:
        with self.begin() as connection:
            rows = break_listings.list_breaks(connection, limit=100)
        return sorted((row["type"], row["subject"], row["status"]) for row in rows)

    def history(self) -> list[str]:
        with self.begin() as connection:
            return list(connection.execute(text("SELECT what FROM break_history ORDER BY id")).scalars())

    def column(self, query: str) -> list[Any]:
        with self.begin() as connection:
            return list(connection.execute(text(query)).scalars())


@pytest.fixture
def house(begin: UnitOfWork) -> House:
    return House(begin)


def kinds(run: dict[str, Any]) -> dict[str, str]:
    return {one["subject"]: one["type"] for one in run["findings"]}


def agreeing(house: House, count: int) -> Iterable[Record]:
    for number in range(count):
        house.know(transfer=f"tf_ok{number}", journal=f"j_ok{number}", at=AT + timedelta(seconds=number))
        yield a_transfer(f"tf_ok{number}", at=AT + timedelta(seconds=number - 5))


class TestPlanted:
    def test_breaks_of_due_are_all_found_and_none_is_invented(self, house: House) -> None:
        fee = self.fee_only(house)
        house.know(transfer="tf_state", state="off_ramp_completed", moved_at=AT)
        house.know(transfer="tf_amount", amount=1)
        house.know(transfer="tf_currency", asset="USDT")
        house.know(transfer="tf_there")
        house.know(transfer="tf_time", state="off_ramp_initiated", moved_at=NOW - DAY / 2)
        house.know(transfer="tf_fault")
        house.know(transfer="tf_cut")
        house.know(transfer="tf_twice1")
        house.know(transfer="tf_twice2")
        house.listing.shown = [
            *agreeing(house, 40),
            fee,
            a_transfer("tf_here", at=AT),
            a_transfer("tf_state", at=AT, status="failed"),
            a_transfer("tf_amount", at=AT),
            a_transfer("tf_currency", at=AT),
            a_transfer("tf_time", at=AT),
            a_transfer("tf_fault", at=AT, fault="source.amount is missing"),
            a_transfer("tf_twice1", at=AT, reference="va_1 0xabc"),
            a_transfer("tf_twice2", at=AT, reference="va_1 0xabc"),
            a_transfer("tf_unfunded", at=AT, status="awaiting_funds"),
            a_transfer("tf_before", at=NOW - 30 * DAY),  # not of this window, and nobody's
        ]
        house.listing.hidden = [a_transfer("tf_cut", at=AT)]

        run = house.compare()

        assert kinds(run) == {
            "comparison of transfers acct_1": "listing_truncated",
            "transfers for va_1 0xabc": "duplicate",
            "transfer tf_amount": "amount_differs",
            "transfer tf_currency": "currency_differs",
            "transfer tf_fault": "unmatched_event",
            "transfer tf_fee": "fee_only_difference",
            "transfer tf_here": "missing_here",
            "transfer tf_state": "state_differs",
            "transfer tf_there": "missing_there",
            "transfer tf_time": "timing",
        }
        assert set(kinds(run).values()) == set(TYPES)
        assert run["counts"]["findings"] == dict.fromkeys(sorted(TYPES), 1)
        assert (run["status"], run["counts"]["opened"]) == ("finished", len(TYPES))
        assert house.column("SELECT count(*) FROM reconciliation_records") == [0]

    def fee_only(self, house: House) -> Record:
        """Our ledger says that Due kept 75 cents; Due says a dollar."""
        flow, kept = house.know(transfer="tf_fee"), Money(75, "USD")
        with house.begin() as connection:
            fees = entry(
                "due/transfer/tf_fee",
                "converted",
                debit(accounts.fees_paid("due", "USD"), kept),
                credit(accounts.fees_passed_on("due", "USD"), kept),
            )
            ledger.post(connection, flow, [fees])
        return a_transfer("tf_fee", at=AT, amount_out=249_00, fee=1_00)

    def test_breaks_of_alpaca_are_all_found_and_none_is_invented(self, house: House) -> None:
        replayed = house.know(journal="j_first", transfer="tf_1")
        house.own(replayed, "alpaca", "journal", "j_second", at=NOW + DAY)
        twice = house.know(journal="j_once", transfer="tf_2")
        corrected = house.know(journal="j_wrong", transfer="tf_3", amount_out=100_00)
        house.own(corrected, "alpaca", "journal", "j_right", at=NOW + DAY)
        with house.begin() as connection:
            connection.execute(
                text("""UPDATE flows SET data = data || '{"funded_minor": 9000}' WHERE id = :id"""), {"id": corrected}
            )
        house.know(journal="j_there", transfer="tf_4")
        house.know(journal="j_amount", transfer="tf_5")
        lost = house.know(transfer="tf_6", state="off_ramp_completed", parked=True)
        house.listing.shown = [
            a_journal("j_first", at=AT, status="rejected", reference=str(replayed)),
            a_journal("j_second", at=AT, reference=str(replayed)),
            a_journal("j_once", at=AT, reference=str(twice)),
            a_journal("j_again", at=AT, reference=str(twice)),
            a_journal("j_wrong", at=AT, status="correct", amount_out=100_00, reference=str(corrected)),
            a_journal("j_right", at=AT, amount_out=90_00, reference=str(corrected)),
            a_journal("j_amount", at=AT, amount_out=1),
            a_journal("j_lost", at=AT, reference=str(lost)),
            a_journal("j_hand", at=AT, reference="by hand"),
            a_journal("j_refused", at=AT, status="refused", reference="by hand"),
        ]

        run = house.compare("alpaca")

        assert kinds(run) == {
            f"journals for {twice}": "duplicate",
            "journal j_amount": "amount_differs",
            "journal j_hand": "missing_here",
            "journal j_lost": "missing_here",
            "journal j_there": "missing_there",
        }
        flows = {one["subject"]: one["flow"] for one in run["findings"]}
        assert flows["journal j_lost"] == str(lost)

    def test_come_out_the_same_twice_byte_for_byte(self, house: House) -> None:
        for name in ("tf_a", "tf_B", "tf_c", "tf_D", "tf-"):
            house.listing.shown.append(a_transfer(name, at=AT))
        house.know(transfer="tf_x", amount=1)
        house.listing.shown.append(a_transfer("tf_x", at=AT))
        first, second = house.compare(), house.compare()
        house.listing.shown.reverse()
        third = house.compare()
        assert to_json(first["findings"]) == to_json(second["findings"]) == to_json(third["findings"])
        assert first["findings"]
        assert (second["counts"]["opened"], second["counts"]["reopened"]) == (0, 0)


class TestSeveralKinds:
    """One provider, two kinds of object: one comparison of both, each with its own flows and amounts."""

    DEPOSIT = Record("deposit", "x_1", "payment_processed", AT, "USD", 250_00, "USDT", 248_750000, 1_250000, "c_1/va_1")
    TRANSFER = Record("transfer", "x_2", "payment_processed", AT, "USDT", 100_000000, "USD", 99_50)

    @pytest.fixture(autouse=True)
    def known(self, house: House) -> None:
        deposit = house.know(
            kind="bridge_on_ramp",
            state="credited",
            asset="USD",
            amount=250_00,
            asset_out="USDT",
            amount_out=248_750000,
            data={"customer": "c_1", "virtual_account": "va_1"},
        )
        payout = house.know(
            kind="bridge_withdrawal",
            state="paid_out",
            asset="USDT",
            amount=100_000000,
            asset_out="USD",
            amount_out=99_50,
            data={"account": "ibex_1", "bridge_customer": "c_1"},
        )
        house.own(deposit, "bridge", "deposit", "x_1")
        house.own(payout, "bridge", "transfer", "x_2")
        house.own(deposit, "ibex", "transaction", "t_1")
        house.own(payout, "ibex", "transaction", "t_2")

    def compare(self, house: House, **shown: list[Record]) -> dict[str, Any]:
        listings = {kind: Listing(shown=records) for kind, records in shown.items()}
        provider = "ibex" if "transaction" in shown else "bridge"
        wanted = Wanted(provider=provider, since=NOW - 7 * DAY, until=NOW)
        self.listings = listings
        return house.show(house.comparer.with_provider(wanted, lambda accounts: self.given(accounts, listings)))

    def given(self, accounts: Any, listings: dict[str, Listing]) -> dict[str, Listing]:
        self.accounts = accounts
        return listings

    def test_agree_together(self, house: House) -> None:
        run = self.compare(house, deposit=[self.DEPOSIT], transfer=[self.TRANSFER])
        assert (run["findings"], run["counts"]["theirs"], run["counts"]["ours"]) == ([], 2, 2)

    def test_with_one_id_do_not_stand_for_each_other(self, house: House) -> None:
        run = self.compare(house, deposit=[self.DEPOSIT], transfer=[self.TRANSFER._replace(id="x_1")])
        assert kinds(run) == {"transfer x_1": "missing_here", "transfer x_2": "missing_there"}

    def test_are_asked_for_again_by_the_accounts_that_their_flows_name(self, house: House) -> None:
        asked = []
        listing = Listing(hidden=[self.DEPOSIT])
        listing.one = lambda name, *, account: asked.append((name, account)) or self.DEPOSIT  # type: ignore[method-assign, assignment, func-returns-value]
        wanted = Wanted(provider="bridge", since=NOW - 7 * DAY, until=NOW)
        transfers = Listing(shown=[self.TRANSFER])
        run = house.show(house.comparer.with_provider(wanted, lambda _: {"deposit": listing, "transfer": transfers}))
        assert asked == [("x_1", "c_1/va_1")]
        assert kinds(run) == {"comparison of deposits": "listing_truncated"}

    def test_close_the_breaks_of_the_kinds_whose_listing_was_whole(self, house: House) -> None:
        wrong = self.TRANSFER._replace(amount=1), self.DEPOSIT._replace(amount=1)
        self.compare(house, deposit=[wrong[1]], transfer=[wrong[0]])
        listing = Listing(hidden=[self.DEPOSIT])
        wanted = Wanted(provider="bridge", since=NOW - 7 * DAY, until=NOW)
        transfers = Listing(shown=[self.TRANSFER])
        house.comparer.with_provider(wanted, lambda _: {"deposit": listing, "transfer": transfers})
        assert house.breaks() == [
            ("amount_differs", "deposit x_1", "open"),
            ("amount_differs", "transfer x_2", "closed"),
            ("listing_truncated", "comparison of deposits", "open"),
        ]

    def test_of_two_kinds_of_flow_are_each_held_against_their_own_amount(self, house: House) -> None:
        """What a deposit was turned into comes to IBEX; what a withdrawal began with leaves it."""
        came = Record("transaction", "t_1", "completed", AT, asset_out="USDT", amount_out=248_750000, account="ibex_1")
        sent = Record("transaction", "t_2", "completed", AT, asset="USDT", amount=100_000000, account="ibex_1")
        run = self.compare(house, transaction=[came, sent])
        assert (run["findings"], list(self.accounts)) == ([], ["ibex_1"])
        run = self.compare(house, transaction=[came._replace(amount_out=1), sent._replace(amount=2)])
        assert kinds(run) == {"transaction t_1": "amount_differs", "transaction t_2": "amount_differs"}

    def test_of_a_file_leave_the_other_kind_alone(self, house: House) -> None:
        self.compare(house, deposit=[self.DEPOSIT._replace(amount=1)], transfer=[self.TRANSFER])
        wanted = Wanted(provider="bridge", since=NOW - 7 * DAY, until=NOW)
        run = house.show(house.comparer.with_records(wanted, BRIDGE_TRANSFER, [self.TRANSFER]))
        assert run["findings"] == []
        assert house.breaks() == [("amount_differs", "deposit x_1", "open")]


class TestDoubt:
    def test_a_listing_that_is_stale_is_not_believed(self, house: House) -> None:
        """What looks wrong is read once more by itself before anyone is called."""
        house.know(transfer="tf_1")
        house.listing.shown = [a_transfer("tf_1", at=AT, status="funds_received")]
        house.listing.fresh = [a_transfer("tf_1", at=AT)]
        assert house.compare()["findings"] == []
        assert house.listing.asked == ["tf_1"]

    def test_an_object_listed_twice_while_it_changes_is_one(self, house: House) -> None:
        house.know(transfer="tf_1")
        house.listing.shown = [a_transfer("tf_1", at=AT, status="approved"), a_transfer("tf_1", at=AT)]
        house.listing.fresh = [a_transfer("tf_1", at=AT)]
        assert house.compare()["findings"] == []

    def test_a_flow_seen_long_after_its_transfer_is_not_missed(self, house: House) -> None:
        """The transfer is older than the window: it is asked for by id, and no listing is blamed."""
        house.know(transfer="tf_1")
        house.listing.hidden = [a_transfer("tf_1", at=NOW - 30 * DAY)]
        assert house.compare()["findings"] == []

    def test_a_listing_cut_short_is_told_and_closes_nothing(self, house: House) -> None:
        for number in range(3):
            house.know(transfer=f"tf_{number}")
        house.know(transfer="tf_9", amount=1)
        everything = [*(a_transfer(f"tf_{number}", at=AT) for number in range(3)), a_transfer("tf_9", at=AT)]
        house.listing.shown = everything
        house.compare()
        house.listing.shown, house.listing.hidden = everything[:1], everything[1:3]

        run = house.compare()

        assert kinds(run)["comparison of transfers acct_1"] == "listing_truncated"
        assert ("amount_differs", "transfer tf_9", "open") in house.breaks()
        assert run["counts"]["closed"] == 0


class TestBreaks:
    def test_close_when_they_are_gone_and_reopen_when_they_return(self, house: House) -> None:
        house.know(transfer="tf_1", amount=1)
        wrong, right = a_transfer("tf_1", at=AT), a_transfer("tf_1", at=AT, amount=1)
        counts = []
        for shown in (wrong, wrong, right, wrong):
            house.listing.shown = [shown]
            run = house.compare()["counts"]
            counts.append((run["opened"], run["reopened"], run["closed"]))
        assert counts == [(1, 0, 0), (0, 0, 0), (0, 0, 1), (0, 1, 0)]
        assert house.history() == ["opened", "closed", "reopened"]
        assert len(house.breaks()) == 1

    def test_of_what_a_listing_does_not_show_any_more_stay_open(self, house: House) -> None:
        """Nobody has it here, so nobody would notice that the listing was cut short. A flow of its own closes it."""
        house.listing.shown = [a_transfer("tf_1", at=AT)]
        house.compare()
        house.listing.shown = []
        house.compare()
        assert house.breaks() == [("missing_here", "transfer tf_1", "open")]
        house.know(transfer="tf_1")
        house.listing.shown = [a_transfer("tf_1", at=AT)]
        assert house.compare()["counts"]["closed"] == 1

    def test_of_another_window_are_left_alone(self, house: House) -> None:
        house.know(transfer="tf_1", amount=1)
        house.listing.shown = [a_transfer("tf_1", at=AT)]
        house.compare()
        house.listing.shown = []
        house.compare(since=NOW - DAY)
        assert house.breaks() == [("amount_differs", "transfer tf_1", "open")]

    def test_that_a_person_resolved_stay_closed_until_something_is_new(self, house: House) -> None:
        house.know(transfer="tf_1", amount=1)
        house.listing.shown = [a_transfer("tf_1", at=AT)]
        house.compare()
        (found,) = house.column("SELECT id FROM breaks")
        actions.resolve(Desk(begin=house.begin, by="ana"), [found], said="paid the rest by hand")
        house.compare()
        assert house.breaks() == [("amount_differs", "transfer tf_1", "closed")]

        house.listing.shown = [a_transfer("tf_1", at=AT, amount=7)]
        assert house.compare()["counts"]["reopened"] == 1
        assert house.breaks() == [("amount_differs", "transfer tf_1", "open")]

    def test_that_a_person_resolved_and_that_went_away_are_new_when_they_return(self, house: House) -> None:
        house.know(transfer="tf_1", amount=1)
        wrong = [a_transfer("tf_1", at=AT)]
        house.listing.shown = wrong
        house.compare()
        (found,) = house.column("SELECT id FROM breaks")
        actions.resolve(Desk(begin=house.begin, by="ana"), [found], said="settled")
        house.listing.shown = [a_transfer("tf_1", at=AT, amount=1)]
        house.compare()
        house.listing.shown = wrong
        assert house.compare()["counts"]["reopened"] == 1


class TestFailure:
    def test_midway_is_written_down_and_closes_nothing(self, house: House) -> None:
        house.know(transfer="tf_1", amount=1)
        house.listing.shown = [a_transfer("tf_1", at=AT), *(a_transfer(f"tf_{n}", at=AT) for n in range(5, 9))]
        house.compare()
        before = house.breaks()
        house.listing.shown = [a_transfer("tf_1", at=AT, amount=1), *house.listing.shown[1:]]
        house.listing.fails_at = 3

        with pytest.raises(RunFailed, match=r"due could not be read: no answer\. No break was opened or closed"):
            house.compare()

        assert house.breaks() == before
        assert house.column("SELECT error FROM reconciliation_runs WHERE status = 'failed'") == [
            "due could not be read: no answer"
        ]
        assert house.column("SELECT count(*) FROM reconciliation_records") == [0]
        assert 240 <= sum(house.waited) <= 300, "it was patient before it gave up"

    def test_of_a_process_is_told_by_the_next_run(self, house: House) -> None:
        house.compare()
        with house.begin() as connection:
            connection.execute(
                text("""UPDATE reconciliation_runs SET status = 'running', finished_at = NULL,
                               alive_at = rk_now() - interval '11 minutes'""")
            )
            connection.execute(
                text("""INSERT INTO reconciliation_records (run_id, kind, external_id, status, at)
                        SELECT id, 'transfer', 'tf_1', 'failed', rk_now() FROM reconciliation_runs""")
            )
        house.compare()
        assert house.column(
            "SELECT status || coalesce(': ' || error, '') FROM reconciliation_runs ORDER BY started_at"
        ) == [
            "failed: its process ended before it was done",
            "finished",
        ]
        assert house.column("SELECT count(*) FROM reconciliation_records") == [0]

    def test_of_being_given_up_meanwhile_writes_nothing(self, house: House) -> None:
        house.listing.shown = [a_transfer("tf_1", at=AT)]

        def give_up() -> None:
            with house.begin() as connection:
                connection.execute(text("UPDATE reconciliation_runs SET status = 'failed', finished_at = rk_now()"))

        comparer = Comparer(begin=house.begin, grace=timedelta(0), keep=give_up)
        with pytest.raises(GivenUp):
            comparer.with_provider(
                Wanted(provider="due", since=NOW - DAY), lambda _accounts: {"transfer": house.listing}
            )
        assert house.breaks() == []

    def test_of_a_window_that_is_none_is_refused(self, house: House) -> None:
        with pytest.raises(Refused, match="--since must lie before --until"):
            house.compare(since=NOW + DAY, until=NOW + 2 * DAY)
        assert house.column("SELECT count(*) FROM reconciliation_runs") == [0]
