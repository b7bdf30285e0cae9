"""The polls against the pretended providers: with no webhook at all, everything still enters by the one door."""

import threading
import time as clock_time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from db.engine import UnitOfWork, unit_of_work
from db.gates import GateRows
from db.sealing import Sealer
from funding.flows.table import FLOWS
from funding.money import Money
from funding.ports.alpaca import JournalOrder
from providers.alpaca.provider import AlpacaConfig
from providers.due.provider import DueConfig
from providers.registry import (
    INTERPRETERS,
    Providers,
    ProvidersConfig,
    Surroundings,
    build,
)
from sandbox.server import SandboxServer
from scheduler.leader import Leadership
from scheduler.metrics import ClockMetrics
from scheduler.streams import StreamReader
from tests.support.moved_time import MovedTime
from workers.ingest import Ingest
from workers.listings import looks_of, polls_of
from workers.sweeps import Sweeps
from workers.walks import Polled, Walker

EVERY = timedelta(minutes=1)


@pytest.fixture
def pretended() -> Iterator[SandboxServer]:
    config = {
        "firm_cash": "1000.00",
        "due_webhook_url": "http://127.0.0.1:9/webhooks/due",
        "heartbeat_seconds": 0.2,
        "payout_delay_seconds": 0.0,
    }
    with SandboxServer(seed=11, config=config) as server:
        server.world.faults.set("webhook_dropped", "due")
        yield server


@pytest.fixture
def begin(engine: Engine) -> UnitOfWork:
    return unit_of_work(engine)


@pytest.fixture
def providers(pretended: SandboxServer, begin: UnitOfWork) -> Iterator[Providers]:
    told = pretended.ready()
    built = build(
        ProvidersConfig(
            each=(
                DueConfig(base_url=told["due"], api_keys=[told["due_api_key"]]),
                AlpacaConfig(
                    base_url=told["alpaca"],
                    keys=[(told["alpaca_key_id"], told["alpaca_secret"])],
                    firm_account=told["alpaca_firm_account_id"],
                ),
            ),
            threads=8,
            redis_url=None,
        ),
        Surroundings(gate_store=GateRows(begin)),
    )
    yield built
    built.close()


