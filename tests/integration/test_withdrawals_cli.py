"""`rampkeeper withdrawals`: the tokens are held and the flow begun in one act, or nothing is done."""

import json
import threading
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from db import ledger
from db.engine import unit_of_work
from funding.ids import flow_id
from funding.ledger import accounts
from funding.ledger.entries import credit, debit, entry
from funding.money import Money
from funding.refusals import InsufficientFunds, LevelTooLow, ProviderDisabled, Refusal, WithdrawalInProgress
from ops.actions import withdrawals
from ops.actions.desk import Desk
from ops.actions.withdrawals import Wanted
from tests.support.command_line import CommandLine

BANK = {"bank_name": "Chase", "last4": "6789"}
LINKS = (
    "bridge:customer:cust_1",
    f"bridge:external_account:ea_1:{json.dumps(BANK)}",
    "ibex:account:acct_1",
    'ibex:address:TDeuy7kpVisCUnthKSJWSEa4YctUzB7Ks4:{"network":"tron","asset":"USDT"}',
)
SETTINGS = {
    "BRIDGE_BASE_URL": "http://127.0.0.1:9",
    "BRIDGE_API_KEY": "sk-test-1",
    "IBEX_BASE_URL": "http://127.0.0.1:9",
    "IBEX_AUTH_URL": "http://127.0.0.1:9",
    "IBEX_AUDIENCE": "https://api.example",
    "IBEX_CLIENT_ID": "client",
    "IBEX_CLIENT_SECRET": "secret-of-the-client",
}
CREATE = ("withdrawals", "create", "--customer", "ana", "--external-account", "ea_1")


