"""Turns, ticks and looks: whose listing is read when, once by one worker, and what an end is told as."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import Connection, Engine, text

from db import clock, looks, poll_turns
from db.poll_turns import Subject
from dispatch.jobs import poll_job
from funding.errors import Misconfigured, ProviderUnavailable
from providers.due.provider import TRANSFERS_OF
from tests.simulation.heard import Heard
from tests.support.moved_time import MovedTime
from tests.support.rows import add_flow
from tests.support.shelf import MINUTE, NOON, AlwaysOpen, House, Shelf, thing
from workers.polls import Polls


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    return MovedTime(engine, NOON + 5 * MINUTE)


def paused(time: MovedTime) -> list[tuple[str, str]]:
    with time() as connection:
        rows = connection.execute(text("SELECT provider, paused_reason FROM provider_gates WHERE paused"))
        return [(row.provider, row.paused_reason) for row in rows]


def in_turn(connection: Connection, limit: int) -> Sequence[Subject]:
    """Due's accounts, as its listing of transfers has them walked."""
    return poll_turns.accounts_in_turn(
        connection,
        provider="due",
        poll="transfers",
        links=TRANSFERS_OF.links,
        flows=TRANSFERS_OF.flows,
        named=TRANSFERS_OF.named,
        limit=limit,
    )


class TestTurns:
    def accounts(self, time: MovedTime, limit: int) -> list[str]:
        with time() as connection:
            return [one.name for one in in_turn(connection, limit)]

    @pytest.fixture
    def linked(self, time: MovedTime) -> None:
        with time() as connection:
            connection.execute(text("INSERT INTO customers (id) VALUES ('ana')"))
            connection.execute(
                text("""
                    INSERT INTO customer_links (provider, kind, external_id, customer_id, attributes)
                    SELECT 'due', 'virtual_account', 'va_' || n, 'ana', jsonb_build_object('account', 'acct_' || n % 8)
                      FROM generate_series(0, 15) n
                """)
            )

    @pytest.mark.usefixtures("linked")
    def test_come_round_to_every_account(self, time: MovedTime) -> None:
        """Sixteen virtual accounts of eight accounts, three calls a tick: one call an account, each within three."""
        house = House(time, pages=3, **{f"acct_{n}": Shelf() for n in range(8)})
        house.kind = replace(
            house.kind,
            subjects=in_turn,
        )
        for _ in range(3):
            house.poll()
        assert all(shelf.asked for shelf in house.shelves.values())
        assert sum(len(shelf.asked) for shelf in house.shelves.values()) == 9

    @pytest.mark.usefixtures("linked")
    def test_are_first_of_accounts_with_open_work_but_not_only(self, time: MovedTime) -> None:
        with time() as connection:
            for account in ("acct_3", "acct_6", "acct_unlinked"):
                add_flow(connection, account=account, due_at=time.now)
            add_flow(connection, account="acct_7", status="closed", state="returned")

        assert self.accounts(time, 5) == ["acct_3", "acct_6", "acct_unlinked", "acct_0", "acct_1"]
        assert self.accounts(time, 3) == ["acct_3", "acct_6", "acct_unlinked"]
        assert self.accounts(time, 4)[3] == "acct_0", "a quarter is for those nobody told us of"
        assert len(self.accounts(time, 100)) == 9

    @pytest.mark.usefixtures("linked")
    def test_come_to_one_without_work_after_three_with(self, time: MovedTime) -> None:
        """An account may take several calls: where those with work use all of a tick, others would never be read."""
        with time() as connection:
            for number in range(5):
                add_flow(connection, account=f"acct_{number}", due_at=time.now)
        assert self.accounts(time, 8) == [
            *("acct_0", "acct_1", "acct_2", "acct_5", "acct_3", "acct_4", "acct_6", "acct_7"),
        ]

    def test_are_first_of_flows_that_wait_for_this_provider_now(self, time: MovedTime) -> None:
        """What Bridge still converts has brought nothing to IBEX yet."""
        with time() as connection:
            connection.execute(text("INSERT INTO customers (id) VALUES ('ana'), ('ben')"))
            connection.execute(
                text("""
                    INSERT INTO customer_links (provider, kind, external_id, customer_id)
                    VALUES ('ibex', 'account', 'a', 'ana'), ('ibex', 'account', 'b', 'ben')
                """)
            )
            for customer, provider in (("ana", "bridge"), ("ben", "ibex")):
                flow = add_flow(connection, due_at=time.now)
                connection.execute(
                    text("UPDATE flows SET customer_id = :customer, provider = :provider WHERE id = :id"),
                    {"customer": customer, "provider": provider, "id": flow},
                )
            found = poll_turns.accounts_in_turn(
                connection,
                provider="ibex",
                poll="transactions",
                links=("account",),
                flows=("due_deposit",),
                named=None,
                here=True,
                limit=10,
            )
        assert [(one.name, one.working_since is None) for one in found] == [("b", False), ("a", True)]

    @pytest.mark.usefixtures("linked")
    def test_find_the_accounts_of_a_flow_that_names_none(self, time: MovedTime) -> None:
        """A withdrawal knows whose it is, and that customer's own links know the accounts: all of them, once."""
        with time() as connection:
            connection.execute(text("INSERT INTO customers (id) VALUES ('ben')"))
            connection.execute(
                text("""
                    INSERT INTO customer_links (provider, kind, external_id, customer_id)
                    VALUES ('ibex', 'account', 'of-ana', 'ana'), ('ibex', 'account', 'of-ben-1', 'ben'),
                           ('ibex', 'account', 'of-ben-2', 'ben'), ('ibex', 'address', 'no-account', 'ana')
                """)
            )
            for _ in range(2):
                flow = add_flow(connection, due_at=time.now)
                connection.execute(text("UPDATE flows SET customer_id = 'ben' WHERE id = :id"), {"id": flow})
            found = poll_turns.accounts_in_turn(
                connection,
                provider="ibex",
                poll="transactions",
                links=("account",),
                flows=("due_deposit",),
                named=None,
                limit=10,
            )
        assert [(one.name, one.working_since is None) for one in found] == [
            ("of-ben-1", False),
            ("of-ben-2", False),
            ("of-ana", True),
        ]


