"""Comparisons by command against the pretended providers, over real sockets, by the settings of a process."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from sandbox.server import SandboxServer
from tests.support.command_line import CommandLine
from tests.support.compared import add_compared, own


@pytest.fixture
def pretended() -> Iterator[SandboxServer]:
    with SandboxServer(
        seed=5, config={"firm_cash": "100000.00", "payout_delay_seconds": 0.0, "journal_queue_seconds": 0.0}
    ) as server:
        server.world.faults.set("webhook_dropped", "due")
        yield server


@pytest.fixture
def rampkeeper(
    database_url: str, valkey_url: str, pretended: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    told = pretended.ready()
    for name, value in {
        "DUE_BASE_URL": told["due"],
        "DUE_API_KEY": told["due_api_key"],
        "ALPACA_BASE_URL": told["alpaca"],
        "ALPACA_KEY_ID": told["alpaca_key_id"],
        "ALPACA_SECRET": told["alpaca_secret"],
        "ALPACA_FIRM_ACCOUNT_ID": told["alpaca_firm_account_id"],
        "BRIDGE_BASE_URL": told["bridge"],
        "BRIDGE_API_KEY": told["bridge_api_key"],
        "IBEX_BASE_URL": told["ibex"],
        "IBEX_AUTH_URL": told["ibex"],
        "IBEX_CLIENT_ID": told["ibex_client_id"],
        "IBEX_CLIENT_SECRET": told["ibex_client_secret"],
        "IBEX_AUDIENCE": told["ibex_audience"],
        "STRIPE_BASE_URL": told["stripe"],
        "STRIPE_SECRET_KEY": told["stripe_secret_key"],
        "POLL_S": "0.05",
    }.items():
        monkeypatch.setenv(name, value)
    return CommandLine(database_url, redis_url=valkey_url)


class House:
    """One customer's accounts at both providers, and what is known here of their deposits."""

    def __init__(self, engine: Engine, pretended: SandboxServer) -> None:
        self.engine = engine
        self.due = pretended.world.due
        self.alpaca = pretended.world.alpaca
        self.account = self.due.add_account().id
        self.virtual_account = self.due.add_virtual_account(self.account, self.due.add_recipient(self.account).id).id
        self.brokerage = self.alpaca.add_account()

    def deposit(self, *path: str, **more: Any) -> str:
        """A deposit that is old enough not to be on its way any more."""
        made: str = self.due.deposit(self.virtual_account, path=path or ("payment_processed",), step_seconds=0, **more)
        self.due.transfers[made].created_at -= timedelta(minutes=3)
        return made

    def journal(self, description: str, amount: str = "249.25") -> str:
        wanted = {"entry_type": "JNLC", "from_account": self.alpaca.firm_account_id, "to_account": self.brokerage}
        made: str = self.alpaca.journals.create({**wanted, "amount": amount, "description": description}).id
        return made

    def know(self, **said: Any) -> str:
        with self.engine.begin() as connection:
            return str(
                add_compared(connection, at=datetime.now(UTC) - timedelta(minutes=2), account=self.account, **said)
            )


@pytest.fixture
def house(engine: Engine, pretended: SandboxServer) -> House:
    return House(engine, pretended)


def found(run: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["type"], one["subject"]) for one in run["findings"]]


class TestDue:
    def test_agrees_when_both_have_the_same(self, house: House, rampkeeper: CommandLine) -> None:
        house.know(transfer=house.deposit())
        run = rampkeeper.json("reconcile", "run", "--provider", "due")
        assert (run["status"], run["findings"]) == ("finished", [])
        assert (run["counts"]["theirs"], run["counts"]["ours"]) == (1, 1)

    def test_finds_what_either_side_lacks(self, house: House, rampkeeper: CommandLine) -> None:
        unknown = house.deposit()
        house.know(transfer="tf_never")
        run = rampkeeper.json("reconcile", "run", "--provider", "due", "--by", "ana")
        assert sorted(found(run)) == [("missing_here", f"transfer {unknown}"), ("missing_there", "transfer tf_never")]
        (listed, _) = rampkeeper.json("reconcile", "breaks")
        assert (listed["amount_at_risk"], listed["asset"]) in {(24925, "USD"), (250_000_000, "USDC")}
        with house.engine.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM reconciliation_records")).scalar_one() == 0


