"""What each statement on a deposit's way reads, beside thousands of closed ones: by index, and by the one it names.

The statements are those that really run: a deposit goes the whole way, and each is asked for its plan afterwards.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import FrameType
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Connection, TextClause, text

from benchmarks._fill import fill
from db import clock, due_work, fleet, lost_claims, notifications, sessions
from db.clock import Slots
from db.engine import make_engine
from db.notifications import Ended
from dispatch.dispatcher import Dispatcher
from embedded.services import Services
from tests.simulation.heard import Heard
from tests.support.databases import Databases
from tests.support.deposit_house import DepositHouse
from tests.support.depositors import Person

CLOSED = 2_000
CUSTOMERS = 2_000
MINUTE = timedelta(minutes=1)
# These grow with every deposit or customer for ever: whoever reads one from end to end is slower each day.
GROWING = {
    "flows",
    "attempts",
    "transitions",
    "flow_references",
    "intentions",
    "inbox_events",
    "journal_entries",
    "postings",
    "notifications",
    "notification_attempts",
    "customers",
    "customer_links",
    "ledger_accounts",
    "balances",
}
READS_ALL = {"db.poll_turns.accounts_in_turn"}  # whose turn it is among all customers' accounts, once a poll
NAMED = re.compile(r"\b(?:ix|uq)_\w+|\bprimary key\b")


@dataclass(slots=True)
class Way:
    """Each statement once, with values it was run with, and the functions of `db` that it came through."""

    values: dict[str, Any] = field(default_factory=dict)
    through: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    said: dict[str, str] = field(default_factory=dict)  # what a function's docstring says
    plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    judged: set[str] = field(default_factory=set)  # the indexes of tables that grow, but for keys

    def note(self, statement: object, values: Any) -> None:
        if not isinstance(statement, str):
            return
        self.values[statement] = tuple(values) if isinstance(values, list) else values
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            name = f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"
            if name.startswith("db.") and not name.startswith("db.engine."):
                self.through[statement].add(name)
                self.said[name] = str(frame.f_code.co_consts[0] or "")
            frame = frame.f_back


@contextmanager
def heard() -> Iterator[Way]:
    """Listens at the driver, by which everything goes."""
    way = Way()
    execute, executemany = psycopg.Cursor.execute, psycopg.Cursor.executemany

    def one(cursor: psycopg.Cursor[Any], statement: Any, values: Any = None, **more: Any) -> psycopg.Cursor[Any]:
        way.note(statement, values)
        return execute(cursor, statement, values, **more)

    def many(cursor: psycopg.Cursor[Any], statement: Any, values: Any, **more: Any) -> None:
        way.note(statement, values[0])
        executemany(cursor, statement, values, **more)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(psycopg.Cursor, "execute", one)
        patched.setattr(psycopg.Cursor, "executemany", many)
        yield way


def go(house: DepositHouse, person: Person) -> None:
    """A deposit from its first webhook to the customer's account, told to the backend; a poll and the stream."""
    house.deposit(person)
    house.pass_time(60)
    house.listen()
    house.poll()
    with house.begin() as connection:
        (told,) = due_work.notifications(connection, limit=10)
        for ended in (Ended(state="due", status=500), Ended(state="held", status=410), Ended(state="delivered")):
            claimed = notifications.claim(connection, told)
            assert claimed is not None
            notifications.record(connection, claimed, ended)
            notifications.resume(connection, "webhook")


def turn(connection: Connection) -> None:
    """What the clock, the workers' sessions and `/metrics` ask besides."""
    lead = clock.take_lead(connection, uuid4(), lasts=MINUTE)
    assert lead is not None
    clock.insert_ticks(connection, lead, [Slots("invariants", MINUTE)])
    session = uuid4()
    sessions.start(connection, session)
    sessions.beat(connection, session)
    lost_claims.free(connection, lead, lost_claims.beats(connection))
    sessions.end(connection, session)
    for name, query in vars(fleet).items():
        if name.isupper() and isinstance(query, TextClause):
            list(fleet.read(connection, query))