class TestAccountsOfALink:
    TRON = "TDeuy7kpVisCUnthKSJWSEa4YctUzB7Ks4"
    ETHEREUM = "0x52908400098527886E0F7030069857D2E4169EE7"

    @pytest.fixture(autouse=True)
    def linked(self, time: MovedTime) -> None:
        with time() as connection:
            connection.execute(text("INSERT INTO customers (id) VALUES ('ana'), ('ben')"))
            connection.execute(
                text("""
                    INSERT INTO customer_links (provider, kind, external_id, customer_id, attributes) VALUES
                      ('ibex', 'address', :tron, 'ana', '{}'),
                      ('ibex', 'address', :ethereum, 'ana', '{"account": "of-usdc"}'),
                      ('ibex', 'account', 'of-usdt', 'ana', '{}'), ('ibex', 'account', 'of-usdc', 'ana', '{}'),
                      ('ibex', 'account', 'of-ben', 'ben', '{}'),
                      ('bridge', 'account', 'elsewhere', 'ana', '{}')
                """),
                {"tron": self.TRON, "ethereum": self.ETHEREUM},
            )

    def accounts(self, time: MovedTime, address: str) -> list[str]:
        with time() as connection:
            return poll_turns.accounts_of(connection, "ibex", "address", address, ("address.account", "account"))

    def test_are_all_of_its_customer(self, time: MovedTime) -> None:
        assert self.accounts(time, self.TRON) == ["of-usdc", "of-usdt"]

    def test_are_what_the_link_itself_says_and_no_other(self, time: MovedTime) -> None:
        assert self.accounts(time, self.ETHEREUM) == ["of-usdc"]

    def test_are_found_though_somebody_linked_it_in_capitals(self, time: MovedTime) -> None:
        """Ethereum's addresses are told in lower case, Tron's as they are: in another case those are others."""
        assert self.accounts(time, self.ETHEREUM.lower()) == ["of-usdc"]
        assert self.accounts(time, self.TRON.swapcase()) == []

    def test_are_none_of_an_address_nobody_linked(self, time: MovedTime) -> None:
        assert self.accounts(time, "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8") == []


