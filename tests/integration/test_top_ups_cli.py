"""`rampkeeper top-ups`, over real sockets to the pretended Stripe, with a worker beside it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from db.engine import unit_of_work
from ops.actions import top_ups as actions
from providers.stripe.provider import StripeConfig
from sandbox.server import SandboxServer
from tests.support.command_line import CommandLine
from tests.support.thread_worker import ThreadWorker
from tests.support.waiting import eventually

WALLET = "0x52908400098527886E0F7030069857D2E4169EE7"
LINK = f'stripe:wallet_address:{WALLET}:{{"network":"ethereum"}}'
ORDER = ("--customer", "ana", "--network", "ethereum", "--asset", "usdc", "--amount", "10.50", "--yes")


@pytest.fixture
def pretended() -> Iterator[SandboxServer]:
    with SandboxServer(seed=5) as server:
        server.world.faults.set("webhook_dropped", "stripe")
        yield server


@pytest.fixture
def rampkeeper(
    database_url: str, valkey_url: str, pretended: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    told = pretended.ready()
    monkeypatch.setenv("STRIPE_BASE_URL", told["stripe"])
    monkeypatch.setenv("STRIPE_SECRET_KEY", told["stripe_secret_key"])
    commands = CommandLine(database_url, redis_url=valkey_url)
    commands("customers", "add", "ana", "--link", LINK, "--yes")
    return commands


@pytest.fixture
def worker(engine: Engine, pretended: SandboxServer) -> Iterator[ThreadWorker]:
    told = pretended.ready()
    config = StripeConfig(base_url=told["stripe"], secret_keys=[told["stripe_secret_key"]])
    with capture_logs():  # a command's stdout is the whole process's
        worker = ThreadWorker(unit_of_work(engine), [config])
        yield worker
        worker.stop()


def deliver(engine: Engine, pretended: SandboxServer, session: str) -> None:
    """The customer pays, the coins arrive, and the flow hears of it."""
    pretended.world.stripe.pay_onramp(session, step_seconds=0)
    pretended.world.stripe.force_onramp(session, "fulfillment_complete")
    with engine.begin() as connection:
        connection.execute(text("UPDATE flows SET due_at = rk_now()"))


@pytest.mark.usefixtures("worker")
class TestCreate:
    def test_answers_with_the_page_and_never_with_the_secret(
        self, rampkeeper: CommandLine, pretended: SandboxServer, engine: Engine
    ) -> None:
        result = rampkeeper("top-ups", "create", *ORDER, "--json")
        [session] = pretended.world.stripe.onramp.by_id.values()
        assert session.redirect_url in result.stdout
        assert session.client_secret not in result.output
        with engine.begin() as connection:
            stored = connection.execute(
                text(
                    "SELECT string_agg(f::text, '') || (SELECT string_agg(i::text, '') FROM intentions i) FROM flows f"
                )
            ).scalar_one()
        assert session.client_secret not in stored
        assert session.redirect_url not in stored, "the page is read live"

    def test_again_with_the_same_reference_answers_the_same(
        self, rampkeeper: CommandLine, pretended: SandboxServer
    ) -> None:
        first = rampkeeper.json("top-ups", "create", *ORDER, "--reference", "r1")
        again = rampkeeper.json("top-ups", "create", *ORDER, "--reference", "r1")
        assert (first, set(first)) == (again, {"flow", "session", "url"})
        assert len(pretended.world.stripe.onramp.by_id) == 1

    def test_refuses_more_places_than_the_coin_has(self, rampkeeper: CommandLine) -> None:
        finer = [*ORDER[:-2], "10.1234567", "--yes"]
        assert "decimal places" in rampkeeper("top-ups", "create", *finer, expect=2).stderr

    def test_refuses_a_stranger_plainly(self, rampkeeper: CommandLine) -> None:
        stranger = ["--customer", "ben", *ORDER[2:]]
        assert "no such customer" in rampkeeper("top-ups", "create", *stranger, expect=1).stderr

    def test_is_refused_while_stripe_takes_nothing_new(
        self, rampkeeper: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STRIPE_ENABLED", "false")
        assert "switched off" in rampkeeper("top-ups", "create", *ORDER, expect=1).stderr


@pytest.mark.usefixtures("worker")
class TestClaim:
    def test_is_done_once_and_listed_until_then(
        self, rampkeeper: CommandLine, pretended: SandboxServer, engine: Engine
    ) -> None:
        made: dict[str, Any] = rampkeeper.json("top-ups", "create", *ORDER)
        deliver(engine, pretended, made["session"])
        eventually(lambda: rampkeeper.json("top-ups", "pending"))
        waiting = rampkeeper.json("top-ups", "pending", "--customer", "ana")
        assert [(one["id"], one["amount"], one["asset"]) for one in waiting] == [(made["flow"], 10_500000, "USDC")]

        claimed = rampkeeper.json("top-ups", "claim", made["session"], "--yes")

        assert claimed == {"flow": made["flow"], "session": made["session"], "state": "claimed"}
        assert rampkeeper.json("top-ups", "pending") == []
        assert [one["state"] for one in rampkeeper.json("top-ups", "list", "--state", "claimed")] == ["claimed"]
        assert "already claimed" in rampkeeper("top-ups", "claim", made["flow"], "--yes", expect=1).stderr
        [balance] = rampkeeper.json("ledger", "balances", "--customer", "ana", "--account", f"wallet:ethereum:{WALLET}")
        assert balance["posted"] == 10_500000

    def test_of_what_there_is_not_is_not_found(self, rampkeeper: CommandLine) -> None:
        assert "not found" in rampkeeper("top-ups", "claim", "cos_nobodys", "--yes", expect=1).stderr


def test_create_says_that_it_goes_on_when_nobody_works(
    rampkeeper: CommandLine, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    monkeypatch.setattr(actions, "OUTCOME_WITHIN", timedelta(0))
    said = rampkeeper("top-ups", "create", *ORDER, expect=1).stderr
    assert "goes on by itself" in said
    with engine.begin() as connection:
        assert connection.execute(text("SELECT state FROM flows")).scalar_one() == "created"


def test_without_credentials_names_what_to_set(database_url: str, valkey_url: str) -> None:
    said = CommandLine(database_url, redis_url=valkey_url)("top-ups", "create", *ORDER, expect=2).stderr
    assert "STRIPE_BASE_URL" in said