class Woken:
    """Hears which events were announced."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def events(self, ids: Sequence[int]) -> None:
        self.ids += ids


class House:
    """A worker that polls and ingests when told to."""

    def __init__(self, engine: Engine, providers: Providers, pretended: SandboxServer) -> None:
        self.engine = engine
        self.begin = begin = unit_of_work(engine)
        self.pretended = pretended
        self.woken = Woken()
        self.walker = Walker(begin=begin, wake=self.woken, sealer=Sealer())  # type: ignore[arg-type]
        self.polls = polls_of(providers, EVERY)
        self.looks = looks_of(providers, begin)
        self.sweeps = Sweeps(begin=begin, limits={}, enabled=(), alpaca=providers.ports()["alpaca"])

    def poll(self, provider: str, name: str) -> Polled:
        return self.walker.poll(self.polls[provider, name], lambda _: True)

    def ingest(self) -> None:
        class Silent:
            def flows(self, items: object) -> list[UUID]:
                return []

            def looks(self, items: object) -> None:
                pass

        handler = Ingest(
            begin=self.begin,
            flows=FLOWS,
            interpreters=INTERPRETERS,
            sealer=Sealer(),
            wake=Silent(),  # type: ignore[arg-type]
        )
        handler.handle(self.woken.ids)
        self.woken.ids.clear()

    def two_minutes_later(self) -> None:
        """The sweeps see a database in which nothing has moved for a while."""
        later = MovedTime(self.engine, datetime.now(UTC) + timedelta(minutes=2))
        self.sweeps = replace(self.sweeps, begin=later)

    def column(self, query: str) -> list[str]:
        with self.begin() as connection:
            return [str(value) for value in connection.execute(text(query)).scalars()]

    def link(self) -> tuple[str, str]:
        """A customer's virtual account: its id and its account's."""
        with self.pretended.world.lock:
            due = self.pretended.world.due
            owner = due.add_account().id
            account = due.add_virtual_account(owner, due.add_recipient(owner, firm=True).id)
        with self.begin() as connection:
            connection.execute(text("INSERT INTO customers (id) VALUES ('ana') ON CONFLICT DO NOTHING"))
            connection.execute(
                text("""
                    INSERT INTO customer_links (provider, kind, external_id, customer_id, attributes)
                    VALUES ('due', 'virtual_account', :id, 'ana', jsonb_build_object('account', CAST(:account AS text)))
                """),
                {"id": account.id, "account": owner},
            )
        return account.id, owner


@pytest.fixture
def house(engine: Engine, providers: Providers, pretended: SandboxServer) -> House:
    return House(engine, providers, pretended)


def until(fact: Callable[[], bool], *, seconds: float = 10) -> None:
    deadline = clock_time.monotonic() + seconds
    while not fact():
        assert clock_time.monotonic() < deadline, "not in time"
        clock_time.sleep(0.05)


class TestDue:
    def test_deposits_are_found_account_by_account(self, house: House) -> None:
        made = []
        for _ in range(2):
            virtual_account, _ = house.link()
            made.append(house.pretended.world.due.deposit(virtual_account, step_seconds=0))

        def found() -> bool:
            house.poll("due", "transfers")
            house.ingest()
            return len(house.column("SELECT id FROM flows")) == len(made)

        until(found)
        assert sorted(house.column("SELECT external_id FROM flow_references")) == sorted(made)
        assert set(house.column("SELECT customer_id FROM flows")) == {"ana"}

    def test_deposits_are_found_in_the_delivery_log_too(self, house: House) -> None:
        """One call for all customers, under the ids that the lost webhooks bore."""
        virtual_account, _ = house.link()
        made = house.pretended.world.due.deposit(virtual_account, step_seconds=0)

        def found() -> bool:
            house.poll("due", "deliveries")
            house.ingest()
            return house.column("SELECT external_id FROM flow_references") == [made]

        until(found)
        assert all(event.startswith("wh_evt") for event in house.column("SELECT event_id FROM inbox_events"))
        until(lambda: house.poll("due", "deliveries").news == 0)
        assert house.column("SELECT duplicates FROM inbox_events WHERE duplicates > 0") == []

    def test_a_listing_cut_short_is_told_and_read_again(self, house: House) -> None:
        virtual_account, owner = house.link()
        for _ in range(4):
            house.pretended.world.due.deposit(virtual_account, path=("funds_received",))
        until(lambda: house.poll("due", "transfers").findings == 4)
        clock_time.sleep(1.1)  # a window begins on a whole second
        house.pretended.world.faults.set("truncated_listing", "due", times=1)
        house.poll("due", "transfers")

        assert house.column("SELECT subject FROM breaks WHERE status = 'open'") == [f"transfers {owner}"]
        house.poll("due", "transfers")
        assert house.column("SELECT status FROM breaks") == ["closed"]

    def test_a_virtual_account_leads_a_look_to_its_account(self, house: House) -> None:
        virtual_account, _ = house.link()
        made = house.pretended.world.due.deposit(virtual_account, path=("funds_received",))
        listing = house.looks["due", "due_virtual_account"](virtual_account)
        assert listing
        with house.begin() as connection:
            now = connection.execute(text("SELECT rk_now()")).scalar_one()
        house.walker.look("due", "due_virtual_account", virtual_account, listing, at=now)

        assert house.column("SELECT event_id FROM inbox_events") == [f"poll:transfer:{made}:1"]
        assert house.looks["due", "due_virtual_account"]("va_unknown") is None
        assert house.looks["due", "due_transfer"]("acct_without_transfer") is None


class TestAlpaca:
    def test_the_firms_cash_is_booked_and_agrees(self, house: House) -> None:
        """Cash that came in, and cash that changes without any activity: only the second is a break."""
        assert house.sweeps.check_invariants() == "0 violated; firm cash is moving", "no activity was read yet"
        assert house.poll("alpaca", "activities").news == 1
        house.ingest()
        house.two_minutes_later()
        assert house.sweeps.check_invariants() == "0 violated; firm cash agrees"
        assert house.column("SELECT amount FROM balance_readings WHERE name = 'before_our_books'") == ["0"]

        alpaca = house.pretended.world.alpaca
        firm = alpaca.accounts[alpaca.firm_account_id]
        with house.pretended.world.lock:
            firm.cash -= 7
        assert house.sweeps.check_invariants() == "0 violated; firm cash differs"
        assert house.column("SELECT amount_at_risk FROM breaks WHERE status = 'open'") == ["700"]

        with house.pretended.world.lock:
            firm.cash += 7
        assert house.sweeps.check_invariants() == "0 violated; firm cash agrees"
        assert house.column("SELECT status FROM breaks") == ["closed"]

    def test_journals_are_found_by_poll_and_by_stream(
        self, house: House, providers: Providers, begin: UnitOfWork
    ) -> None:
        alpaca = house.pretended.world.alpaca
        with house.pretended.world.lock:
            customer = alpaca.add_account()
        leadership = Leadership(begin)
        leadership.step()
        reader = StreamReader(
            providers.connected["alpaca"].streams["journals"],
            provider="alpaca",
            name="journals",
            lead=lambda: (leadership.step(), leadership.lead)[1],
            begin=begin,
            wake=house.woken.events,
            sealer=Sealer(),
            metrics=ClockMetrics(),
        )
        thread = threading.Thread(target=reader.run)
        thread.start()
        try:
            house.pretended.world.faults.set("stream_closed", "alpaca", times=1)
            made = [self.journal(providers, customer) for _ in range(3)]
            stream = "SELECT event_id FROM inbox_events WHERE source = 'stream'"
            until(lambda: len(house.column(stream)) == 9, seconds=20)
        finally:
            reader.stop()
            thread.join(5)
        assert not thread.is_alive()
        house.poll("alpaca", "journals")
        found = house.column("SELECT event_id FROM inbox_events WHERE source = 'poll'")
        assert sorted(found) == sorted(f"poll:journal:{journal}:1" for journal in made)

    @staticmethod
    def journal(providers: Providers, customer: str) -> str:
        journals = providers.ports()["alpaca"]
        order = JournalOrder(to_account=customer, amount=Money(100, "USD"), reference="flow")
        made: str = journals.create_journal(journals.journal_request(order), key=uuid4()).id
        return made
