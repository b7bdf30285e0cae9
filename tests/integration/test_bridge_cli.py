"""`rampkeeper bridge`, over real sockets to the pretended Bridge and IBEX, with a worker beside it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from db.engine import unit_of_work
from providers.bridge.provider import BridgeConfig
from providers.ibex.provider import IbexConfig
from sandbox.server import SandboxServer
from tests.support.command_line import CommandLine
from tests.support.thread_worker import ThreadWorker

NAME, EMAIL = "Ana Pires", "ana@example.com"
ANA = ("--customer", "ana")
KYC = ("bridge", "kyc-link", *ANA, "--email", EMAIL, "--name", NAME, "--yes")
VIRTUAL_ACCOUNT = ("bridge", "virtual-account", *ANA, "--yes")


@pytest.fixture
def pretended() -> Iterator[SandboxServer]:
    with SandboxServer(seed=5) as server:
        yield server


@pytest.fixture
def rampkeeper(
    database_url: str, valkey_url: str, pretended: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    config, ready = pretended.world.config, pretended.ready()
    for name, value in {
        "BRIDGE_BASE_URL": ready["bridge"],
        "BRIDGE_API_KEY": config.bridge_api_keys[0],
        "IBEX_BASE_URL": ready["ibex"],
        "IBEX_AUTH_URL": ready["ibex"],
        "IBEX_AUDIENCE": config.ibex_audience,
        "IBEX_CLIENT_ID": config.ibex_clients[0][0],
        "IBEX_CLIENT_SECRET": config.ibex_clients[0][1],
    }.items():
        monkeypatch.setenv(name, value)
    commands = CommandLine(database_url, redis_url=valkey_url)
    account = f"ibex:account:{pretended.world.ibex.first_account_id}"
    commands("customers", "add", "ana", "--level", "2", "--link", account, "--yes")
    return commands


@pytest.fixture
def worker(engine: Engine, pretended: SandboxServer) -> Iterator[None]:
    config, urls = pretended.world.config, pretended.urls
    ibex = IbexConfig(
        base_url=urls["ibex"], auth_url=urls["ibex"], audience=config.ibex_audience, clients=config.ibex_clients
    )
    worker = ThreadWorker(
        unit_of_work(engine), [BridgeConfig(base_url=urls["bridge"], api_keys=config.bridge_api_keys), ibex]
    )
    yield
    worker.stop()


@pytest.fixture
def approved(rampkeeper: CommandLine, worker: None, pretended: SandboxServer) -> None:
    """Ana has passed the check."""
    rampkeeper(*KYC)
    [customer] = pretended.world.bridge.customers.values()
    pretended.world.bridge.people.decide(customer, kyc="approved", tos="approved")


@pytest.mark.usefixtures("worker")
class TestKycLink:
    def test_shows_the_pages_and_the_same_ones_again(self, rampkeeper: CommandLine, pretended: SandboxServer) -> None:
        first = rampkeeper.json(*KYC)
        assert list(first) == ["customer", "flow", "state", "page", "terms_page"]
        assert first["state"] == "link_made"
        assert rampkeeper.json(*KYC) == first
        assert len(pretended.world.bridge.kyc_links) == 1

    def test_puts_neither_name_nor_email_in_the_audit_log(self, rampkeeper: CommandLine, engine: Engine) -> None:
        rampkeeper(*KYC, "--by", "ben")
        with engine.begin() as connection:
            lines = connection.execute(text("SELECT a::text FROM audit_log a")).scalars().all()
        assert any("bridge_customer.begin" in line for line in lines)
        assert not any("Pires" in line or EMAIL in line for line in lines)


class TestRefusals:
    def test_asks_first(self, rampkeeper: CommandLine) -> None:
        assert "Add --yes" in rampkeeper(*KYC[:-1], expect=2).stderr

    def test_say_which_they_are(self, rampkeeper: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "[customer_missing]" in rampkeeper("bridge", "kyc-status", *ANA, expect=1).stderr
        rampkeeper("customers", "set-level", "ana", "--level", "1", "--yes")
        assert "[level_too_low]" in rampkeeper(*KYC, expect=1).stderr
        monkeypatch.setenv("BRIDGE_ENABLED", "false")
        assert "[disabled]" in rampkeeper(*KYC, expect=1).stderr

    def test_without_a_worker_is_a_wait_that_ends(
        self, rampkeeper: CommandLine, engine: Engine, pretended: SandboxServer
    ) -> None:
        """It goes on by itself later: asked again, the same one is found."""
        for _ in range(2):
            assert "[timed_out]" in rampkeeper(*KYC, "--wait", "0", expect=1).stderr
        with engine.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM flows")).scalar() == 1
        assert not pretended.world.bridge.customers

    def test_of_a_provider_out_of_reach_show_none_of_its_words(
        self, rampkeeper: CommandLine, approved: None, pretended: SandboxServer
    ) -> None:
        pretended.world.faults.set("server_error", "bridge")
        told = rampkeeper("bridge", "kyc-status", *ANA, expect=1).stderr
        assert "[api_error] bridge: ProviderUnavailable" in told
        assert "Traceback" not in told

    def test_without_credentials_is_a_wrong_call(
        self, rampkeeper: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("BRIDGE_API_KEY")
        assert "BRIDGE_BASE_URL" in rampkeeper("bridge", "kyc-status", *ANA, expect=2).stderr


@pytest.mark.usefixtures("approved")
class TestOnceApproved:
    def test_the_status_is_told_in_plain_words(self, rampkeeper: CommandLine) -> None:
        assert rampkeeper.json("bridge", "kyc-status", *ANA) == {
            "customer": "ana",
            "status": "approved",
            "terms_accepted": True,
            "text": "The identity check was passed.",
        }

    def test_a_virtual_account_is_shown_with_its_instructions_which_are_not_stored(
        self, rampkeeper: CommandLine, engine: Engine
    ) -> None:
        shown = rampkeeper.json(*VIRTUAL_ACCOUNT)
        number = shown["instructions"]["bank_account_number"]
        assert (shown["asset"], shown["network"], shown["fee_percent"]) == ("USDT", "tron", "0.5")
        assert number in rampkeeper(*VIRTUAL_ACCOUNT).stdout
        with engine.begin() as connection:
            for table in ("flows", "customer_links", "attempts", "intentions", "audit_log"):
                query = f"SELECT count(*) FROM {table} t WHERE t::text LIKE :n"  # noqa: S608 -- names of this test
                assert connection.execute(text(query), {"n": f"%{number}%"}).scalar() == 0

    def test_a_bank_is_linked_on_a_hosted_page(self, rampkeeper: CommandLine, pretended: SandboxServer) -> None:
        linking = rampkeeper.json("bridge", "link-bank", *ANA, "--yes")
        made = pretended.world.bridge.plaid.finish(linking["token"])
        [bank] = rampkeeper.json("bridge", "external-accounts", *ANA)
        assert bank == {"id": made.id, "bank_name": made.bank_name, "last4": made.number_last_4, "active": True}
        [link] = [one for one in rampkeeper.json("customers", "show", "ana")["links"] if one["external_id"] == made.id]
        assert link["attributes"] == {"bank_name": made.bank_name, "last4": made.number_last_4}

    def test_a_customer_who_leaves_has_no_account_any_more(self, rampkeeper: CommandLine) -> None:
        rampkeeper(*VIRTUAL_ACCOUNT)
        [begun] = rampkeeper.json("bridge", "leave", *ANA, "--yes")
        assert begun["state"] == "leaving"
