"""IBEX, as flows and polls ask for it. One call moves money: the last of a send."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

from funding.errors import NotFound, ProviderError, ProviderRejected, ProviderUnavailable, UnexpectedAnswer
from funding.money import Money
from funding.ports.ibex import IbexTokens, SendOrder, SentTokens, TokenTransaction
from providers.answers import Classify
from providers.fields import is_id
from providers.http import ProviderClient, Request
from providers.ibex import exact, wire
from providers.ibex.receiving import AddressCalls, of_a_feature
from providers.ibex.shown import Shown, load_page, load_shown
from providers.ibex.walk import Walk

Loaded = TypeVar("Loaded")
Row = TypeVar("Row", TokenTransaction, Shown)
PAGE: Final = 50  # rows a page is asked for; how many it may be is not documented
SHORT: Final = 10  # fewer rows than that are no full page: it is the least that IBEX documents of one, of accounts
ACCOUNTS_PAGE: Final = 100  # at most, of accounts


def classify(_status: int, _code: str | None) -> type[ProviderError] | None:
    """IBEX's statuses mean what they say; what a 400 refuses is told by its text (`wire.problem`).

    A 403 of reading what is there means that we are blocked; of a feature, see `receiving.of_a_feature`.
    """
    return None


class AccountPolled(NamedTuple):
    """An account's transactions as a poll sees them, and how many calls that took."""

    transactions: Sequence[Shown]
    calls: int


