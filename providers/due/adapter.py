"""Due, as flows and polls ask for it. One call creates something: the conversion that `legacy_offramp` asks for."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from funding.errors import NotFound, ProviderError, ProviderRejected, UnexpectedAnswer
from funding.ports.due import DueTransfers, OffRampOrder, Transfer
from providers.due import wire
from providers.fields import Fields, WrongShape, is_id, objects
from providers.http import ProviderClient, Request

Loaded = TypeVar("Loaded")
PAGE: Final = 100  # rows a listing is asked for


def classify(status: int, code: str | None) -> type[ProviderError] | None:
    """A 403 that names a business reason (err_aml_risk_score_hit, say) refuses the request, not our key."""
    return ProviderRejected if status == 403 and code is not None and code.startswith("err_") else None  # noqa: PLR2004 -- forbidden


class DueAdapter(DueTransfers):
    """Due's transfers and listings in our words.

    Amounts travel as decimal strings in major units; here they are `Money`.
    Source: Due API docs, "Transfers", "Webhook endpoints" and "Pagination", read 2026-11.
    """

    def __init__(self, client: ProviderClient) -> None:
        self._client = client

    def get_transfer(self, transfer_id: str, *, account: str) -> Transfer:
        """One transfer, scoped to its owner. Raises: NotFound, ProviderUnavailable, UnexpectedAnswer, Misconfigured."""
        return self._client.call(self._one(transfer_id, account), wire.load_transfer)

    def show_transfer(self, transfer_id: str, *, account: str) -> dict[str, Any]:
        """As `get_transfer`, but the parts of it that a reading keeps, as Due wrote them."""
        return self._client.call(self._one(transfer_id, account), wire.kept)

    def read_transfer(self, transfer_id: str, *, account: str, load: Callable[[Any], Loaded]) -> Loaded:
        """As `get_transfer`, read by `load`."""
        return self._client.call(self._one(transfer_id, account), load)

    def find_transfers(self, *, account: str, virtual_account: str, since: datetime) -> Sequence[Transfer]:
        """That virtual account's transfers made since then, oldest first, the listing walked to its end.

        Raises: UnexpectedAnswer: one of them cannot be read, or the listing never ends; and as any read.
        """
        found: list[Transfer] = []
        cursor: str | None = None
        while True:
            page = self.list_transfers(account=account, since=since, cursor=cursor)
            try:
                found += [
                    wire.load_transfer(one) for one in page.items if wire.virtual_account_of(one) == virtual_account
                ]
            except WrongShape as error:
                raise UnexpectedAnswer(f"a transfer in a shape we do not know: {error}", provider="due") from error
            if page.next is None:
                return found
            if page.next == cursor:
                raise UnexpectedAnswer("due's listing gives the same cursor again: it would never end", provider="due")
            cursor = page.next

    def off_ramp_request(self, order: OffRampOrder) -> str:
        """The exact JSON body `create_off_ramp` sends."""
        return wire.dump_off_ramp(order)

    def create_off_ramp(self, request: str, *, account: str) -> str:
        """Have Due convert; the id of the transfer it makes. Nothing keeps the same request from converting twice.

        Raises: OutcomeUnknown (may exist), ProviderRejected (did not happen), ProviderUnavailable (not sent),
        ProviderThrottled (not done), Misconfigured. `code == "err_insufficient_balance"` is money not there yet.
        """
        self._check(account)
        call = Request(
            operation="due.create_off_ramp",
            method="POST",
            path="/offramp",  # without a version, as those who use it call it
            body=request,
            headers={"Due-Account-Id": account},
            creates=True,
        )
        return self._client.call(call, lambda value: Fields(value).id("id"))

    def list_accounts(self) -> list[str]:
        """Ids of every account of the firm, nothing else of them. Raises: as any read."""
        found: list[str] = []
        cursor: str | None = None
        while True:
            request = Request(
                operation="due.list_accounts",
                method="GET",
                path="/v1/accounts",
                params=None if cursor is None else {"next": cursor},
            )
            page = self._client.call(request, DuePage)
            found += [Fields(one).id("id") for one in objects(page.items)]
            if page.next is None or page.next == cursor:
                return found
            cursor = page.next

    def list_transfers(self, *, account: str, since: datetime, cursor: str | None) -> "DuePage":
        """One page of an account's transfers, oldest first; what the date filters on is not documented."""
        self._check(account)
        return self._client.call(
            Request(
                operation="due.list_transfers",
                method="GET",
                path="/v1/transfers",
                params=_paging(since, cursor),
                headers={"Due-Account-Id": account},
            ),
            DuePage,
        )

    def list_deliveries(self, *, endpoint: str, since: datetime, cursor: str | None) -> "DuePage":
        """One page of what Due sent, or tried to send, to a webhook endpoint, oldest first."""
        self._check(endpoint)
        request = Request(
            operation="due.list_deliveries",
            method="GET",
            path=f"/v1/webhook_endpoints/{endpoint}/events/",
            params=_paging(since, cursor),
        )
        return self._client.call(request, DuePage)

    def webhook_endpoints(self) -> list[str]:
        """Ids of the firm's webhook endpoints, sorted. A bare list and `{items}` are both understood."""
        request = Request(operation="due.list_endpoints", method="GET", path="/v1/webhook_endpoints")
        return self._client.call(request, _endpoint_ids)

    def _one(self, transfer_id: str, account: str) -> Request:
        self._check(transfer_id)
        self._check(account)
        return Request(
            operation="due.get_transfer",
            method="GET",
            path=f"/v1/transfers/{transfer_id}",
            headers={"Due-Account-Id": account},
        )

    def _check(self, text: str) -> None:
        """An id comes from an event's body: it must not lead to another path or header."""
        if not is_id(text):
            raise NotFound("no object can have such an id", provider=self._client.provider)


class DuePage:
    """A page of a listing: `{items, next}`. Raises: WrongShape."""

    def __init__(self, value: Any) -> None:
        if isinstance(value, list):
            self.items: list[Any] = value
            self.next: str | None = None
            return
        fields = Fields(value)
        self.items = fields.rows("items")
        self.next = fields.maybe_text("next")


def _paging(since: datetime, cursor: str | None) -> Mapping[str, str]:
    start = since.isoformat(timespec="seconds").replace("+00:00", "Z")
    paging = {"startDate": start, "order": "asc", "limit": str(PAGE)}
    return paging if cursor is None else {**paging, "next": cursor}


def _endpoint_ids(value: Any) -> list[str]:
    listed = objects(value if isinstance(value, list) else Fields(value).rows("items"))
    return sorted(Fields(one).id("id") for one in listed)
