"""What the command line shows, key by key."""

import pytest
from sqlalchemy import Engine

from tests.support.command_line import CommandLine
from tests.support.desk_rows import (
    add_customer,
    add_dead_event,
    add_deposit,
    add_ownerless,
    add_parked,
    post_funded,
)

FLOW_KEYS = [
    "id", "kind", "state", "final", "parked", "reason", "customer", "asset", "amount", "asset_out", "amount_out",
    "due_at", "created_at", "moved_at", "closed_at", "provider_refs",
]  # fmt: skip
EVENT_KEYS = [
    "id", "provider", "event_id", "type", "source", "state", "flow", "received_at", "handled_at", "attempts",
    "last_error",
]  # fmt: skip
LETTER_KEYS = [
    "id", "flow", "event", "kind", "step", "customer", "error", "message", "blame", "fingerprint", "attempts",
    "opened_at", "status", "resolved_by", "resolved_at",
]  # fmt: skip


@pytest.fixture
def rampkeeper(database_url: str) -> CommandLine:
    return CommandLine(database_url)


class TestFlows:
    def test_shows_the_agreed_keys_and_integers(self, engine: Engine, rampkeeper: CommandLine) -> None:
        """Scripts read these names: they are the outside surface."""
        with engine.begin() as connection:
            flow = add_deposit(connection, transfer="tf_1")

        (row,) = rampkeeper.json("flows", "list")

        assert list(row) == FLOW_KEYS
        assert (row["id"], row["amount"], row["amount_out"]) == (str(flow), 250_000_000, 24_925)
        assert (row["final"], row["parked"]) == (False, False)
        assert row["created_at"].endswith("Z")
        assert row["provider_refs"] == [{"provider": "due", "kind": "transfer", "id": "tf_1"}]

    def test_lists_the_newest_first_and_says_what_it_leaves_out(self, engine: Engine, rampkeeper: CommandLine) -> None:
        flows = []
        for _ in range(3):
            with engine.begin() as connection:
                flows.append(str(add_deposit(connection)))

        result = rampkeeper("flows", "list", "--json", "--limit", "2")

        assert [flow for flow in flows if flow in result.stdout] == flows[1:]
        assert "only the first 2 flows" in result.stderr
        assert [row["id"] for row in rampkeeper.json("flows", "list")] == flows[::-1]

    def test_tells_parked_from_final(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection)
            add_deposit(connection, state="broker_funded", status="resting")

        (row,) = rampkeeper.json("flows", "list", "--parked")
        (final,) = rampkeeper.json("flows", "list", "--state", "broker_funded")

        assert (row["id"], row["parked"], row["state"]) == (str(parked.flow), True, "off_ramp_completed")
        assert row["reason"].startswith("Alpaca rejected")
        assert (final["final"], final["parked"]) == (True, False)
        assert final["closed_at"] is not None

    def test_filters_by_kind_provider_customer_and_age(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            add_deposit(connection, customer="ana")
            add_deposit(connection, customer="bo")

        assert [row["customer"] for row in rampkeeper.json("flows", "list", "--customer", "bo")] == ["bo"]
        assert len(rampkeeper.json("flows", "list", "--provider", "alpaca", "--kind", "due_deposit")) == 2
        assert rampkeeper.json("flows", "list", "--provider", "due") == []
        assert len(rampkeeper.json("flows", "list", "--since", "1h")) == 2
        assert rampkeeper.json("flows", "list", "--since", "2999-01-01") == []

    def test_shows_the_whole_history(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            flow = add_deposit(connection, state="broker_funded", status="resting", transfer="tf_77")
            post_funded(connection, flow, "cus_1")

        shown = rampkeeper.json("flows", "show", "tf_77")

        assert list(shown) == [*FLOW_KEYS, "transitions", "attempts", "entries", "events", "dead_letters"]
        assert [entry["purpose"] for entry in shown["entries"]] == ["received", "converted", "funded"]
        posting = shown["entries"][2]["postings"][0]
        assert posting == {
            "customer": "cus_1", "account": "deposit", "layer": "posted", "asset": "USD", "amount": 24_925,
        }  # fmt: skip
        assert shown["transitions"][0]["to"] == "broker_funded"
        assert rampkeeper.json("flows", "show", str(flow)[:13])["id"] == str(flow)

    def test_says_so_when_no_flow_is_meant(self, rampkeeper: CommandLine) -> None:
        result = rampkeeper("flows", "show", "nothing", expect=1)

        assert result.stderr == "Error: there is no flow 'nothing'\n"
        assert result.stdout == ""


class TestEvents:
    def test_shows_the_agreed_keys_and_never_the_body(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            event, _ = add_dead_event(connection)

        (row,) = rampkeeper.json("events", "list", "--state", "dead", "--kind", "transfer.status_changed")
        shown = rampkeeper("events", "show", str(event), "--json")

        assert list(row) == EVENT_KEYS
        assert row["id"] == str(event)
        assert '\\"a\\"' not in shown.stdout
        assert '"body_stored": true' in shown.stdout


class TestDeadLetters:
    def test_shows_the_agreed_keys(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            parked = add_parked(connection)

        (row,) = rampkeeper.json("dead-letters", "list")
        shown = rampkeeper.json("dead-letters", "show", str(parked.letter)[:8])

        assert list(row)[: len(LETTER_KEYS)] == LETTER_KEYS
        assert (row["flow"], row["event"], row["status"]) == (str(parked.flow), None, "open")
        assert shown["fingerprint"] == row["fingerprint"]

    def test_groups_equal_causes(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            for customer in ("a", "b", "b"):
                add_parked(connection, customer=customer)
            add_parked(connection, error="unknown")

        first, second = rampkeeper.json("dead-letters", "groups")

        assert (first["letters"], first["customers"], first["amounts"]) == (3, 2, {"USD": 3 * 24_925})
        assert second["letters"] == 1


class TestLedger:
    def test_balances_to_zero_with_every_asset_named(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            flow = add_deposit(connection)
            post_funded(connection, flow, "cus_1")

        shown = rampkeeper.json("ledger", "trial-balance")

        assert shown == {"balanced": True, "assets": {"USD": 0, "USDC": 0, "USDT": 0, "USD_6": 0}}

    def test_shows_the_brokerage_account_with_what_alpaca_shows(self, engine: Engine, rampkeeper: CommandLine) -> None:
        """One look tells whether the customer can trade with the deposit."""
        with engine.begin() as connection:
            flow = add_deposit(connection)
            post_funded(connection, flow, "cus_1")

        rows = rampkeeper.json("ledger", "balances", "--customer", "cus_1")

        by_account = {(row["account"], row["asset"]): row for row in rows}
        brokerage = by_account["brokerage", "USD"]
        assert list(brokerage)[:6] == ["customer", "account", "asset", "posted", "pending", "available"]
        assert (brokerage["posted"], brokerage["pending"], brokerage["available"]) == (24_925, 0, 24_925)
        assert (brokerage["brokerage_buying_power"], brokerage["brokerage_cash"]) == (49_850, 24_925)
        assert by_account["brokerage_buying_power", "USD"]["posted"] == 49_850
        assert by_account["deposit", "USD"]["posted"] == 0

    def test_sums_the_houses_accounts_with_the_holds_on_them(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            add_ownerless(connection)

        rows = {row["account"]: row for row in rampkeeper.json("ledger", "balances", "--asset", "USDC")}

        assert rows["due:clearing"]["posted"] == 250_000_000
        assert rows["suspense"] == {
            "customer": None, "account": "suspense", "asset": "USDC", "posted": 250_000_000, "pending": 0,
            "available": 250_000_000,
        }  # fmt: skip

    def test_lists_entries_by_flow_and_account(self, engine: Engine, rampkeeper: CommandLine) -> None:
        with engine.begin() as connection:
            flow = add_deposit(connection)
            post_funded(connection, flow, "cus_1")
            add_ownerless(connection)

        mine = rampkeeper.json("ledger", "entries", "--flow", str(flow))

        assert [entry["purpose"] for entry in mine] == ["funded", "converted", "received"]
        assert len(rampkeeper.json("ledger", "entries", "--account", "suspense")) == 1


class TestText:
    def test_is_aligned_plain_text_in_a_pipe(self, engine: Engine, rampkeeper: CommandLine) -> None:
        """What a provider says may hold control codes; a terminal must not obey them."""
        with engine.begin() as connection:
            add_customer(connection, "ana\x1b[31m")
            add_deposit(connection, customer="ana\x1b[31m")

        lines = rampkeeper("flows", "list").stdout.splitlines()

        assert lines[0].startswith("ID")
        assert "250.000000 USDC" in lines[1]
        assert lines[0].index("CUSTOMER") == lines[1].index("ana")

    def test_says_on_stderr_that_nothing_was_found(self, rampkeeper: CommandLine) -> None:
        result = rampkeeper("flows", "list")

        assert (result.stdout, result.stderr) == ("", "no flows\n")

    @pytest.mark.parametrize(
        "words",
        [
            ("flows", "list"), ("events", "list"), ("dead-letters", "list"), ("dead-letters", "groups"),
            ("customers", "list"), ("ledger", "balances"), ("ledger", "entries"), ("audit", "list"),
        ],
    )  # fmt: skip
    def test_is_an_empty_document_when_there_is_nothing(self, rampkeeper: CommandLine, words: tuple[str, ...]) -> None:
        assert rampkeeper.json(*words) == []
