"""Bridge, as flows ask for it. One call creates something: the transfer that pays out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final, TypeVar
from uuid import UUID

from funding.errors import NotFound, ProviderError, ProviderRejected, UnexpectedAnswer
from funding.ports.bridge import BankDeposit, BridgeCustomer, BridgeMoney, Payout, PayoutOrder
from providers.bridge import wire
from providers.bridge.creating import create
from providers.bridge.customers import CustomerCalls
from providers.fields import WrongShape, is_id, parse_time
from providers.http import ProviderClient, Request

PAGE: Final = 100  # rows a listing is asked for: the most it gives
EVENTS: Final = 500  # the same of past events
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
# A 403 that names one of these refuses the request, not our key: others may go on.
_REFUSALS: Final = frozenset({"not_allowed", "developer_limits_exceeded", "missing_required_endorsements"})

Loaded = TypeVar("Loaded")


def classify(status: int, code: str | None) -> type[ProviderError] | None:
    """A missing object may be 400 as well as 404; a 403 with a reason refuses the request, not our key.

    A 409 `resource_state_conflict` stays unknown when creating: that it is never a key in use is written nowhere.
    """
    if status == 400 and code == "not_found":  # noqa: PLR2004 -- bad request
        return NotFound
    return ProviderRejected if status == 403 and code in _REFUSALS else None  # noqa: PLR2004 -- forbidden


class BridgeAdapter(CustomerCalls, BridgeMoney):
    """Bridge's deposits, payouts and customers in our words.

    Amounts travel as decimal strings in major units; here they are `Money`.
    Source: Bridge API docs, "Virtual account activity", "Transfers", "Pagination" and "Idempotence", read 2026-11.
    """

    def __init__(self, client: ProviderClient) -> None:
        self._client = client

    def get_deposit(self, deposit_id: str, *, customer: str, virtual_account: str) -> BankDeposit:
        """One deposit, by all that the virtual account's history shows of it.

        Raises: NotFound: the history shows nothing of it, or knows no such account; and as any read.
        """
        self._check(deposit_id, customer, virtual_account)
        pages = self._pages(
            "bridge.deposit_history",
            f"/v0/customers/{customer}/virtual_accounts/{virtual_account}/history",
            {"deposit_id": deposit_id},
        )
        try:
            found = wire.load_deposit(
                deposit_id, chain.from_iterable(pages), customer=customer, virtual_account=virtual_account
            )
        except WrongShape as error:
            raise self._unreadable("a deposit", error) from error
        if found is None:
            raise NotFound("the virtual account's history shows nothing of the deposit", provider="bridge")
        return found

    def payout_request(self, order: PayoutOrder) -> str:
        """The exact JSON body `create_payout` sends. Raises: ValueError: not tokens, or not above zero."""
        return wire.dump_payout(order)

    def create_payout(self, request: str, *, key: UUID) -> Payout:
        """Create, or with the same key and body within a day get the first answer again; later the key is dead.

        Raises: OutcomeUnknown (may exist; `answered` when the key itself is refused: only a look-up helps),
        ProviderRejected (did not happen), ProviderUnavailable (not sent), ProviderThrottled (not done), Misconfigured.
        """
        return create(self._client, "bridge.create_payout", "/v0/transfers", request, key=key, load=wire.load_payout)

    def get_payout(self, transfer_id: str) -> Payout:
        """One transfer. Raises: NotFound, and as any read."""
        self._check(transfer_id)
        request = Request(operation="bridge.get_payout", method="GET", path=f"/v0/transfers/{transfer_id}")
        return self._client.call(request, wire.load_payout)

    def find_payouts(self, reference: str, *, customer: str, since: datetime) -> Sequence[Payout]:
        """The customer's transfers with that reference made since then, oldest first, listing walked to its end.

        The end is an empty page, or one of transfers that are all older. Raises: UnexpectedAnswer: one with that
        reference cannot be read, or the listing never ends; and as any read.
        """
        self._check(customer)
        named: list[dict[str, Any]] = []
        for page in self._pages("bridge.find_payouts", f"/v0/customers/{customer}/transfers", {}):
            named += [row for row in page if row.get("client_reference_id") == reference]
            if all(_made_before(row, since) for row in page):
                break
        try:
            found = [wire.load_payout(row) for row in reversed(named)]
        except WrongShape as error:
            raise self._unreadable("a transfer", error) from error
        return sorted((one for one in found if one.created_at >= since), key=lambda one: one.created_at)

    def get_customer(self, customer_id: str) -> BridgeCustomer:
        """One customer. Raises: NotFound, and as any read."""
        self._check(customer_id)
        request = Request(operation="bridge.get_customer", method="GET", path=f"/v0/customers/{customer_id}")
        return self._client.call(request, wire.load_customer)

    def list_events(self, category: str, *, by: str | None = None, event_id: str | None = None) -> list[dict[str, Any]]:
        """Past events of one category, whole envelopes: the first page, or the one on `by`'s side of an event.

        Which side `starting_after` and `ending_before` are on, and which end the first page is of, is not sure here.
        Raises: as any read; an event that is not known any more is ProviderRejected.
        """
        params = {"category": category, "limit": str(EVENTS)}
        if by is not None and event_id is not None:
            params[by] = event_id
        return self._page("bridge.list_events", "/v0/webhook_events", params)

    def list_transfers(
        self, *, changed_since: datetime | None = None, after: str | None = None
    ) -> list[dict[str, Any]]:
        """A page of all customers' transfers, newest first: those changed since then, or those older than `after`.

        Bridge takes a time or a cursor, never both: what does not fit the page of a time is not shown by it.
        Raises: as any read.
        """
        params = {"limit": str(PAGE)}
        if changed_since is not None:
            params["updated_after_ms"] = _just_before(changed_since)
        elif after is not None:
            params["starting_after"] = after
        return self._page("bridge.list_transfers", "/v0/transfers", params)

    def list_history(
        self, *, since: datetime, after: str | None = None, of: tuple[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """A page of what happened since then on every virtual account, newest first; older than `after`.

        `of`: on this (customer, virtual account) alone. Raises: NotFound: no such account; and as any read.
        """
        path = "/v0/virtual_accounts/history"
        if of is not None:
            self._check(*of)
            path = f"/v0/customers/{of[0]}/virtual_accounts/{of[1]}/history"
        params = {"limit": str(PAGE), "updated_after_ms": _just_before(since)}
        if after is not None:
            params["starting_after"] = after
        return self._page("bridge.list_history", path, params)

    def list_drains(self, *, after: str | None = None) -> list[dict[str, Any]]:
        """A page of what came to every liquidation address, newest first; older than `after`. Raises: as any read."""
        params = {"limit": str(PAGE)} | ({} if after is None else {"starting_after": after})
        return self._page("bridge.list_drains", "/v0/liquidation_addresses/drains", params)

    def read_transfer(self, transfer_id: str, load: Callable[[Any], Loaded]) -> Loaded:
        """One transfer, read by `load`. Raises: NotFound, and as any read."""
        self._check(transfer_id)
        request = Request(operation="bridge.read_transfer", method="GET", path=f"/v0/transfers/{transfer_id}")
        return self._client.call(request, load)

    def read_deposit(self, deposit_id: str, *, customer: str, virtual_account: str) -> list[dict[str, Any]]:
        """All that the account's history shows of one deposit, newest first. Raises: NotFound: nothing; as any read."""
        self._check(deposit_id, customer, virtual_account)
        path = f"/v0/customers/{customer}/virtual_accounts/{virtual_account}/history"
        pages = self._pages("bridge.read_deposit", path, {"deposit_id": deposit_id})
        found = [row for row in chain.from_iterable(pages) if row.get("deposit_id") == deposit_id]
        if not found:
            raise NotFound("the virtual account's history shows nothing of the deposit", provider="bridge")
        return found

    def _page(self, operation: str, path: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """One page as it is shown: unlike a look-up, a poll lets no row that cannot be read hide the others."""
        return self._client.call(Request(operation=operation, method="GET", path=path, params=params), wire.load_page)

    def _pages(self, operation: str, path: str, params: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]:
        """The pages of a listing, newest first. Nothing tells that there is no more but an empty one.

        A short page proves nothing. Raises: UnexpectedAnswer: it shows the same rows again; and as any read.
        """
        seen: set[str] = set()
        paging = {**params, "limit": str(PAGE)}
        while True:
            request = Request(operation=operation, method="GET", path=path, params=paging)
            page = self._client.call(request, wire.load_rows)
            if not page:
                return
            ids = [row["id"] for row in page]
            if seen.issuperset(ids):
                raise UnexpectedAnswer(
                    "bridge's listing shows the same rows again: it would never end", provider="bridge"
                )
            seen.update(ids)
            yield page
            paging["starting_after"] = ids[-1]  # older ones

    def _check(self, *texts: str) -> None:
        """An id comes from an event's body: it must not lead to another path."""
        if not all(map(is_id, texts)):
            raise NotFound("no object can have such an id", provider="bridge")

    def _unreadable(self, what: str, error: WrongShape) -> UnexpectedAnswer:
        return UnexpectedAnswer(f"bridge shows {what} in a shape we do not know: {error}", provider="bridge")


def _made_before(row: Mapping[str, Any], moment: datetime) -> bool:
    """Whether a listed transfer is surely older; one without a time that can be read may be anything."""
    try:
        return parse_time(str(row.get("created_at"))) < moment
    except ValueError:
        return False


def _just_before(moment: datetime) -> str:
    """A moment for a filter that shows what is later than it, in milliseconds: what is of the moment is shown too."""
    return str((moment - _EPOCH) // timedelta(milliseconds=1) - 1)