@pytest.fixture
def rampkeeper(engine: Engine, database_url: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A customer of level 2 with 1,000 USDT."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    commands = CommandLine(database_url, redis_url=valkey_url)
    add_links(commands, *LINKS)
    amount = Money(1000_000000, "USDT")
    opening = entry(
        "test",
        "opening",
        debit(accounts.clearing("ibex", "USDT"), amount),
        credit(accounts.wallet("ana", "USDT"), amount),
    )
    with engine.begin() as connection:
        ledger.post(connection, None, (opening,))
    return commands


def add_links(commands: CommandLine, *links: str) -> None:
    told = [word for link in links for word in ("--link", link)]
    commands("customers", "add", "ana", "--level", "2", *told, "--yes")


def wallet(engine: Engine) -> tuple[int, int]:
    """Posted and pending, in whole tokens."""
    with engine.begin() as connection:
        row = connection.execute(
            text("""
                SELECT posted, pending FROM balances b JOIN ledger_accounts a ON a.id = b.account_id
                 WHERE a.name = 'wallet'
            """)
        ).one()
    return int(row.posted) // 10**6, int(row.pending) // 10**6


def flows(engine: Engine) -> int:
    with engine.begin() as connection:
        return int(connection.execute(text("SELECT count(*) FROM flows")).scalar_one())


class TestCreate:
    def test_holds_the_tokens_and_begins(self, engine: Engine, rampkeeper: CommandLine) -> None:
        shown = rampkeeper.json(*CREATE, "--amount", "250.5", "--reference", "rent", "--yes", "--by", "maria")
        assert {name: shown[name] for name in ("id", "kind", "state", "final", "customer", "amount", "asset")} == {
            "id": str(flow_id("rampkeeper", "withdrawal", "ana/rent")),
            "kind": "bridge_withdrawal",
            "state": "requested",
            "final": False,
            "customer": "ana",
            "amount": 250_500000,
            "asset": "USDT",
        }
        assert (shown["bank_name"], shown["last4"]) == ("Chase", "6789")
        assert wallet(engine) == (1000, 250)
        with engine.begin() as connection:
            line = connection.execute(
                text("SELECT actor, subject, detail FROM audit_log WHERE action = 'withdrawal.create'")
            ).one()
        assert (line.actor, line.subject, line.detail["amount"]) == ("maria", shown["id"], "250.500000 USDT")

    def test_again_by_the_same_reference_is_the_same_one(self, engine: Engine, rampkeeper: CommandLine) -> None:
        words = (*CREATE, "--amount", "250", "--reference", "rent", "--yes")
        assert rampkeeper.json(*words) == rampkeeper.json(*words)
        assert (flows(engine), wallet(engine)) == (1, (1000, 250))
        refused = rampkeeper(*CREATE, "--amount", "251", "--reference", "rent", "--yes", expect=1)
        assert "names another withdrawal already" in refused.stderr

    @pytest.mark.parametrize(
        ("amount", "code", "said"),
        [
            ("1000.000001", 1, "The available balance is too low"),
            ("0", 1, "more than none"),
            ("-5", 1, "more than none"),
            ("0.0000001", 2, "more than 6 decimal places"),
            ("ten", 2, "not a decimal number"),
        ],
    )
    def test_refuses_an_amount_that_cannot_be(
        self, engine: Engine, rampkeeper: CommandLine, amount: str, code: int, said: str
    ) -> None:
        result = rampkeeper(*CREATE, "--amount", amount, "--yes", expect=code)
        assert said in result.stderr
        assert (flows(engine), wallet(engine)) == (0, (1000, 0))

    def test_refuses_a_second_one_while_one_is_under_way(self, engine: Engine, rampkeeper: CommandLine) -> None:
        rampkeeper(*CREATE, "--amount", "1", "--yes")
        result = rampkeeper(*CREATE, "--amount", "2", "--yes", expect=1)
        assert WithdrawalInProgress.words in result.stderr
        assert (flows(engine), wallet(engine)) == (1, (1000, 1))

    @pytest.mark.parametrize("switch", ["BRIDGE_ENABLED", "IBEX_ENABLED"])
    def test_is_refused_while_a_provider_takes_nothing_new(
        self, engine: Engine, rampkeeper: CommandLine, monkeypatch: pytest.MonkeyPatch, switch: str
    ) -> None:
        monkeypatch.setenv(switch, "false")
        assert ProviderDisabled.words in rampkeeper(*CREATE, "--amount", "1", "--yes", expect=1).stderr
        assert flows(engine) == 0

    def test_needs_level_two_after_the_flag(self, rampkeeper: CommandLine) -> None:
        rampkeeper("customers", "set-level", "ana", "--level", "1", "--yes")
        assert LevelTooLow.words in rampkeeper(*CREATE, "--amount", "1", "--yes", expect=1).stderr

    def test_needs_a_bank_account_of_the_customer(self, engine: Engine, rampkeeper: CommandLine) -> None:
        rampkeeper("customers", "add", "ben", "--level", "2", "--link", "bridge:customer:cust_2", "--yes")
        rampkeeper("customers", "add", "ben", "--link", "ibex:account:acct_2", "--yes")
        words = ("withdrawals", "create", "--customer", "ben", "--external-account", "ea_1", "--amount", "1", "--yes")
        assert "not linked to this customer" in rampkeeper(*words, expect=1).stderr
        assert flows(engine) == 0

    def test_needs_a_bank_that_can_be_named(self, rampkeeper: CommandLine) -> None:
        add_links(rampkeeper, "bridge:external_account:ea_1")
        assert "bank_name and last4" in rampkeeper(*CREATE, "--amount", "1", "--yes", expect=1).stderr

    def test_a_stranger_is_told_plainly(self, rampkeeper: CommandLine) -> None:
        words = ("withdrawals", "create", "--customer", "eve", "--external-account", "ea_1", "--amount", "1", "--yes")
        assert "There is no such customer here" in rampkeeper(*words, expect=1).stderr

    def test_does_nothing_without_a_yes(self, engine: Engine, rampkeeper: CommandLine) -> None:
        rampkeeper(*CREATE, "--amount", "1", expect=2)
        assert flows(engine) == 0


class TestShown:
    def test_listed_with_its_bank_and_shown_whole(self, rampkeeper: CommandLine) -> None:
        made = rampkeeper.json(*CREATE, "--amount", "250", "--yes")
        (listed,) = rampkeeper.json("withdrawals", "list", "--state", "requested", "--customer", "ana")
        assert listed == made
        assert rampkeeper.json("withdrawals", "list", "--state", "paid_out") == []
        assert "Chase 6789" in rampkeeper("withdrawals", "list").stdout
        shown = rampkeeper.json("withdrawals", "show", made["id"][:8])
        assert [one["purpose"] for one in shown["entries"]] == ["held"]
        assert "requested" in rampkeeper("withdrawals", "show", made["id"]).stdout

    def test_of_what_there_is_not_is_refused(self, rampkeeper: CommandLine) -> None:
        assert "there is no flow" in rampkeeper("withdrawals", "show", "abcd", expect=1).stderr


def test_of_two_asked_for_at_once_one_is_begun(engine: Engine, rampkeeper: CommandLine) -> None:
    """Both read the balance before either holds it, unless the customer's lock stands between them."""
    desk = Desk(begin=unit_of_work(engine), by="ana")
    done: list[UUID | type[Refusal]] = []
    gate = threading.Barrier(2)

    def ask(reference: str) -> None:
        wanted = Wanted(customer="ana", amount="600", external_account="ea_1", reference=reference)
        gate.wait()
        try:
            done.append(withdrawals.create(desk, wanted, enabled=True))
        except Refusal as refusal:
            done.append(type(refusal))

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused: list[Any] = [one for one in done if not isinstance(one, UUID)]
    assert refused in ([WithdrawalInProgress], [InsufficientFunds])
    assert (flows(engine), wallet(engine)) == (1, (1000, 600))