class TestAlpaca:
    def test_names_a_journal_that_no_flow_owns_and_one_made_twice(self, house: House, rampkeeper: CommandLine) -> None:
        by_hand = house.journal("by hand")
        flow = house.know(transfer="tf_1")
        first, second = house.journal(flow), house.journal(flow)
        with house.engine.begin() as connection:
            own(connection, flow, "alpaca", "journal", first)  # type: ignore[arg-type]
        run = rampkeeper.json("reconcile", "run", "--provider", "alpaca")
        assert found(run) == [("duplicate", f"journals for {flow}"), ("missing_here", f"journal {by_hand}")]
        assert all(name in run["findings"][0]["theirs"] for name in (first, second))


MINUTES = timedelta(minutes=3)


class TestBridge:
    def deposit(self, pretended: SandboxServer) -> tuple[str, dict[str, str]]:
        """A deposit that was converted, old enough not to be on its way any more, and whose it is."""
        world = pretended.world
        account = world.bridge.add_virtual_account(world.bridge.add_customer().id, "TOurWallet")
        made: str = world.bridge.deposit(account.id, "250.00", step_seconds=0)
        world.tick()
        for one in world.bridge.activities.values():
            one.created_at -= MINUTES
        return made, {"customer": account.customer_id, "virtual_account": account.id}

    def test_is_compared_deposit_by_deposit_and_payout_by_payout(
        self, house: House, pretended: SandboxServer, rampkeeper: CommandLine
    ) -> None:
        known, of = self.deposit(pretended)
        unknown, _ = self.deposit(pretended)
        flow = house.know(
            kind="bridge_on_ramp",
            state="credited",
            asset="USD",
            amount=250_00,
            asset_out="USDT",
            amount_out=250_000000,
            data=of,
        )
        payout = house.know(kind="bridge_withdrawal", state="paying_out", asset="USDT", amount=1, data={})
        with house.engine.begin() as connection:
            own(connection, UUID(flow), "bridge", "deposit", known)
            own(connection, UUID(payout), "bridge", "transfer", "never")
        run = rampkeeper.json("reconcile", "run", "--provider", "bridge")
        assert found(run) == [("missing_here", f"deposit {unknown}"), ("missing_there", "transfer never")]
        assert (run["counts"]["theirs"], run["counts"]["ours"]) == (2, 2)


class TestIbex:
    def test_is_compared_account_by_account(
        self, house: House, pretended: SandboxServer, rampkeeper: CommandLine
    ) -> None:
        ibex = pretended.world.ibex
        address = ibex.add_receive_info(network="tron").address
        known, unknown = (ibex.deposit(address, amount, settle_seconds=0) for amount in ("100.00", "7.00"))
        for one in ibex.transactions.values():
            one.created_at -= MINUTES
        pretended.world.tick()
        flow = house.know(
            kind="bridge_on_ramp", state="credited", asset_out="USDT", amount_out=100_000000, data={"customer": "c_1"}
        )
        with house.engine.begin() as connection:
            own(connection, UUID(flow), "ibex", "transaction", known)
            connection.execute(text("INSERT INTO customers (id) VALUES ('ana')"))
            connection.execute(
                text("""
                    INSERT INTO customer_links (provider, kind, external_id, customer_id, attributes)
                    VALUES ('ibex', 'account', :account, 'ana', '{}')
                """),
                {"account": ibex.first_account_id},
            )
        run = rampkeeper.json("reconcile", "run", "--provider", "ibex")
        assert found(run) == [("missing_here", f"transaction {unknown}")]


class TestStripe:
    def test_is_compared_by_both_ways_of_paying(
        self, house: House, pretended: SandboxServer, rampkeeper: CommandLine
    ) -> None:
        stripe = pretended.world.stripe
        sessions = [stripe.pay_checkout(stripe.add_checkout_session("250.00").id) for _ in range(2)]
        pretended.world.tick()
        for one in sessions:
            one.created_at -= MINUTES
        known, unknown = (one.id for one in sessions)
        paid = house.know(kind="stripe_top_up", state="claimable", asset="USD", amount=240_00, data={})
        ordered = house.know(kind="stripe_top_up", state="claimable", asset="USDC", amount=1, data={})
        with house.engine.begin() as connection:
            own(connection, UUID(paid), "stripe", "checkout_session", known)
            own(connection, UUID(ordered), "stripe", "onramp_session", "cos_never")
        run = rampkeeper.json("reconcile", "run", "--provider", "stripe")
        assert sorted(found(run)) == [
            ("amount_differs", f"checkout_session {known}"),
            ("missing_here", f"checkout_session {unknown}"),
            ("missing_there", "onramp_session cos_never"),
        ]