class TestTick:
    def tick(self, time: MovedTime, job: str) -> datetime:
        with time() as connection:
            connection.execute(
                text("INSERT INTO ticks (job, slot, term) VALUES (:job, :slot, 1)"), {"job": job, "slot": time.now}
            )
        return time.now

    def ended(self, time: MovedTime) -> tuple[str | None, str | None]:
        with time() as connection:
            row = connection.execute(text("SELECT outcome, detail FROM ticks")).one()
            return row.outcome, row.detail

    def worker(self, house: House, **chores: Callable[..., str]) -> Polls:
        return Polls(
            begin=house.time,
            walker=house.walker,
            wake=Heard(),
            doors=AlwaysOpen(),
            polls={("due", "transfers"): house.kind},
            looks={},
            chores=chores,
        )

    def test_runs_its_poll_once(self, time: MovedTime) -> None:
        shelf = Shelf(thing("a"))
        house = House(time, acct=shelf)
        slot = self.tick(time, poll_job("due", "transfers"))
        for _ in range(2):
            self.worker(house).run_tick(poll_job("due", "transfers"), slot)

        assert len(shelf.asked) == 1
        assert self.ended(time) == ("done", "1 news of 1 findings on 1 pages")

    def test_says_that_the_provider_was_away(self, time: MovedTime) -> None:
        shelf = Shelf()
        shelf.fails[1] = ProviderUnavailable("refused", provider="due")
        slot = self.tick(time, poll_job("due", "transfers"))
        self.worker(House(time, acct=shelf)).run_tick(poll_job("due", "transfers"), slot)
        assert self.ended(time) == ("unavailable", "refused")

    def test_that_is_refused_pauses_its_provider_at_once(self, time: MovedTime) -> None:
        """The same key would be refused again each minute, and nobody would be told."""
        shelf = Shelf()
        shelf.fails[1] = Misconfigured("due answered 401", provider="due", status=401)
        slot = self.tick(time, poll_job("due", "transfers"))
        self.worker(House(time, acct=shelf)).run_tick(poll_job("due", "transfers"), slot)
        assert self.ended(time) == ("refused", "due answered 401; due is paused until somebody resumes it")
        assert paused(time) == [("due", "it refused us: due answered 401")]

    def test_of_a_bug_is_finished_so_that_the_next_slot_runs(self, time: MovedTime) -> None:
        def fails(_: object) -> str:
            raise ZeroDivisionError

        slot = self.tick(time, "invariants")
        with pytest.raises(ZeroDivisionError):
            self.worker(House(time), invariants=fails).run_tick("invariants", slot)
        assert self.ended(time) == ("failed", "ZeroDivisionError")

    def test_of_another_release_is_finished_too(self, time: MovedTime) -> None:
        slot = self.tick(time, "feed_the_cat")
        self.worker(House(time)).run_tick("feed_the_cat", slot)
        assert self.ended(time) == ("done", "nothing here knows this job")

    def test_lost_by_its_worker_stops_it(self, time: MovedTime) -> None:
        """It slept through its lease, another worker holds the tick: what it read is not written."""
        shelf = Shelf(thing("a"))
        house = House(time, acct=shelf)
        job = poll_job("due", "transfers")
        slot = self.tick(time, job)

        def sleeps() -> None:
            shelf.before_page = lambda: None
            time.passes(seconds=61)
            with time() as connection:
                assert clock.claim_tick(connection, job, slot)

        shelf.before_page = sleeps
        self.worker(house).run_tick(job, slot)
        assert (house.inbox(), self.ended(time)) == ([], (None, None))


