"""Alpaca's port, spoken to the pretended Alpaca."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

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
from funding.facts import CashArrived
from funding.money import Money
from funding.ports.alpaca import JournalOrder, JournalStatus
from providers.alpaca.adapter import AlpacaAdapter
from providers.alpaca.interpret import interpret
from providers.alpaca.listings import FirmActivities, JournalDays
from providers.credentials import basic
from sandbox.server import SandboxServer
from tests.contract.conftest import DEADLINE_S
from tests.support.clients import a_client
from tests.support.odd_server import OddServer, always, answer

TODAY = datetime.now(UTC)
POST = "POST /v1/journals"


@pytest.fixture
def customer(pretended: SandboxServer) -> str:
    return pretended.world.alpaca.add_account()


def a_request(journals: AlpacaAdapter, customer: str, *, cents: int = 249_25, reference: str = "flow_1") -> str:
    return journals.journal_request(JournalOrder(to_account=customer, amount=Money(cents, "USD"), reference=reference))


def made(pretended: SandboxServer) -> int:
    return len(pretended.world.alpaca.journals.by_id)


class TestCreating:
    def test_moves_cash_to_the_customer(self, journals: AlpacaAdapter, customer: str) -> None:
        journal = journals.create_journal(a_request(journals, customer), key=uuid4())
        assert journal.amount == Money(249_25, "USD")
        assert (journal.from_account, journal.to_account) == (journals.firm_account, customer)
        assert journal.description == "flow_1"
        assert journals.get_journal(journal.id).id == journal.id

    @pytest.mark.parametrize(
        ("fault", "params"),
        [
            ("reply_lost", {}),
            ("server_error_after", {}),
            ("slow_reply", {"seconds": 30}),
            ("dripping_reply", {"seconds": 30}),
            ("hanging_socket", {"seconds": 30}),
        ],
    )
    def test_is_unknown_without_a_reply_and_the_same_key_finds_the_journal(
        self, journals: AlpacaAdapter, customer: str, pretended: SandboxServer, fault: str, params: dict[str, float]
    ) -> None:
        """The one case where a second journal would pay twice."""
        request, key = a_request(journals, customer), uuid4()
        pretended.world.faults.set(fault, "alpaca", times=1, only=POST, **params)
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            journals.create_journal(request, key=key)
        assert time.monotonic() - began < DEADLINE_S + 1

        again = journals.create_journal(request, key=key)
        assert made(pretended) == 1
        assert [one.id for one in journals.find_journals("flow_1", since=TODAY, to_account=customer)] == [again.id]

    @pytest.mark.parametrize("fault", ["reset_before", "server_error", "unavailable"])
    def test_is_unknown_even_if_nothing_happened(
        self, journals: AlpacaAdapter, customer: str, pretended: SandboxServer, fault: str
    ) -> None:
        """From here a reset before and a reset after look the same."""
        pretended.world.faults.set(fault, "alpaca", times=1, only=POST)
        with pytest.raises(OutcomeUnknown):
            journals.create_journal(a_request(journals, customer), key=uuid4())
        assert journals.find_journals("flow_1", since=TODAY, to_account=customer) == []

    def test_did_not_happen_when_throttled(
        self, journals: AlpacaAdapter, customer: str, pretended: SandboxServer
    ) -> None:
        pretended.world.faults.set("throttled", "alpaca", times=1, only=POST, seconds=3)
        with pytest.raises(ProviderThrottled) as caught:
            journals.create_journal(a_request(journals, customer), key=uuid4())
        assert caught.value.retry_after == timedelta(seconds=3)
        assert made(pretended) == 0

    def test_says_when_the_firms_cash_is_short(self, journals: AlpacaAdapter, customer: str) -> None:
        with pytest.raises(ProviderRejected) as caught:
            journals.create_journal(a_request(journals, customer, cents=5000_00), key=uuid4())
        assert caught.value.code == "40310000"

    def test_is_refused_for_an_account_compliance_holds_back(
        self, journals: AlpacaAdapter, customer: str, pretended: SandboxServer
    ) -> None:
        """A refusal of this request, not of our key: other customers go on."""
        pretended.world.alpaca.refuse_account(customer)
        with pytest.raises(ProviderRejected) as caught:
            journals.create_journal(a_request(journals, customer), key=uuid4())
        assert caught.value.code != "40310000"

    def test_is_refused_under_a_key_that_named_another_request(self, journals: AlpacaAdapter, customer: str) -> None:
        key = UUID(int=1)
        journals.create_journal(a_request(journals, customer), key=key)
        with pytest.raises(ProviderRejected):
            journals.create_journal(a_request(journals, customer, cents=1_00), key=key)

    @pytest.mark.parametrize("cents", [0, -1])
    def test_is_refused_by_us_for_no_money(self, journals: AlpacaAdapter, customer: str, cents: int) -> None:
        with pytest.raises(ValueError, match="more than none"):
            a_request(journals, customer, cents=cents)


class TestReading:
    def test_keeps_a_status_nobody_knows_open(
        self, journals: AlpacaAdapter, customer: str, pretended: SandboxServer
    ) -> None:
        journal = journals.create_journal(a_request(journals, customer), key=uuid4())
        pretended.world.faults.set("unknown_status", "alpaca", status="Being_Considered")
        read = journals.get_journal(journal.id)
        assert (read.status, read.raw_status) == (JournalStatus.UNKNOWN, "Being_Considered")

    @pytest.mark.parametrize("id_", ["no-such", "..", "../accounts", "a/b", "a?b", "", "x" * 200])
    def test_finds_no_journal_under_an_odd_id(self, journals: AlpacaAdapter, id_: str) -> None:
        """Ids come out of event bodies: they must not lead to another path."""
        with pytest.raises(NotFound):
            journals.get_journal(id_)

    @pytest.mark.parametrize("fault", ["server_error", "unavailable", "reset_before", "reply_lost"])
    def test_is_to_be_asked_again_after_a_failure(
        self, journals: AlpacaAdapter, pretended: SandboxServer, fault: str
    ) -> None:
        pretended.world.faults.set(fault, "alpaca", times=1)
        with pytest.raises(ProviderUnavailable):
            journals.get_balances(journals.firm_account)
        assert journals.get_balances(journals.firm_account).cash == Money(1000_00, "USD")

    def test_with_a_wrong_secret_is_our_mistake(self, pretended: SandboxServer) -> None:
        client = a_client(pretended.urls["alpaca"], provider="alpaca", credentials=[basic("CK", "wrong")])
        with pytest.raises(Misconfigured):
            AlpacaAdapter(client, firm_account="firm").get_balances("firm")

    def test_shows_balances_after_a_journal(
        self, journals: AlpacaAdapter, customer: str, pretended: SandboxServer
    ) -> None:
        journal = journals.create_journal(a_request(journals, customer), key=uuid4())
        pretended.world.alpaca.journals.force(journal.id, "executed")
        balances = journals.get_balances(customer)
        assert (balances.cash, balances.buying_power) == (Money(249_25, "USD"), Money(249_25, "USD"))
        assert balances.account == customer
        assert not balances.transfers_blocked


class TestFinding:
    def test_matches_our_reference_and_the_account(self, journals: AlpacaAdapter, pretended: SandboxServer) -> None:
        one, other = pretended.world.alpaca.add_account(), pretended.world.alpaca.add_account()
        wanted = [
            journals.create_journal(a_request(journals, one, cents=cents, reference="flow_1"), key=uuid4()).id
            for cents in (100, 200)
        ]
        journals.create_journal(a_request(journals, one, reference="flow_2"), key=uuid4())
        journals.create_journal(a_request(journals, other, reference="flow_1"), key=uuid4())
        found = journals.find_journals("flow_1", since=TODAY, to_account=one)
        assert [journal.id for journal in found] == wanted

    def test_asks_in_halves_when_an_answer_is_full(
        self, journals: AlpacaAdapter, customer: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A cut answer would hide the journal we made, and we would make another."""
        monkeypatch.setattr("providers.alpaca.adapter.MOST_JOURNALS", 1)
        journals.create_journal(a_request(journals, customer), key=uuid4())
        with pytest.raises(UnexpectedAnswer, match="truncated"):
            journals.find_journals("flow_1", since=TODAY, to_account=customer)

    def test_does_not_take_an_answer_of_another_shape_for_an_empty_one(self) -> None:
        with OddServer(always(answer(body=b'{"items":[]}'))) as server:
            adapter = AlpacaAdapter(a_client(server.url, provider="alpaca"), firm_account="firm")
            with pytest.raises(UnexpectedAnswer):
                adapter.find_journals("flow_1", since=TODAY, to_account="account")


