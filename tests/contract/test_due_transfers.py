"""Due's port and listings, spoken to the pretended Due."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funding.errors import (
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
    UnexpectedAnswer,
)
from funding.facts import Changed, Fact
from funding.flows.due_legacy import NOT_THERE_YET
from funding.money import Money
from funding.ports.due import OffRampOrder, TransferStatus
from funding.ports.listings import Finding, Listing
from providers.credentials import bearer
from providers.due import adapter as due
from providers.due.adapter import DueAdapter
from providers.due.interpret import interpret
from providers.due.listings import AccountTransfers, DeliveryLog, OneTransfer
from sandbox.server import SandboxServer
from tests.contract.conftest import DEADLINE_S
from tests.support.clients import a_client
from tests.support.odd_server import OddServer, always, answer

SINCE = datetime.now(UTC) - timedelta(hours=1)
DONE = ("payment_processed",)


@pytest.fixture
def owner(pretended: SandboxServer) -> str:
    return pretended.world.due.add_account().id


@pytest.fixture
def deposit(pretended: SandboxServer, owner: str) -> Callable[..., str]:
    state = pretended.world.due
    account = state.add_virtual_account(owner, state.add_recipient(owner).id)

    def make(amount: str = "250.00", **more: Any) -> str:
        return state.deposit(account.id, amount, **({"path": DONE} | more))

    return make


def walk(listing: Listing) -> list[Finding]:
    found: list[Finding] = []
    cursor = None
    while True:
        page = listing.page(since=SINCE, cursor=cursor)
        found += page.findings
        cursor = page.next_cursor
        if cursor is None:
            return found


def facts(findings: list[Finding]) -> list[Fact]:
    return [fact for one in findings for fact in interpret(one.body, source="poll").facts]


class TestATransfer:
    def test_is_read_in_our_words(self, transfers: DueAdapter, owner: str, deposit: Callable[..., str]) -> None:
        transfer = transfers.get_transfer(deposit(), account=owner)
        assert transfer.status is TransferStatus.PAYMENT_PROCESSED
        assert (transfer.source, transfer.destination) == (Money(250_000000, "USDC"), Money(249_25, "USD"))
        assert (transfer.source_fee, transfer.destination_fee) == (Money(0, "USDC"), Money(75, "USD"))
        assert transfer.account == owner
        assert (transfer.chain, transfer.rail) == ("base", "ach")
        assert datetime.now(UTC) - transfer.created_at < timedelta(minutes=1)

    def test_of_parts_of_a_cent_is_rounded_down_and_the_rest_named(
        self, transfers: DueAdapter, owner: str, deposit: Callable[..., str]
    ) -> None:
        transfer = transfers.get_transfer(deposit(destination_amount="249.259999"), account=owner)
        assert transfer.destination == Money(249_25, "USD")
        assert str(transfer.destination_rest) == "0.009999"

    def test_is_read_whatever_its_status(
        self, transfers: DueAdapter, owner: str, deposit: Callable[..., str], pretended: SandboxServer
    ) -> None:
        pretended.world.faults.set("unknown_status", "due", status="Under_Observation")
        transfer = transfers.get_transfer(deposit(), account=owner)
        assert (transfer.status, transfer.raw_status) == (TransferStatus.UNKNOWN, "Under_Observation")

    def test_is_not_found_for_another_owner(
        self, transfers: DueAdapter, deposit: Callable[..., str], pretended: SandboxServer
    ) -> None:
        with pytest.raises(NotFound):
            transfers.get_transfer(deposit(), account=pretended.world.due.add_account().id)

    @pytest.mark.parametrize("odd", ["..", "../accounts", "a/b", "a\r\nb", "", "%2e%2e"])
    def test_is_not_asked_for_under_an_odd_id(
        self, transfers: DueAdapter, pretended: SandboxServer, owner: str, odd: str
    ) -> None:
        for transfer, account in ((odd, owner), ("tf_1", odd)):
            with pytest.raises(NotFound):
                transfers.get_transfer(transfer, account=account)
        assert not pretended.world.requests

    @pytest.mark.parametrize("fault", ["slow_reply", "dripping_reply", "hanging_socket"])
    def test_is_given_up_at_the_deadline(
        self, transfers: DueAdapter, owner: str, deposit: Callable[..., str], pretended: SandboxServer, fault: str
    ) -> None:
        pretended.world.faults.set(fault, "due", seconds=30)
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            transfers.get_transfer(deposit(), account=owner)
        assert time.monotonic() - began < DEADLINE_S + 1

    @pytest.mark.parametrize("fault", ["server_error", "unavailable", "reset_before", "reply_lost"])
    def test_is_asked_for_again_after_a_failure(
        self, transfers: DueAdapter, owner: str, deposit: Callable[..., str], pretended: SandboxServer, fault: str
    ) -> None:
        made = deposit()
        pretended.world.faults.set(fault, "due", times=1)
        with pytest.raises(ProviderUnavailable):
            transfers.get_transfer(made, account=owner)
        assert transfers.get_transfer(made, account=owner).id == made

    def test_waits_when_throttled(self, transfers: DueAdapter, owner: str, pretended: SandboxServer) -> None:
        pretended.world.faults.set("throttled", "due", seconds=4)
        with pytest.raises(ProviderThrottled) as caught:
            transfers.get_transfer("tf_1", account=owner)
        assert caught.value.retry_after == timedelta(seconds=4)

    def test_is_not_read_with_a_wrong_key(self, pretended: SandboxServer, owner: str) -> None:
        client = a_client(pretended.urls["due"], credentials=[bearer("wrong")])
        with pytest.raises(Misconfigured):
            DueAdapter(client).get_transfer("tf_1", account=owner)

    def test_refused_for_compliance_is_no_fault_of_our_key(self) -> None:
        refusal = answer("403 X", b'{"error_code":"err_aml_risk_score_hit","message":"risk"}')
        with OddServer(always(refusal)) as server, pytest.raises(ProviderRejected) as caught:
            DueAdapter(a_client(server.url, classify=due.classify)).get_transfer("tf_1", account="acct_1")
        assert caught.value.code == "err_aml_risk_score_hit"


class TestTheDeliveryLog:
    @pytest.mark.parametrize("encoding", ["object", "text", "base64", "integers"])
    def test_tells_what_the_webhook_would_have(self, encoding: str) -> None:
        """Due's documents leave open how eventData is written; and nobody hears at this endpoint."""
        config = {"due_webhook_url": "http://127.0.0.1:9/", "event_data": encoding}
        with SandboxServer(config=config) as server:
            state = server.world.due
            owner = state.add_account().id
            made = state.deposit(state.add_virtual_account(owner, state.add_recipient(owner).id).id, path=DONE)
            client = a_client(server.urls["due"], credentials=[bearer(server.world.config.due_api_keys[0])])
            findings = walk(DeliveryLog(DueAdapter(client), endpoint=None))
            sent = [event for events in server.world.outbox.events.values() for event in events]
        told = [fact for fact in facts(findings) if isinstance(fact, Changed)]
        assert {(fact.id, fact.status) for fact in told} == {(made, "payment_processed")}
        assert all(fact.opening is not None and fact.opening.data["account"] == owner for fact in told)
        assert {one.event_id for one in findings} <= {event.id for event in sent}

    def test_holds_no_bank_details(self, transfers: DueAdapter, deposit: Callable[..., str]) -> None:
        """Only what a reading needs is stored: a transfer shows its owner's name and account number."""
        deposit()
        found = walk(DeliveryLog(transfers, endpoint=None))
        assert found
        assert not any(b"accountNumber" in one.body or b"label" in one.body for one in found)

    def test_is_walked_over_every_page_of_every_endpoint(
        self, transfers: DueAdapter, deposit: Callable[..., str], pretended: SandboxServer, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr("providers.due.adapter.PAGE", 2)
        pretended.world.due.endpoints.add("http://127.0.0.1:9/second")
        made = {deposit() for _ in range(5)}
        found = walk(DeliveryLog(transfers, endpoint=None))
        assert {fact.id for fact in facts(found) if isinstance(fact, Changed)} == made
        assert len({one.event_id for one in found}) == 10

    def test_of_a_configured_endpoint_is_the_only_one_read(
        self, transfers: DueAdapter, deposit: Callable[..., str], pretended: SandboxServer
    ) -> None:
        second = pretended.world.due.endpoints.add("http://127.0.0.1:9/second")
        deposit()
        found = walk(DeliveryLog(transfers, endpoint=second.id))
        assert len(found) == 1

    def test_of_nobody_is_empty(self) -> None:
        with OddServer(always(answer(body=b"[]"))) as server:
            assert walk(DeliveryLog(DueAdapter(a_client(server.url)), endpoint=None)) == []

    def test_passes_on_what_it_cannot_read_under_another_name(self) -> None:
        """Under the webhook's own name it would make a readable copy a duplicate."""
        item = {
            "id": "wh_evt_1",
            "eventType": "transfer.status_changed",
            "eventData": 5,
            "occurredAt": "2026-01-01T00:00:00Z",
        }
        body = json.dumps({"items": [item], "next": None}).encode()
        with OddServer(always(answer(body=body))) as server:
            (found,) = walk(DeliveryLog(DueAdapter(a_client(server.url)), endpoint="whk_1"))
        assert found.event_id is None

    def test_that_leads_in_a_circle_is_left(self) -> None:
        body = json.dumps({"items": [], "next": "again"}).encode()
        with OddServer(always(answer(body=body))) as server, pytest.raises(UnexpectedAnswer):
            walk(DeliveryLog(DueAdapter(a_client(server.url)), endpoint="whk_1"))


class TestAnAccountsTransfers:
    def test_are_its_deposits_page_by_page(
        self, transfers: DueAdapter, owner: str, deposit: Callable[..., str], monkeypatch: Any
    ) -> None:
        monkeypatch.setattr("providers.due.adapter.PAGE", 2)
        made = [deposit() for _ in range(5)]
        found = walk(AccountTransfers(transfers, account=owner))
        assert [one.id for one in found] == made
        assert all(one.event_id is None for one in found)
        assert {fact.id for fact in facts(found) if isinstance(fact, Changed)} == set(made)

    def test_change_their_digest_with_status_and_amount_only(
        self, transfers: DueAdapter, owner: str, deposit: Callable[..., str], pretended: SandboxServer
    ) -> None:
        made = pretended.world.due.transfers[deposit()]

        def digest() -> str:
            return walk(AccountTransfers(transfers, account=owner))[0].digest_of

        before, again = digest(), digest()
        made.source.amount *= 2
        assert before == again != digest()

    def test_that_are_listed_short_come_by_the_next_walk(
        self, transfers: DueAdapter, owner: str, deposit: Callable[..., str], pretended: SandboxServer
    ) -> None:
        """A listing that ends early looks whole: only reading it again helps."""
        made = {deposit() for _ in range(4)}
        pretended.world.faults.set("truncated_listing", "due", times=1)
        short = {one.id for one in walk(AccountTransfers(transfers, account=owner))}
        assert short < made
        assert {one.id for one in walk(AccountTransfers(transfers, account=owner))} == made


class TestOneTransfer:
    def test_is_found_as_it_is_now(self, transfers: DueAdapter, owner: str, deposit: Callable[..., str]) -> None:
        made = deposit()
        (fact,) = facts(walk(OneTransfer(transfers, account=owner, transfer=made)))
        assert isinstance(fact, Changed)
        assert fact.id == made

    def test_unknown_to_due_is_no_finding(self, transfers: DueAdapter, owner: str) -> None:
        assert walk(OneTransfer(transfers, account=owner, transfer="tf_none")) == []


class TestAConversion:
    """What `legacy_offramp` asks for: no key, no reference, so it is found again by its account and amount."""

    @pytest.fixture
    def account(self, pretended: SandboxServer, owner: str) -> str:
        state = pretended.world.due
        return state.add_virtual_account(owner, state.add_recipient(owner).id).id

    @pytest.fixture
    def request_(self, transfers: DueAdapter, account: str) -> str:
        order = OffRampOrder(virtual_account=account, amount=Money(250_500000, "USDC"), asset_out="USD")
        return transfers.off_ramp_request(order)

    def test_is_made_and_found(
        self, transfers: DueAdapter, owner: str, account: str, request_: str, pretended: SandboxServer
    ) -> None:
        pretended.world.due.deposits.announce_in_seed_way(account, "250.50")
        made = transfers.create_off_ramp(request_, account=owner)
        pretended.world.due.deposit(pretended.world.due.add_virtual_account(owner, "rcp_other").id, "250.50")

        (found,) = transfers.find_transfers(account=owner, virtual_account=account, since=SINCE)
        assert (found.id, found.source) == (made, Money(250_500000, "USDC"))

    def test_is_found_on_whichever_page_it_stands(
        self, transfers: DueAdapter, owner: str, account: str, pretended: SandboxServer
    ) -> None:
        for _ in range(due.PAGE + 1):
            pretended.world.due.deposit(account, "1.00", path=DONE)
        found = transfers.find_transfers(account=owner, virtual_account=account, since=SINCE)
        assert len({one.id for one in found}) == due.PAGE + 1

    def test_of_money_that_is_not_there_is_refused(self, transfers: DueAdapter, owner: str, request_: str) -> None:
        with pytest.raises(ProviderRejected) as refused:
            transfers.create_off_ramp(request_, account=owner)
        assert refused.value.code == NOT_THERE_YET

    @pytest.mark.parametrize("fault", ["reply_lost", "server_error", "server_error_after", "reset_before"])
    def test_without_an_answer_may_exist(
        self, transfers: DueAdapter, owner: str, account: str, request_: str, pretended: SandboxServer, fault: str
    ) -> None:
        pretended.world.due.deposits.announce_in_seed_way(account, "250.50")
        pretended.world.faults.set(fault, "due", only="POST /offramp", times=1)
        with pytest.raises(OutcomeUnknown):
            transfers.create_off_ramp(request_, account=owner)

    def test_answered_without_an_id_may_exist(self) -> None:
        with (
            OddServer(always(answer("202 Accepted", b'{"status":"funds_received"}'))) as server,
            pytest.raises(OutcomeUnknown),
        ):
            DueAdapter(a_client(server.url)).create_off_ramp("{}", account="acct_1")

    def test_cannot_be_looked_up_where_a_transfer_of_its_account_cannot_be_read(self) -> None:
        """Nothing there would be believed, and it would be made twice."""
        listing = b'{"items":[{"id":"tf_1","source":{"virtualAccountId":"va_1"}}],"next":null}'
        with OddServer(always(answer("200 OK", listing))) as server, pytest.raises(UnexpectedAnswer):
            DueAdapter(a_client(server.url)).find_transfers(account="acct_1", virtual_account="va_1", since=SINCE)
