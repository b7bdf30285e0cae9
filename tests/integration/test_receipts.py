"""Receipts: who is woken by tokens that came, what is kept of them, and what becomes of those that nobody takes."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, TextClause, text

from db import flows, inbox, polls, receipts
from db.claims import Claim
from db.engine import make_engine, unit_of_work
from db.gates import GateRows
from db.inbox import Arrival
from db.other_flows import OtherFlows
from db.polls import Walk
from db.sealing import Sealer
from funding.facts import TokensArrived
from funding.money import Money
from providers.ibex import exact
from providers.ibex.interpret import polled
from providers.ibex.provider import IbexConfig
from providers.registry import INTERPRETERS, Providers, ProvidersConfig, Surroundings, build
from sandbox.server import SandboxServer
from tests.support.moved_time import MovedTime
from tests.support.rows import add_flow
from workers.ingest import Ingest
from workers.listings import looks_of, polls_of
from workers.sweeps import UNCLAIMED_AT_MOST, Sweeps
from workers.walks import Walker

LONG_S = 30
A_MOMENT_S = 1.0
ON_RAMP = ("bridge_on_ramp", "sent_on_chain")
WITHDRAWAL = ("bridge_withdrawal", "returned")


class Silent:
    """Nobody is told: what is due is read from the database."""

    def flows(self, _items: object) -> list[UUID]:
        return []

    def looks(self, _items: object) -> None:
        pass

    def events(self, _ids: object) -> None:
        pass


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url, pool=4)
    yield engine
    engine.dispose()


@pytest.fixture
def time(engine: Engine) -> MovedTime:
    return MovedTime(engine)


@pytest.fixture(autouse=True)
def customers(time: MovedTime) -> None:
    """Ana and Ben, each with an account at IBEX; Ana's name for it at Due is the same as Ben's at IBEX."""
    with time() as connection:
        connection.execute(text("INSERT INTO customers (id) VALUES ('ana'), ('ben')"))
        connection.execute(
            text("""
                INSERT INTO customer_links (provider, kind, external_id, customer_id)
                VALUES ('ibex', 'account', 'of-ana', 'ana'), ('ibex', 'account', 'of-ben', 'ben'),
                       ('due', 'account', 'of-ben', 'ana')
            """)
        )


def a_flow(connection: Connection, customer: str, kind: tuple[str, str], *, status: str = "open") -> UUID:
    flow = add_flow(connection, due_at=datetime(2030, 1, 1, tzinfo=UTC) if status == "open" else None, status=status)
    connection.execute(
        text("UPDATE flows SET customer_id = :customer, kind = :kind, state = :state WHERE id = :id"),
        {"customer": customer, "kind": kind[0], "state": kind[1], "id": flow},
    )
    return flow


def own(connection: Connection, flow: UUID, transaction: str) -> None:
    connection.execute(
        text("""
            INSERT INTO flow_references (provider, kind, external_id, flow_id)
            VALUES ('ibex', 'transaction', :id, :flow)
        """),
        {"id": transaction, "flow": flow},
    )


def shown(transaction: str, *, account: str = "of-ana", kind: int = 9, status: str = "completed") -> bytes:
    row = (
        f'{{"id":"{transaction}","accountId":"{account}","createdAt":"2026-03-04T11:00:00Z","amount":49.500000,'
        f'"currencyId":29,"transactionTypeId":{kind},"status":"{status}"}}'
    )
    return polled(exact.parse(row))


def hear(time: MovedTime, *bodies: bytes) -> list[int]:
    """Events of a poll, in the inbox; their ids."""
    with time() as connection:
        before = connection.execute(text("SELECT count(*) FROM inbox_events")).scalar_one()
        arrivals = [
            Arrival(provider="ibex", event_id=f"{before + n}", route="ibex", type=None, source="poll", body=body)
            for n, body in enumerate(bodies)
        ]
        return [one.id for one in inbox.insert_events(connection, arrivals)]


def handle(time: MovedTime, ids: Sequence[int]) -> None:
    wake: Any = Silent()
    Ingest(begin=time, flows={}, interpreters=INTERPRETERS, sealer=Sealer(), wake=wake).handle(ids)


def woken(time: MovedTime) -> set[UUID]:
    with time() as connection:
        return set(connection.execute(text("SELECT id FROM flows WHERE wakes > 0 AND due_at <= rk_now()")).scalars())


def rows(time: MovedTime, query: str) -> list[tuple[Any, ...]]:
    with time() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


class TestTokensThatCame:
    def test_wake_who_waits_for_them_on_that_account_and_nobody_else(self, time: MovedTime) -> None:
        with time() as connection:
            waiting = {a_flow(connection, "ana", ON_RAMP), a_flow(connection, "ana", WITHDRAWAL)}
            a_flow(connection, "ana", ("bridge_on_ramp", "converting"))
            a_flow(connection, "ana", ("bridge_withdrawal", "paying_out"))
            a_flow(connection, "ana", ON_RAMP, status="closed")
            a_flow(connection, "ben", ON_RAMP)
        handle(time, hear(time, shown("tx_1")))
        assert woken(time) == waiting
        assert rows(time, "SELECT transaction_id, account, asset, amount, status FROM receipts") == [
            ("tx_1", "of-ana", "USDT", 49_500000, "completed")
        ]
        assert rows(time, "SELECT state FROM inbox_events") == [("handled",)]

    def test_are_one_receipt_however_often_they_are_told_of(self, time: MovedTime) -> None:
        with time() as connection:
            flow = a_flow(connection, "ana", ON_RAMP)
        handle(time, hear(time, shown("tx_1"), shown("tx_1")))
        handle(time, hear(time, shown("tx_1")))
        assert rows(time, "SELECT count(*) FROM receipts") == [(1,)]
        assert rows(time, "SELECT id, wakes FROM flows") == [(flow, 2)], "a batch wakes once"

    def test_wake_nobody_while_they_are_on_their_way(self, time: MovedTime) -> None:
        """Each flow that they woke would ask IBEX for them, which allows few calls, and could do nothing yet."""
        with time() as connection:
            flow = a_flow(connection, "ana", ON_RAMP)
        handle(time, hear(time, shown("tx_1", status="pending")))
        assert rows(time, "SELECT status FROM receipts") == [("pending",)]
        assert woken(time) == set()
        handle(time, hear(time, shown("tx_1", status="under_observation")))
        assert woken(time) == {flow}, "who knows what that means"

    def test_are_known_to_the_flow_that_waits_for_them(self, time: MovedTime) -> None:
        """What a poll has read is not listed again: but of no other account, and nothing that is taken or not there."""
        with time() as connection:
            mine, other = a_flow(connection, "ana", ON_RAMP), a_flow(connection, "ana", ON_RAMP)
        there = ["tx_2", "tx_1", "taken", "mine"]
        handle(time, hear(time, *map(shown, there), shown("else", account="of-ben"), shown("way", status="pending")))
        with time() as connection:
            own(connection, other, "taken")
            own(connection, mine, "mine")
        others = OtherFlows(time, cast("Claim", SimpleNamespace(flow=SimpleNamespace(id=mine))))
        made = datetime(2026, 3, 4, 11, tzinfo=UTC)

        brought = Money(49_500000, "USDT")
        known = others.arrivals("ibex", "of-ana", since=made)
        assert known == ([("mine", brought), ("tx_1", brought), ("tx_2", brought)], False)
        assert others.arrivals("ibex", "of-ana", since=made + timedelta(seconds=1)).there == []

    def test_are_all_that_there_is_as_long_as_polls_read_the_account(self, time: MovedTime) -> None:
        """A walk that began is not one that ended, and one of long ago says nothing of now."""
        with time() as connection:
            flow = a_flow(connection, "ana", ON_RAMP)
        others = OtherFlows(time, cast("Claim", SimpleNamespace(flow=SimpleNamespace(id=flow))))

        def polled() -> bool:
            return others.arrivals("ibex", "of-ana", since=time.now).polled

        def walk(account: str) -> Walk:
            with time() as connection:
                few = timedelta(hours=1)
                return polls.begin_walk(connection, "ibex", "transactions", account, overlap=few, first=few)

        with time() as connection:
            polls.end_walk(connection, walk("of-ben"), covers=None, found=0)
        under_way = walk("of-ana")
        assert not polled()
        with time() as connection:
            polls.end_walk(connection, under_way, covers=None, found=0)
        assert polled()
        time.passes(minutes=6)
        assert not polled()

    def test_of_an_account_nobody_has_are_kept_all_the_same(self, time: MovedTime) -> None:
        with time() as connection:
            a_flow(connection, "ana", ON_RAMP)
        handle(time, hear(time, shown("tx_1", account="of-nobody")))
        assert rows(time, "SELECT account FROM receipts") == [("of-nobody",)]
        assert woken(time) == set()

    @pytest.mark.parametrize(
        ("told", "kept"),
        [
            (("pending", "completed"), "completed"),
            (("completed", "pending"), "completed"),
            (("pending", "under_observation"), "under_observation"),
            (("completed", "failed"), "failed"),
            (("failed", "pending"), "failed"),
        ],
    )
    def test_do_not_go_back_on_their_way(self, time: MovedTime, told: tuple[str, str], kept: str) -> None:
        """Two workers handle what two polls have seen: the earlier news may be handled last."""
        for status in told:
            handle(time, hear(time, shown("tx_1", status=status)))
        assert rows(time, "SELECT status FROM receipts") == [(kept,)]

    def test_keep_the_hash_that_a_listing_does_not_show(self, time: MovedTime) -> None:
        arrived = TokensArrived(
            transaction="tx_1",
            account="of-ana",
            amount=Money(1, "USDT"),
            status="completed",
            at=time.now,
            address="TXy",
            chain_hash="ab",
        )
        with time() as connection:
            receipts.keep(connection, "ibex", arrived)
        handle(time, hear(time, shown("tx_1")))
        assert rows(time, "SELECT address, chain_hash, amount FROM receipts") == [("TXy", "ab", 49_500000)]

    def test_are_told_apart_from_a_send_that_is_waited_for(self, time: MovedTime) -> None:
        """Its transaction may be known before its reference is written: then the flow that sent it hears of it."""
        with time() as connection:
            flow = a_flow(connection, "ana", ("bridge_withdrawal", "held"))
        handle(time, ids := hear(time, shown("tx_out", kind=10)))
        assert rows(time, "SELECT state, waits_for FROM inbox_events") == [("deferred", "ibex/transaction/tx_out")]
        with time() as connection:
            own(connection, flow, "tx_out")
        time.passes(minutes=1)
        handle(time, ids)
        assert woken(time) == {flow}
        assert rows(time, "SELECT count(*) FROM receipts") == [(0,)]


def both_have_one(act: Callable[..., Any]) -> Callable[..., Any]:
    """Each of two threads goes on after its first time when the other has done so too, or cannot for now."""
    barrier, mine = threading.Barrier(2), threading.local()

    def meet(*args: Any, **named: Any) -> Any:
        done = act(*args, **named)
        if not getattr(mine, "met", False):
            mine.met = True
            with suppress(threading.BrokenBarrierError):
                barrier.wait(A_MOMENT_S)
        return done

    return meet


class TestTwoWorkers:
    def test_never_wait_for_each_other_in_a_circle(self, time: MovedTime, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each has tokens for a flow whose send the other has news of: both lock both, in one order."""
        with time() as connection:
            of_ana, of_ben = a_flow(connection, "ana", ON_RAMP), a_flow(connection, "ben", ON_RAMP)
            own(connection, of_ana, "out_ana")
            own(connection, of_ben, "out_ben")
        one = hear(time, shown("in_1", account="of-ana"), shown("out_ben", kind=10))
        other = hear(time, shown("in_2", account="of-ben"), shown("out_ana", kind=10))
        monkeypatch.setattr(flows, "lock", both_have_one(flows.lock))
        with ThreadPoolExecutor(2) as pool:
            for batch in [pool.submit(handle, time, ids) for ids in (one, other)]:
                batch.result(LONG_S)
        assert rows(time, "SELECT state, count(*) FROM inbox_events GROUP BY 1") == [("handled", 4)]
        assert rows(time, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
        assert rows(time, "SELECT DISTINCT wakes FROM flows") == [(2,)]


class TestUnclaimed:
    @pytest.fixture
    def sweeps(self, time: MovedTime) -> Sweeps:
        return Sweeps(begin=time, limits={}, enabled=(), alpaca=None)

    def breaks(self, time: MovedTime) -> list[tuple[Any, ...]]:
        return rows(time, "SELECT type, subject, status FROM breaks ORDER BY subject")

    def test_receipts_are_told_of_after_a_day(self, time: MovedTime, sweeps: Sweeps) -> None:
        handle(time, hear(time, shown("tx_1"), shown("tx_2", account="of-nobody")))
        time.passes(hours=23)
        assert sweeps.find_unclaimed() == "0 receipts unclaimed, 0 taken"
        time.passes(hours=2)
        assert sweeps.find_unclaimed() == "2 receipts unclaimed, 0 taken"
        assert sweeps.find_unclaimed() == "0 receipts unclaimed, 0 taken", "each is told once"
        told = rows(time, "SELECT subject, theirs, amount_at_risk, asset, suggested_action FROM breaks ORDER BY 1")
        came = "49.500000 USDT came to account"
        assert [one[:4] for one in told] == [
            ("transaction tx_1", f"{came} of-ana of ana, at 2026-03-04 11:00 UTC: completed", 49_500000, "USDT"),
            (
                "transaction tx_2",
                f"{came} of-nobody, which nobody has, at 2026-03-04 11:00 UTC: completed",
                49_500000,
                "USDT",
            ),
        ]
        assert all("rampkeeper flows list" in one[4] for one in told)

    def test_break_closes_once_a_flow_has_taken_it(self, time: MovedTime, sweeps: Sweeps) -> None:
        handle(time, hear(time, shown("tx_1"), shown("tx_2")))
        time.passes(hours=25)
        sweeps.find_unclaimed()
        with time() as connection:
            own(connection, a_flow(connection, "ana", ON_RAMP), "tx_1")
        assert sweeps.find_unclaimed() == "0 receipts unclaimed, 1 taken"
        assert self.breaks(time) == [
            ("unmatched_event", "transaction tx_1", "closed"),
            ("unmatched_event", "transaction tx_2", "open"),
        ]
        assert ("a flow has taken it",) in rows(time, "SELECT note FROM break_history")

    def test_one_that_failed_is_nobodys_concern(self, time: MovedTime, sweeps: Sweeps) -> None:
        handle(time, hear(time, shown("tx_1", status="failed"), shown("tx_2", status="pending")))
        time.passes(hours=25)
        assert sweeps.find_unclaimed() == "1 receipts unclaimed, 0 taken"
        handle(time, hear(time, shown("tx_2", status="failed")))
        sweeps.find_unclaimed()
        assert self.breaks(time) == [("unmatched_event", "transaction tx_2", "closed")]

    def test_one_that_was_taken_is_never_told_of(self, time: MovedTime, sweeps: Sweeps) -> None:
        handle(time, hear(time, shown("tx_1")))
        with time() as connection:
            own(connection, a_flow(connection, "ana", ON_RAMP), "tx_1")
        time.passes(hours=25)
        assert sweeps.find_unclaimed() == "0 receipts unclaimed, 0 taken"

    def test_one_that_a_person_has_settled_stays_so(self, time: MovedTime, sweeps: Sweeps) -> None:
        handle(time, hear(time, shown("tx_1")))
        time.passes(hours=25)
        sweeps.find_unclaimed()
        with time() as connection:
            connection.execute(text("UPDATE breaks SET status = 'closed', closed_at = rk_now(), resolved_by = 'eve'"))
        assert sweeps.find_unclaimed() == "0 receipts unclaimed, 0 taken"
        assert self.breaks(time) == [("unmatched_event", "transaction tx_1", "closed")]

    def test_one_stays_open_however_long_it_takes(self, time: MovedTime, sweeps: Sweeps) -> None:
        handle(time, hear(time, shown("tx_1")))
        time.passes(hours=25)
        sweeps.find_unclaimed()
        time.now += 2 * UNCLAIMED_AT_MOST
        sweeps.find_unclaimed()
        assert self.breaks(time) == [("unmatched_event", "transaction tx_1", "open")]

    def test_leave_breaks_of_other_things_alone(self, time: MovedTime, sweeps: Sweeps) -> None:
        """Ingest opens breaks of the same type about sends that nobody made."""
        handle(time, hear(time, shown("tx_1")))
        with time() as connection:
            own(connection, a_flow(connection, "ana", ON_RAMP), "tx_1")
            connection.execute(
                text("""
                    INSERT INTO breaks (id, provider, type, subject, found_by, status)
                    VALUES (gen_random_uuid(), 'ibex', 'unmatched_event', 'transaction tx_1', 'ingest', 'open')
                """)
            )
        assert sweeps.find_unclaimed() == "0 receipts unclaimed, 0 taken"
        assert self.breaks(time) == [("unmatched_event", "transaction tx_1", "open")]


MANY = text("""
    WITH c AS (INSERT INTO customers (id) SELECT 'many-' || n FROM generate_series(1, 4000) n RETURNING id),
         l AS (INSERT INTO customer_links (provider, kind, external_id, customer_id)
               SELECT 'ibex', 'account', id, id FROM c),
         f AS (INSERT INTO flows (id, kind, state, status, customer_id, closed_at, created_at)
               SELECT gen_random_uuid(), 'bridge_on_ramp', 'credited', 'closed', id, rk_now(), rk_now() FROM c
               RETURNING id, customer_id),
         r AS (INSERT INTO flow_references (provider, kind, external_id, flow_id)
               SELECT 'ibex', 'transaction', 'tx-' || customer_id, id FROM f),
         b AS (INSERT INTO breaks (id, provider, type, subject, found_by, status, closed_at)
               SELECT gen_random_uuid(), 'ibex', 'unmatched_event', 'transaction tx-' || id, 'sweep', 'closed', rk_now()
                 FROM c)
    INSERT INTO receipts (provider, transaction_id, account, asset, amount, status, happened_at, first_seen_at)
    SELECT 'ibex', 'tx-' || id, id, 'USDT', 1, 'completed', rk_now(), rk_now() - interval '90 days' FROM c
""")
DAYS: dict[str, Any] = {"age": timedelta(days=1), "back": timedelta(days=30), "limit": 500, "failed": "failed"}
TYPE = {"type": receipts.UNMATCHED}
PLANS: dict[str, tuple[TextClause, dict[str, Any]]] = {
    "waiting_for": (receipts._WAITING_FOR, {"providers": ["ibex"], "accounts": ["many-7"]}),
    "unclaimed": (receipts._UNCLAIMED, DAYS | TYPE),
    "close_taken": (receipts._CLOSE_TAKEN, {"failed": "failed", "found_by": receipts.FOUND_BY} | TYPE),
}


@pytest.mark.parametrize("query", PLANS)
def test_beside_thousands_a_query_reads_by_index(engine: Engine, time: MovedTime, query: str) -> None:
    statement, values = PLANS[query]
    with time() as connection:
        connection.execute(MANY)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
        explain: TextClause = text(f"EXPLAIN (COSTS OFF) {statement.text}")
        plan = list(connection.execute(explain, values).scalars())
    assert [line for line in plan if "Seq Scan" in line] == []


class TestThroughTheSandbox:
    """With no webhook, and with no more than a hint: every receipt is found, once."""

    @pytest.fixture
    def pretended(self) -> Iterator[SandboxServer]:
        with SandboxServer(seed=11, config={"ibex_settle_seconds": 0}) as server:
            yield server

    @pytest.fixture
    def providers(self, pretended: SandboxServer, engine: Engine) -> Iterator[Providers]:
        keys = pretended.world.config
        config = IbexConfig(
            base_url=pretended.urls["ibex"],
            auth_url=pretended.urls["ibex"],
            audience=keys.ibex_audience,
            clients=keys.ibex_clients,
        )
        around = Surroundings(gate_store=GateRows(unit_of_work(engine)))
        built = build(ProvidersConfig(each=(config,), threads=8, redis_url=None), around)
        yield built
        built.close()

    @pytest.fixture
    def walker(self, time: MovedTime) -> Walker:
        time.now = datetime.now(UTC)
        wake: Any = Silent()
        return Walker(begin=time, wake=wake, sealer=Sealer())

    @pytest.fixture
    def deposit(self, pretended: SandboxServer, time: MovedTime) -> Callable[..., str]:
        """Tokens come to an address of Ana's, whose account is linked."""
        state = pretended.world.ibex
        with time() as connection:
            connection.execute(
                text("UPDATE customer_links SET external_id = :id WHERE provider = 'ibex' AND customer_id = 'ana'"),
                {"id": state.first_account_id},
            )
            connection.execute(text("DELETE FROM customer_links WHERE provider = 'ibex' AND customer_id = 'ben'"))
        address = state.add_receive_info(network="tron").address
        with time() as connection:
            connection.execute(
                text("INSERT INTO customer_links VALUES ('ibex', 'address', :id, 'ana')"), {"id": address}
            )
        self.address = address
        return lambda amount="49.5": state.deposit(address, amount)

    def handle_all(self, time: MovedTime) -> None:
        with time() as connection:
            ids = list(connection.execute(text("SELECT id FROM inbox_events WHERE state = 'received'")).scalars())
        handle(time, ids)

    def test_a_poll_finds_them(
        self, providers: Providers, walker: Walker, time: MovedTime, deposit: Callable[..., str]
    ) -> None:
        made = {deposit(), deposit("7")}
        with time() as connection:
            flow = a_flow(connection, "ana", ON_RAMP)
        poll = polls_of(providers, timedelta(minutes=1))["ibex", "transactions"]
        assert walker.poll(poll, lambda _: True).news == 2
        self.handle_all(time)
        assert {one for (one,) in rows(time, "SELECT transaction_id FROM receipts")} == made
        assert woken(time) == {flow}
        assert walker.poll(poll, lambda _: True).news == 0

    @pytest.mark.parametrize("named", ["transaction", "address"])
    def test_a_look_finds_them(
        self, providers: Providers, walker: Walker, time: MovedTime, deposit: Callable[..., str], named: str
    ) -> None:
        made = deposit()
        subject = made if named == "transaction" else f"tron/{self.address}"
        listing = looks_of(providers, time)["ibex", f"ibex_{named}"](subject)
        assert listing is not None
        assert walker.look("ibex", f"ibex_{named}", subject, listing, at=time.now) == 1
        self.handle_all(time)
        ((transaction, chain_hash),) = rows(time, "SELECT transaction_id, chain_hash FROM receipts")
        assert transaction == made
        assert (chain_hash is not None) == (named == "transaction")

    @pytest.mark.usefixtures("deposit")
    def test_a_look_at_an_address_nobody_linked_leads_nowhere(self, providers: Providers, time: MovedTime) -> None:
        look = looks_of(providers, time)["ibex", "ibex_address"]
        assert look("tron/TJRabPrwbZy45sbavfcjinPJC18kjpRTv8") is None
