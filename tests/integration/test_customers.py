"""Customers imported whole or not at all, and what their links set going."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text

from db import breaks, flows, ledger
from db.engine import unit_of_work
from funding.outcomes import BreakFound
from ops.actions import customers as actions
from ops.actions.customer_file import BadLines, read_customers
from ops.actions.desk import Desk
from tests.support.command_line import CommandLine
from tests.support.desk_rows import add_deposit, add_ownerless, add_parked, digests

HEADER = "customer,level,provider,kind,external_id,attributes\n"
GOOD = (
    HEADER
    + 'ana,2,due,virtual_account,va_9,"{""mode"":""va_auto"",""account"":""acct_1""}"\n'
    + "ana,2,alpaca,brokerage_account,9f0d1c1e-0a52-4c39-9d40-2f6d8a7b1c01,\n"
    + "bo,,due,account,acct_2,\n"
)

Write = Callable[[str], str]


class Told:
    """Remembers what was announced."""

    def __init__(self) -> None:
        self.flows_: list[UUID] = []

    def flows(self, due: Sequence[flows.Due]) -> None:
        self.flows_ += [flow for flow, _, _ in due]

    def events(self, ids: Sequence[int]) -> None:
        raise AssertionError("no event was replayed")


@pytest.fixture
def rampkeeper(database_url: str) -> CommandLine:
    return CommandLine(database_url)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str) -> str:
        (tmp_path / "customers.csv").write_text(content)
        return str(tmp_path / "customers.csv")

    return write


def flow_row(connection: Connection, flow: UUID) -> Any:
    return connection.execute(text("SELECT * FROM flows WHERE id = :id"), {"id": flow}).one()


class TestImport:
    def test_writes_customers_and_links_and_is_quiet_the_second_time(
        self, engine: Engine, rampkeeper: CommandLine, write: Write
    ) -> None:
        first = rampkeeper("customers", "import", write(GOOD), "--yes", "--by", "ops").stdout
        second = rampkeeper("customers", "import", write(GOOD), "--yes", "--by", "ops").stdout

        assert first == "2 customers (2 new or changed), 3 links (3 new, 0 changed)\n"
        assert second == "2 customers (0 new or changed), 3 links (0 new, 0 changed)\n"
        shown = rampkeeper.json("customers", "show", "ana")
        assert (shown["level"], len(shown["links"])) == (2, 2)
        assert shown["links"][1]["attributes"] == {"mode": "va_auto", "account": "acct_1"}

    def test_keeps_a_level_the_file_does_not_say(self, engine: Engine, rampkeeper: CommandLine, write: Write) -> None:
        rampkeeper("customers", "add", "bo", "--level", "3", "--yes")

        rampkeeper("customers", "import", write(GOOD), "--yes")

        assert rampkeeper.json("customers", "show", "bo")["level"] == 3

    def test_names_every_bad_line_and_writes_nothing(
        self, engine: Engine, rampkeeper: CommandLine, write: Write
    ) -> None:
        with engine.begin() as connection:
            before = digests(connection)
        bad = (
            GOOD
            + ",1,due,account,acct_3,\n"
            + "cy,two,due,account,acct_4,\n"
            + "cy,1,dew,account,acct_5,\n"
            + "cy,1,due,wallet,acct_6,\n"
            + "cy,1,alpaca,brokerage_account,not-a-uuid,\n"
            + "cy,1,due,virtual_account,va_7,{not json}\n"
            + 'cy,1,due,virtual_account,va_8,"{""mode"":""both""}"\n'
            + 'cy,1,due,virtual_account,va_6,"{""mode"":""legacy_offramp""}"\n'
            + "cy,1,due\n"
            + "ana,7,due,account,acct_9,\n"
            + "cy,1,due,account,acct_2,\n"
        )

        result = rampkeeper("customers", "import", write(bad), "--yes", expect=1)

        lines = result.stderr.splitlines()
        assert lines[0] == "Error: 11 bad lines; nothing was imported"
        assert [line.split(":")[0] for line in lines[1:]] == [f"line {n}" for n in range(5, 16)]
        assert "customer is empty" in lines[1]
        assert "level must be a whole number" in lines[2]
        assert "provider must be one of" in lines[3]
        assert "UUID" in lines[5]
        assert "mode must be one of" in lines[7]
        assert "account must say whose it is" in lines[8]
        assert "has 3 fields instead of 6" in lines[9]
        assert "an earlier line says 2" in lines[10]
        assert "line 4" in lines[11]
        with engine.begin() as connection:
            assert digests(connection) == before

    def test_refuses_a_link_that_another_customer_has(
        self, engine: Engine, rampkeeper: CommandLine, write: Write
    ) -> None:
        """Money of one customer must not become another's by a slip in a file."""
        rampkeeper("customers", "add", "zoe", "--link", "due:account:acct_2", "--yes")
        with engine.begin() as connection:
            before = digests(connection)

        result = rampkeeper("customers", "import", write(GOOD), "--yes", expect=1)

        assert "line 4: due account belongs to another customer" in result.stderr
        with engine.begin() as connection:
            assert digests(connection) == before

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("", "line 1: the file is empty"),
            ("customer,level\n", "line 1: the header must be"),
            (HEADER + 'ana,1,due,account,"acct\n', "line 2: is no CSV"),
            (HEADER + "a\x00b,1,due,account,acct_1,\n", "line 2: customer has spaces around it or control characters"),
            (HEADER + f"{'x' * 201},1,due,account,acct_1,\n", "line 2: customer is longer than 200"),
            (HEADER + 'ana,1,due,account,a,"{""n"": 1.5}"\n', "line 2: attributes are no JSON object"),
        ],
    )
    def test_says_what_is_wrong_with_a_file(self, content: str, reason: str) -> None:
        with pytest.raises(BadLines, match="nothing was imported") as refusal:
            read_customers(content.splitlines(keepends=True))

        assert reason in str(refusal.value)

    def test_names_the_line_that_is_not_utf8(self, tmp_path: Path, rampkeeper: CommandLine) -> None:
        file = tmp_path / "customers.csv"
        file.write_bytes(GOOD.encode() + b"caf\xe9,1,due,account,acct_9,\n")

        result = rampkeeper("customers", "import", str(file), "--yes", expect=1)

        assert "line 5: is not UTF-8" in result.stderr

    def test_asks_for_yes_where_nobody_can_be_asked(
        self, engine: Engine, rampkeeper: CommandLine, write: Write
    ) -> None:
        with engine.begin() as connection:
            before = digests(connection)

        result = rampkeeper("customers", "import", write(GOOD), expect=2)

        assert "Add --yes" in result.stderr
        with engine.begin() as connection:
            assert digests(connection) == before