class TestListings:
    def test_walk_journals_day_by_day_to_today(
        self, journals: AlpacaAdapter, customer: str, pretended: SandboxServer
    ) -> None:
        journal = journals.create_journal(a_request(journals, customer), key=uuid4())
        listing, seen, cursor, pages = JournalDays(journals), set[str](), None, 0
        while True:
            page = listing.page(since=TODAY - timedelta(days=2), cursor=cursor)
            pages += 1
            for finding in page.findings:
                seen.add(finding.id)
                (fact,) = interpret(finding.body, source="poll").facts
                assert getattr(fact, "id", None) == journal.id
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == {journal.id}
        assert pages == 4

    def test_change_a_journals_digest_only_with_what_is_read(
        self, journals: AlpacaAdapter, customer: str, pretended: SandboxServer
    ) -> None:
        pretended.world.alpaca.journals.single_limit *= 0  # everything waits for a person
        journal = journals.create_journal(a_request(journals, customer), key=uuid4())
        digests = []
        for status in (None, None, "executed"):
            if status:
                pretended.world.alpaca.journals.force(journal.id, status)
            digests.append(
                JournalDays(journals).page(since=TODAY, cursor=TODAY.date().isoformat()).findings[0].digest_of
            )
        assert digests[0] == digests[1] != digests[2]

    @pytest.mark.parametrize("truncated", [False, True])
    def test_walk_the_firms_cash_to_the_end_without_our_journals(
        self, journals: AlpacaAdapter, customer: str, pretended: SandboxServer, *, truncated: bool
    ) -> None:
        """A short page does not mean the end: a cut one is short too."""
        journals.create_journal(a_request(journals, customer), key=uuid4())
        for number in range(130):
            pretended.world.alpaca.add_cash(journals.firm_account, "-1.50" if number % 2 else "2.00")
        if truncated:
            pretended.world.faults.set("truncated_listing", "alpaca", probability=0.5, keep=0.5)
        listing, facts, cursor = FirmActivities(journals), [], None
        while True:
            page = listing.page(since=TODAY - timedelta(days=1), cursor=cursor)
            facts += [fact for one in page.findings for fact in interpret(one.body, source="poll").facts]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(facts) == 131  # the firm's first cash is one of them
        assert sum(fact.amount.minor for fact in facts if isinstance(fact, CashArrived)) == 1000_00 + 65 * 50