@pytest.fixture(scope="module")
def way(services: Services, template: str) -> Iterator[Way]:
    """The way of a deposit beside thousands, with the plan of each statement."""
    with (
        pytest.MonkeyPatch.context() as patched,
        Databases(services.database_url).clone(template) as url,
        ExitStack() as stack,
    ):
        engine = make_engine(url, pool=8)
        stack.callback(engine.dispose)
        house = stack.enter_context(closing(DepositHouse(engine)))
        patched.setattr(fleet, "NEWEST", 100)  # as small beside these rows as it is beside a million
        person = house.person()
        go(house, person)
        fill(url, CLOSED, say=lambda _: None)
        with engine.begin() as connection:
            connection.execute(MANY_CUSTOMERS, {"count": CUSTOMERS})
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
        with heard() as way:
            go(house, person)
            with house.begin() as connection:
                turn(connection)
            Dispatcher(house.begin, Heard()).run()
        with engine.connect() as connection:
            indexes = text("SELECT indexname FROM pg_indexes WHERE tablename = ANY(:tables)")
            names = connection.execute(indexes, {"tables": list(GROWING)}).scalars()
            way.judged = {name for name in names if NAMED.fullmatch(name)}
            for statement in [one for one in way.values if way.through[one] and not one.startswith("SET ")]:
                explain = f"EXPLAIN (FORMAT JSON, COSTS OFF) {statement}"
                way.plans[statement] = connection.exec_driver_sql(explain, way.values[statement]).scalar_one()[0][
                    "Plan"
                ]
        yield way


MANY_CUSTOMERS = text("""
    WITH many AS (INSERT INTO customers (id) SELECT 'many-' || n FROM generate_series(1, :count) n RETURNING id),
         links AS (INSERT INTO customer_links (provider, kind, external_id, customer_id)
                   SELECT 'due', 'virtual_account', id, id FROM many),
         accounts AS (INSERT INTO ledger_accounts (owner, name, kind, asset, customer_id)
                      SELECT 'customer:' || id, 'deposit', 'liability', 'USDC', id FROM many RETURNING id)
    INSERT INTO balances (account_id) SELECT id FROM accounts
""")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def read_whole(plan: dict[str, Any]) -> set[str]:
    """The tables it reads from end to end."""
    return {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}


def served_by(plan: dict[str, Any]) -> set[str]:
    """The indexes it uses, by name."""
    found = set()
    for node in nodes(plan):
        found |= {node.get("Index Name", ""), *node.get("Conflict Arbiter Indexes", [])}
    return found


def test_the_whole_way_was_heard(way: Way) -> None:
    through = {name for names in way.through.values() for name in names}
    assert {
        "db.inbox.insert_events",
        "db.inbox.take",
        "db.inbox.settle",
        "db.flows.open_flow",
        "db.flows.wake",
        "db.claims.claim",
        "db.recording.record",
        "db.intentions.ClaimedIntentions.open",
        "db.ledger.post",
        "db.notifications.record",
        "db.due_work.flows",
        "db.lost_claims.free",
        "db.fleet.read",
    } <= through


def test_the_driver_remembers_every_statement(way: Way) -> None:
    """It takes one of more than 4,096 characters or 50 parameters apart anew each time: dearer than asking."""
    assert [
        statement for statement, values in way.values.items() if len(statement) > 4096 or len(values or ()) > 50
    ] == []


def test_no_table_that_grows_is_read_from_end_to_end(way: Way) -> None:
    whole = {st: tables for st, plan in way.plans.items() if (tables := read_whole(plan) & GROWING)}
    assert {st: tables for st, tables in whole.items() if not way.through[st] & READS_ALL} == {}


def test_each_statement_is_served_by_the_indexes_that_its_function_names(way: Way) -> None:
    """And by no other, which may be short today and long tomorrow. What /metrics asks names its own beside each."""
    used: dict[str, set[str]] = defaultdict(set)
    unnamed = {}
    for statement, plan in way.plans.items():
        named = {index for name in way.through[statement] for index in NAMED.findall(way.said[name])}
        found = {"primary key" if index.endswith("_pkey") else index for index in served_by(plan)}
        for name in way.through[statement]:
            used[name] |= found
        if (strange := found & way.judged - named) and "db.fleet.read" not in way.through[statement]:
            unnamed[" ".join(statement.split())[:80]] = strange
    assert unnamed == {}

    promised = {name: {*NAMED.findall(way.said[name])} & {*way.judged, "primary key"} for name in used}
    assert {name: unused for name in used if (unused := promised[name] - used[name])} == {}