class TestLook:
    def worker(self, time: MovedTime, shelf: Shelf) -> Polls:
        house = House(time)
        return Polls(
            begin=time,
            walker=house.walker,
            wake=Heard(),
            doors=AlwaysOpen(),
            polls={},
            looks={("due", "due_transfer"): lambda _: shelf},
            chores={},
        )

    def waiting(self, time: MovedTime) -> list[float]:
        with time() as connection:
            rows = connection.execute(text("SELECT extract(epoch FROM due_at - rk_now()) FROM looks")).scalars()
            return [float(row) for row in rows]

    def ask(self, time: MovedTime) -> None:
        with time() as connection:
            looks.ask(connection, "due", "due_transfer", "acct/a")

    def test_that_finds_news_is_over(self, time: MovedTime) -> None:
        self.ask(time)
        self.worker(time, Shelf(thing("a"))).run_look("due", "due_transfer", "acct/a")
        assert self.waiting(time) == []
        assert House(time).inbox() == ["poll:transfer:a:1"]

    def test_that_finds_nothing_yet_is_repeated_for_two_minutes(self, time: MovedTime) -> None:
        shelf = Shelf()
        worker = self.worker(time, shelf)
        self.ask(time)
        waits = []
        worker.run_look("due", "due_transfer", "acct/a")
        while waiting := self.waiting(time):
            waits += waiting
            time.passes(seconds=waiting[0])
            worker.run_look("due", "due_transfer", "acct/a")
        assert waits == [2, 4, 8, 16, 32, 60]
        assert len(shelf.asked) == 7

    def test_asked_for_while_it_is_under_way_is_done_again(self, time: MovedTime) -> None:
        shelf = Shelf(thing("a"))
        worker = self.worker(time, shelf)
        self.ask(time)
        shelf.before_page = lambda: self.ask(time)
        worker.run_look("due", "due_transfer", "acct/a")
        assert self.waiting(time) == [0]

        shelf.before_page = lambda: None
        shelf.things.append(thing("b"))
        worker.run_look("due", "due_transfer", "acct/a")
        assert self.waiting(time) == []
        assert len(shelf.asked) == 2

    def test_that_is_refused_pauses_its_provider_at_once(self, time: MovedTime) -> None:
        shelf = Shelf()
        shelf.fails[1] = Misconfigured("due answered 403", provider="due", status=403)
        self.ask(time)
        self.worker(time, shelf).run_look("due", "due_transfer", "acct/a")
        assert paused(time) == [("due", "it refused us: due answered 403")]
        assert self.waiting(time) == [60]

    def test_of_a_provider_that_is_away_waits_a_minute(self, time: MovedTime) -> None:
        shelf = Shelf()
        shelf.fails[1] = ProviderUnavailable("refused", provider="due")
        self.ask(time)
        self.worker(time, shelf).run_look("due", "due_transfer", "acct/a")
        assert self.waiting(time) == [60]

    def test_that_leads_nowhere_is_over(self, time: MovedTime) -> None:
        with time() as connection:
            looks.ask(connection, "due", "no_such_poll", "x")
        self.worker(time, Shelf()).run_look("due", "no_such_poll", "x")
        assert self.waiting(time) == []

    def test_is_done_by_one_worker(self, time: MovedTime) -> None:
        shelf = Shelf(thing("a"))
        self.ask(time)
        worker = self.worker(time, shelf)
        shelf.before_page = lambda: worker.run_look("due", "due_transfer", "acct/a")
        worker.run_look("due", "due_transfer", "acct/a")
        assert len(shelf.asked) == 1