class TestLinks:
    def test_resumes_a_deposit_whose_owner_was_unknown(self, engine: Engine, rampkeeper: CommandLine) -> None:
        """The whole repair is one line: no letter to find, no flow to wake."""
        with engine.begin() as connection:
            parked = add_ownerless(connection, virtual_account="va_9")

        told = rampkeeper("customers", "add", "ana", "--link", 'due:virtual_account:va_9:{"mode":"va_auto"}', "--yes")

        assert f"1 flows that waited go on: {parked.flow}" in told.stdout
        with engine.begin() as connection:
            flow = flow_row(connection, parked.flow)
            assert (flow.customer_id, flow.parked_at, flow.parked_reason, flow.tries) == ("ana", None, None, 0)
            assert flow.due_at is not None
            assert flow.wakes == 1
            letter = connection.execute(text("SELECT status, resolved_by FROM dead_letters")).one()
            assert tuple(letter) == ("resolved", "link")
            assert connection.execute(text("SELECT status FROM breaks")).scalar_one() == "closed"

    def test_gives_an_owner_to_a_deposit_parked_for_another_reason_but_leaves_it_parked(
        self, engine: Engine, rampkeeper: CommandLine
    ) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection, customer=None, error="journal_rejected", virtual_account="va_9")

        rampkeeper("customers", "add", "ana", "--link", "due:virtual_account:va_9", "--yes")

        with engine.begin() as connection:
            flow = flow_row(connection, parked.flow)
            assert flow.customer_id == "ana"
            assert flow.parked_at is not None
            assert connection.execute(text("SELECT status FROM dead_letters")).scalar_one() == "open"

    def test_leaves_other_virtual_accounts_alone(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            other = add_ownerless(connection, virtual_account="va_other")

        rampkeeper("customers", "add", "ana", "--link", "due:virtual_account:va_9", "--yes")

        with engine.begin() as connection:
            assert flow_row(connection, other.flow).customer_id is None

    def test_resumes_deposits_that_waited_for_a_brokerage_account(
        self, engine: Engine, rampkeeper: CommandLine
    ) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection, customer="ana", error="needs_person")
            breaks.open_break(
                connection,
                BreakFound(provider="alpaca", type="missing_here", subject=f"flow {parked.flow}"),
                found_by="step",
                flow=parked.flow,
            )
            refused = add_parked(connection, customer="ana", error="journal_rejected")

        rampkeeper("customers", "add", "ana", "--link", f"alpaca:brokerage_account:{uuid4()}", "--yes")

        with engine.begin() as connection:
            assert flow_row(connection, parked.flow).parked_at is None
            assert flow_row(connection, refused.flow).parked_at is not None

    def test_takes_the_claim_from_a_step_that_does_not_know_the_link(self, engine: Engine) -> None:
        """A step under way would park the deposit for want of the link that is there now."""
        with engine.begin() as connection:
            parked = add_ownerless(connection, virtual_account="va_9")
            session, attempt = uuid4(), uuid4()
            connection.execute(
                text("UPDATE flows SET attempt_id = :attempt, session_id = :session, fence = 5 WHERE id = :id"),
                {"attempt": attempt, "session": session, "id": parked.flow},
            )
        told = Told()
        desk = Desk(begin=unit_of_work(engine), by="ops", waker=told)

        actions.import_customers(desk, read_customers(GOOD.splitlines(keepends=True)))

        with engine.begin() as connection:
            flow = flow_row(connection, parked.flow)
            assert (flow.attempt_id, flow.fence) == (None, 6)
        assert told.flows_ == [parked.flow]


