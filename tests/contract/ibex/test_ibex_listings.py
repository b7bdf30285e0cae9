"""IBEX's listings and its side of a comparison, read from the pretended IBEX in every order it may have."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funding.errors import NotFound, UnexpectedAnswer
from funding.facts import Changed, Fact, TokensArrived
from funding.money import Money
from funding.ports.ibex import SendOrder
from funding.ports.listings import Finding, Listing
from providers.ibex.adapter import IbexAdapter
from providers.ibex.interpret import interpret
from providers.ibex.listings import AccountTransactions, OneTransaction
from providers.ibex.records import TransactionRecords
from sandbox.server import SandboxServer
from tests.contract.ibex.client import ETHEREUM, ByHand, an_adapter
from tests.support.odd_server import OddServer, always, answer, read_request

NOW = datetime.now(UTC)
SINCE = NOW - timedelta(hours=1)
UNTIL = NOW + timedelta(hours=1)


def send(ibex: IbexAdapter, account: str, minor: int = 25_000000) -> str:
    order = SendOrder(account=account, address=ETHEREUM, network="ethereum", amount=Money(minor, "USDT"), name="payout")
    sent = ibex.send(ibex.send_request(order)).transaction_id
    assert sent is not None
    return sent


def walk(listing: Listing, *, since: datetime = SINCE) -> list[Finding]:
    found: list[Finding] = []
    cursor = None
    while True:
        page = listing.page(since=since, cursor=cursor)
        found += page.findings
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


def facts(findings: list[Finding]) -> list[Fact]:
    return [fact for one in findings for fact in interpret(one.body, source="poll").facts]


ORDERS = [
    {"ibex_minus_sort": sort, "ibex_first_page": first, "ibex_unset_time": unset}
    for sort in ("newest", "oldest")
    for first in (0, 1)
    for unset in ("zero", "number", "null")
]


class TestAnAccountsListing:
    @pytest.mark.parametrize("config", ORDERS)
    def test_finds_each_once_in_the_order_they_were_made(
        self, ibex: IbexAdapter, account: str, deposit: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("providers.ibex.adapter.PAGE", 2)
        made = [deposit(str(number)) for number in range(1, 4)]
        made += [deposit(settle_seconds=600), *(deposit(str(number)) for number in range(4, 7))]
        found = walk(AccountTransactions(ibex, accounts=[account]))
        assert [one.id for one in found] == made
        assert {one.kind for one in found} == {"transaction"}

    @pytest.mark.parametrize("config", [{"ibex_first_page": 0}, {"ibex_first_page": 1}])
    def test_of_few_takes_one_call_and_says_how_many_it_took(
        self, ibex: IbexAdapter, account: str, deposit: Callable[..., str], pretended: SandboxServer
    ) -> None:
        """Polls must not spend more of what IBEX allows than they were given."""
        listing = AccountTransactions(ibex, accounts=[account])

        def calls() -> tuple[int, int]:
            before = sum("/all?" in one["path"] for one in pretended.world.requests)
            said = listing.page(since=SINCE, cursor=None).calls
            return said, sum("/all?" in one["path"] for one in pretended.world.requests) - before

        empty = calls()
        for _ in range(9):
            deposit()
        few = calls()
        deposit()
        many = calls()
        assert (empty, few) == ((2, 2), (1, 1))
        assert many[0] == many[1] > 1
        empty_account = pretended.world.ibex.add_account(name="second", currency_id=29)
        page = AccountTransactions(ibex, accounts=[empty_account]).page(since=SINCE, cursor=None)
        assert page.calls == 1, "by now it is known that page 0 shows what there is"

    def test_tells_receipts_from_sends(self, ibex: IbexAdapter, account: str, deposit: Callable[..., str]) -> None:
        """Both wake somebody; only the receipt may ever be credited."""
        came, sent = deposit("49.5"), send(ibex, account)
        receipt, other = facts(walk(AccountTransactions(ibex, accounts=[account])))
        assert isinstance(receipt, TokensArrived)
        assert (receipt.transaction, receipt.account, receipt.amount) == (came, account, Money(49_500000, "USDT"))
        assert (receipt.address, receipt.chain_hash) == (None, None), "the listing knows neither"
        assert other == Changed(kind="transaction", id=sent, status="completed", at=None, ours=True)

    def test_begins_where_it_is_told_but_for_what_still_waits(
        self, ibex: IbexAdapter, account: str, deposit: Callable[..., str]
    ) -> None:
        deposit()
        waiting = deposit(settle_seconds=600)
        listing = AccountTransactions(ibex, accounts=[account])
        assert [one.id for one in walk(listing, since=UNTIL)] == [waiting]

    def test_shows_as_news_what_has_settled(
        self, ibex: IbexAdapter, account: str, deposit: Callable[..., str], pretended: SandboxServer
    ) -> None:
        made = deposit(settle_seconds=600)
        listing = AccountTransactions(ibex, accounts=[account])
        (before,) = walk(listing)
        (same,) = walk(listing)
        pretended.world.ibex.move(made, "completed")
        (after,) = walk(listing)
        assert before.digest_of == same.digest_of != after.digest_of
        assert after.changed_at > before.changed_at

    def test_of_two_accounts_reads_one_after_the_other(
        self, ibex: IbexAdapter, account: str, deposit: Callable[..., str], pretended: SandboxServer
    ) -> None:
        other = pretended.world.ibex.add_account(name="second", currency_id=29)
        address = pretended.world.ibex.add_receive_info(account_id=other, network="tron").address
        made = {deposit(), pretended.world.ibex.deposit(address, "5")}
        assert {one.id for one in walk(AccountTransactions(ibex, accounts=[other, account]))} == made

    def test_of_an_account_nobody_has_is_refused(self, ibex: IbexAdapter) -> None:
        with pytest.raises(NotFound):
            walk(AccountTransactions(ibex, accounts=["acc_none"]))

    def test_goes_on_past_one_that_cannot_be_read(self) -> None:
        """A flow must not take such a listing for the truth, but a poll must not starve of it: ingest judges it."""
        good = (
            '{"id":"tx_1","createdAt":"2026-03-04T15:20:01Z","settledAt":"0001-01-01T00:00:00Z","accountId":"acc_1",'
            '"amount":100.0,"currencyId":29,"transactionTypeId":9,"status":"pending"}'
        )
        rows = f"[{good},{good.replace('tx_1', 'tx_2').replace('29', '31')},7]"
        pages = iter([rows, "[]", rows, rows])
        with OddServer(each(pages)) as server, an_adapter(server.url, ByHand()) as ibex:
            found = walk(AccountTransactions(ibex, accounts=["acc_1"]))
        assert {one.id for one in found} > {"tx_1", "tx_2"}
        assert len(found) == 3

    def test_of_another_account_is_not_believed(self) -> None:
        row = b'[{"id":"tx_1","createdAt":"2026-03-04T15:20:01Z","accountId":"acc_2","amount":1,"currencyId":29}]'
        with (
            OddServer(always(answer(body=row))) as server,
            an_adapter(server.url, ByHand()) as ibex,
            pytest.raises(UnexpectedAnswer, match="another account"),
        ):
            walk(AccountTransactions(ibex, accounts=["acc_1"]))


class TestOne:
    @pytest.mark.parametrize("config", [{"ibex_decimals": 11}])
    def test_is_found_with_its_chain_hash(self, ibex: IbexAdapter, deposit: Callable[..., str], account: str) -> None:
        made = deposit("0.29", tx_hash="ab" * 32)
        (receipt,) = facts(walk(OneTransaction(ibex, transaction=made)))
        assert isinstance(receipt, TokensArrived)
        assert (receipt.chain_hash, receipt.account) == ("ab" * 32, account)
        assert receipt.amount == Money(290000, "USDT")

    def test_is_no_news_to_who_knows_the_listing(
        self, ibex: IbexAdapter, account: str, deposit: Callable[..., str]
    ) -> None:
        made = deposit(tx_hash="ab" * 32)
        (listed,) = walk(AccountTransactions(ibex, accounts=[account]))
        (alone,) = walk(OneTransaction(ibex, transaction=made))
        assert (listed.kind, listed.id, listed.digest_of) == (alone.kind, alone.id, alone.digest_of)

    @pytest.mark.parametrize("name", ["tx_none", "..", "a/b"])
    def test_unknown_finds_nothing(self, ibex: IbexAdapter, name: str) -> None:
        assert walk(OneTransaction(ibex, transaction=name)) == []


class TestBalances:
    def test_are_of_every_token_account_on_every_page(self, ibex: IbexAdapter, pretended: SandboxServer) -> None:
        """A hundred a page at most; bitcoin and dollars are none of ours."""
        state = pretended.world.ibex
        made = {state.add_account(name=f"a{n}", currency_id=29, balance=f"{n}.0000009"): n for n in range(130)}
        coin = state.add_account(name="coin", currency_id=30, balance="2.5")
        for currency in (0, 3):
            state.add_account(name="other", currency_id=currency)
        shown = ibex.list_balances()
        assert {one: shown[one] for one in made} == {one: Money(n * 10**6, "USDT") for one, n in made.items()}
        assert shown[coin] == Money(2_500000, "USDC")
        assert len(shown) == len(made) + 2, "and the first of the start"

    @pytest.mark.parametrize("reply", [b'{"accounts":[]}', b'[{"id":"acc_1","currencyId":29}]', b"7"])
    def test_that_are_not_shown_are_no_answer(self, reply: bytes) -> None:
        with (
            OddServer(always(answer(body=reply))) as server,
            an_adapter(server.url, ByHand()) as ibex,
            pytest.raises(UnexpectedAnswer),
        ):
            ibex.list_balances()


class TestRecords:
    def test_are_of_every_account_and_say_which_way_the_tokens_went(
        self, ibex: IbexAdapter, account: str, deposit: Callable[..., str], pretended: SandboxServer
    ) -> None:
        other = pretended.world.ibex.add_account(name="second", currency_id=29)
        came, sent = deposit("49.5"), send(ibex, account, 7_000001)
        source = TransactionRecords(ibex, accounts=[account, other])
        first = source.page(since=SINCE, until=UNTIL, cursor=None)
        second = source.page(since=SINCE, until=UNTIL, cursor=first.next_cursor)
        assert second.next_cursor is None
        by_id = {one.id: one for one in (*first.records, *second.records)}
        assert (by_id[came].asset, by_id[came].asset_out, by_id[came].amount_out) == (None, "USDT", 49_500000)
        assert (by_id[sent].asset, by_id[sent].amount, by_id[sent].asset_out) == ("USDT", 7_000001, None)
        assert {one.status for one in by_id.values()} == {"completed"}
        assert {one.account for one in by_id.values()} == {account}

    def test_are_none_without_accounts(self, ibex: IbexAdapter) -> None:
        page = TransactionRecords(ibex, accounts=[]).page(since=SINCE, until=UNTIL, cursor=None)
        assert (page.records, page.next_cursor) == ((), None)

    def test_of_one_are_as_of_the_listing(self, ibex: IbexAdapter, account: str, deposit: Callable[..., str]) -> None:
        source = TransactionRecords(ibex, accounts=[account])
        made = deposit()
        (listed,) = source.page(since=SINCE, until=UNTIL, cursor=None).records
        assert source.one(made, account=account) == listed
        assert source.one("tx_none", account=account) is None

    @pytest.mark.parametrize("config", [{"ibex_unset_time": "number"}])
    def test_of_the_past_are_left_out_unless_they_wait(
        self, ibex: IbexAdapter, account: str, deposit: Callable[..., str]
    ) -> None:
        deposit()
        waiting = deposit(settle_seconds=600)
        source = TransactionRecords(ibex, accounts=[account])
        later = NOW + timedelta(days=1)
        assert [one.id for one in source.page(since=later, until=later + timedelta(days=1), cursor=None).records] == [
            waiting
        ]

    def test_that_cannot_be_read_say_why(self) -> None:
        row = b'[{"id":"tx_1","createdAt":"2026-03-04T15:20:01Z","accountId":"acc_1","amount":"1","currencyId":29}]'
        pages = iter([row.decode(), "[]", row.decode(), row.decode()])
        with OddServer(each(pages)) as server, an_adapter(server.url, ByHand()) as ibex:
            (one,) = TransactionRecords(ibex, accounts=["acc_1"]).page(since=SINCE, until=UNTIL, cursor=None).records
        assert (one.id, one.fault) == ("tx_1", "amount must be a number")

    def test_without_a_time_end_the_comparison(self) -> None:
        row = '[{"id":"tx_1","accountId":"acc_1","amount":1,"currencyId":29}]'
        pages = iter([row, "[]", row, row])
        with (
            OddServer(each(pages)) as server,
            an_adapter(server.url, ByHand()) as ibex,
            pytest.raises(UnexpectedAnswer, match="no time"),
        ):
            TransactionRecords(ibex, accounts=["acc_1"]).page(since=SINCE, until=UNTIL, cursor=None)


def each(pages: Iterator[str]) -> Any:
    """A server whose next request gets the next of these pages."""

    def behave(connection: Any, _stopping: Any) -> None:
        while read_request(connection):
            connection.sendall(answer(body=next(pages).encode()))

    return behave