class IbexAdapter(AddressCalls, IbexTokens):
    """IBEX's token transactions and sends in our words.

    Amounts travel as JSON numbers in whole tokens, with up to eleven places; here they are `Money`, rounded down.
    Sources: the API description in ibex-client 2.2.0; lnflash/flash, its crypto calls; both read 2026-11.
    """

    def __init__(self, client: ProviderClient) -> None:
        self._client = client
        self._counts_from_0 = False  # whether page 0 of a listing was ever seen to show something

    def get_transaction(self, transaction_id: str) -> TokenTransaction:
        """One transaction, with its chain hash where IBEX knows it. Raises: as any read."""
        self._check(transaction_id)
        path = f"/v2/transaction/{transaction_id}"
        shown = self._get("ibex.get_transaction", path, wire.load_transaction)
        if shown.id != transaction_id:
            raise UnexpectedAnswer("ibex shows another transaction than was asked for", provider="ibex")
        return replace(shown, chain_hash=self._chain_hash(path))

    def list_transactions(self, account: str, *, since: datetime) -> Sequence[TokenTransaction]:
        """An account's transactions made or settled since then, and all that still wait; the oldest made first.

        Raises: UnexpectedAnswer: one of them cannot be read, is another account's, or the listing never ends; and as
        any read.
        """
        return self._walk(account, wire.load_list, since=since)

    def list_arrivals(self, account: str, *, since: datetime) -> Sequence[TokenTransaction]:
        """As `list_transactions`, in one call where there are few: it may miss one, if IBEX shows pages half empty."""
        return self._walk(account, wire.load_list, since=since, hurried=True)

    def poll_account(self, account: str, *, since: datetime) -> AccountPolled:
        """As `show_transactions`, in one call where there are few. Raises: as that."""
        calls: list[int] = []
        shown = self._walk(account, load_page, since=since, hurried=True, tell=calls.append)
        return AccountPolled(shown, len(calls))

    def show_transactions(self, account: str, *, since: datetime) -> Sequence[Shown]:
        """As `list_transactions`, but with those of other money and those that cannot be read, as IBEX wrote them.

        Raises: UnexpectedAnswer: it shows another account's, or never ends; and as any read.
        """
        return self._walk(account, load_page, since=since)

    def show_transaction(self, transaction_id: str) -> Shown:
        """As `get_transaction`, as IBEX wrote it; what it keeps tells the chain hash too. Raises: as any read."""
        self._check(transaction_id)
        path = f"/v2/transaction/{transaction_id}"
        shown = self._get("ibex.get_transaction", path, load_shown)
        if shown.id != transaction_id:
            raise UnexpectedAnswer("ibex shows another transaction than was asked for", provider="ibex")
        return replace(shown, kept=shown.with_chain_hash(self._chain_hash(path)))

    def list_balances(self) -> Mapping[str, Money]:
        """Every token account by its id. Raises: UnexpectedAnswer: the listing shows no balances; and as any read."""
        found: dict[str, Money] = {}
        seen: set[str] = set()
        for number in itertools.count(1):
            params = {"limit": str(ACCOUNTS_PAGE), "page": str(number), "expand": "true"}
            page = self._get("ibex.list_accounts", "/v2/account", wire.load_accounts, params)
            found |= {one: balance for one, balance in page.items() if balance is not None}
            if page.keys() <= seen:
                break
            seen |= page.keys()
        return found

    def send_request(self, order: SendOrder) -> str:
        """The order as JSON, always the same for the same order. Raises: ValueError: IBEX cannot send it."""
        return wire.dump_send(order)

    def send(self, request: str) -> SentTokens:
        """Send tokens, in three calls of which only the last moves money. Asked twice it sends twice.

        Raises: OutcomeUnknown (may have left), ProviderRejected (did not happen), ProviderUnavailable (not sent, or
        the calls before the last have failed), ProviderThrottled (not done), Misconfigured. `code ==
        "insufficient_balance"` is money not there.
        """
        order = wire.load_send(request)
        try:
            info = self._info(order)
        except UnexpectedAnswer as error:
            raise ProviderUnavailable(
                f"not sent: {error}", provider="ibex", request_id=error.request_id, status=error.status
            ) from error
        call = Request(
            operation="ibex.send",
            method="POST",
            path=f"/accounts/{order.account}/crypto/send",
            body=wire.dump_money_out(order, info),
            creates=True,
            parse=exact.parse,
            problem=wire.problem,
            classify=of_a_feature,
        )
        return self._client.call(call, wire.load_sent)

    def _walk(
        self,
        account: str,
        load: Callable[[Any], list[Row]],
        *,
        since: datetime,
        hurried: bool = False,
        tell: Callable[[int], None] = lambda _: None,
    ) -> list[Row]:
        """`hurried`: a short page is taken for all. `tell` hears the number of each page that is read."""
        self._check(account)

        def read(number: int) -> list[Row]:
            tell(number)
            params = {"limit": str(PAGE), "page": str(number), "sort": "-settledAt"}
            page = self._get("ibex.list_transactions", f"/v2/transaction/account/{account}/all", load, params)
            if any(one.account not in {account, None} for one in page):
                raise UnexpectedAnswer("ibex lists another account's transaction", provider="ibex")
            self._counts_from_0 |= number == 0 and bool(page)
            return page

        short = min(SHORT, PAGE) if hurried else 0
        return Walk(read, since=since, short=short, counts_from_0=self._counts_from_0).transactions()

    def _chain_hash(self, path: str) -> str | None:
        try:
            return self._get("ibex.get_details", f"{path}/details", wire.load_chain_hash)
        except ProviderRejected:  # no details: it has not come to a chain, or never will
            return None

    def _info(self, order: SendOrder) -> str:
        """Have IBEX note where to send. Made again it is another note: nothing has moved, so nothing is unknown."""
        params = {"network": order.network, "currency-id": str(wire.CURRENCIES[order.amount.asset])}
        requirements = self._get(
            "ibex.send_requirements",
            "/crypto/send/requirements",
            lambda value: wire.load_requirements(value, order),
            params,
            classify=of_a_feature,
        )
        call = Request(
            operation="ibex.create_send_info",
            method="POST",
            path="/crypto/send/infos",
            body=wire.dump_info(order, requirements),
            parse=exact.parse,
            problem=wire.problem,
            classify=of_a_feature,
        )
        return self._client.call(call, lambda value: wire.load_info(value, order))

    def _get(
        self,
        operation: str,
        path: str,
        load: Callable[[Any], Loaded],
        params: dict[str, str] | None = None,
        classify: Classify | None = None,
    ) -> Loaded:
        call = Request(
            operation=operation,
            method="GET",
            path=path,
            params=params,
            parse=exact.parse,
            problem=wire.problem,
            classify=classify,
        )
        return self._client.call(call, load)

    def _check(self, text: str) -> None:
        """An id comes from an event's body: it must not lead to another path."""
        if not is_id(text):
            raise NotFound("no object can have such an id", provider="ibex")