class TestMoveSuspense:
    def test_gives_a_held_deposit_to_its_customer(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            parked = add_ownerless(connection)
        rampkeeper("customers", "add", "ana", "--yes")

        told = rampkeeper("ledger", "move-suspense", str(parked.flow), "--customer", "ana", "--yes")

        assert "250.000000 USDC" in told.stdout
        with engine.begin() as connection:
            flow = flow_row(connection, parked.flow)
        assert (flow.customer_id, flow.parked_at) == ("ana", None)

    @pytest.mark.parametrize(
        ("amount", "code", "says"),
        [
            ("250.0000001", 2, "more than 6 decimal places for USDC"),
            ("lots", 2, "not a decimal number"),
            ("249", 1, "has 250.000000 USDC in suspense, not 249.000000 USDC"),
        ],
    )
    def test_refuses_another_amount_than_expected(
        self, engine: Engine, rampkeeper: CommandLine, amount: str, code: int, says: str
    ) -> None:
        with engine.begin() as connection:
            flow = str(add_ownerless(connection).flow)
        rampkeeper("customers", "add", "ana", "--yes")
        wanted = ("--customer", "ana", "--amount", amount, "--asset", "USDC", "--yes")

        result = rampkeeper("ledger", "move-suspense", flow, *wanted, expect=code)

        assert says in result.stderr

    def test_refuses_money_that_has_an_owner(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            flow = add_deposit(connection, customer="bo")
            ledger.post(connection, flow, [])
        rampkeeper("customers", "add", "ana", "--yes")

        result = rampkeeper("ledger", "move-suspense", str(flow), "--customer", "ana", "--yes", expect=1)

        assert "is of customer 'bo' already" in result.stderr


class TestLevels:
    def test_sets_and_remembers_the_level(self, rampkeeper: CommandLine) -> None:
        rampkeeper("customers", "add", "ana", "--level", "1", "--yes")

        told = rampkeeper("customers", "set-level", "ana", "--level", "2", "--yes")

        assert told.stdout == "customer ana has level 2; it was 1\n"
        assert rampkeeper.json("customers", "list", "--level", "2")[0]["customer"] == "ana"

    def test_refuses_somebody_unknown(self, rampkeeper: CommandLine) -> None:
        result = rampkeeper("customers", "set-level", "ana", "--level", "2", "--yes", expect=1)

        assert "there is no customer 'ana'" in result.stderr
