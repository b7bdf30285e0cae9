"""Due's transfers, account by account, as a comparison reads them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from funding.errors import Misconfigured, NotFound, ProviderRejected, UnexpectedAnswer
from funding.money import SCALES
from funding.reconcile.records import Record, RecordPage
from providers.due import wire
from providers.due.adapter import DueAdapter
from providers.fields import Fields, WrongShape

BEFORE: Final = timedelta(hours=1)  # a transfer is a little older than the flow that follows it
KIND: Final = "transfer"


class TransferRecords:
    """The deposits of every account: transfers that came in by a virtual account.

    `accounts` are those we know of; those that Due lists beside them are read too, so that money of an account nobody
    linked is found. The cursor is "<account>|<Due's own>". What a listing's dates filter on is not documented, so each
    is walked from the window's start to its end.
    """

    def __init__(self, due: DueAdapter, *, accounts: Sequence[str]) -> None:
        self._due = due
        self._known = accounts
        self._accounts: list[str] | None = None

    def page(self, *, since: datetime, until: datetime, cursor: str | None) -> RecordPage:
        """A page of one account's deposits. Raises: as any read."""
        accounts = self._all_accounts()
        account, _, place = (cursor or "").partition("|")
        if not account:
            if not accounts:
                return RecordPage((), None)
            account = accounts[0]
        found = self._due.list_transfers(account=account, since=since - BEFORE, cursor=place or None)
        records = [one for item in found.items if (one := record(item, account)) is not None]
        if found.next is not None:
            if found.next == place:
                raise UnexpectedAnswer("due's listing gives the same cursor again: it would never end", provider="due")
            return RecordPage(_made_before(records, until), f"{account}|{found.next}")
        following = next((one for one in accounts if one > account), None)
        return RecordPage(_made_before(records, until), f"{following}|" if following else None)

    def one(self, object_id: str, *, account: str | None) -> Record | None:
        """One transfer, as its owner's account shows it; None: it has none of that id. Raises: as any read."""
        if account is None:
            return None
        try:
            return self._due.read_transfer(object_id, account=account, load=lambda value: record(value, account))
        except NotFound:
            return None

    def _all_accounts(self) -> list[str]:
        if self._accounts is None:
            try:
                listed = self._due.list_accounts()
            except (Misconfigured, ProviderRejected, UnexpectedAnswer):  # a help only, and its shape is not documented
                listed = []
            self._accounts = sorted({*listed, *self._known})
        return self._accounts


def record(value: Any, account: str) -> Record | None:
    """A transfer as a record; None for one that came by no virtual account. One that cannot be read says why."""
    try:
        return _whole(value, account)
    except WrongShape as error:
        return _in_part(value, account, str(error))


def _whole(value: Any, account: str) -> Record | None:
    transfer = wire.load_transfer(value)
    if transfer.virtual_account is None:
        return None
    return Record(
        kind=KIND,
        id=transfer.id,
        status=transfer.raw_status.lower(),
        at=transfer.created_at,
        asset=transfer.source.asset,
        amount=transfer.source.minor,
        asset_out=transfer.destination.asset,
        amount_out=transfer.destination.minor,
        fee=transfer.destination_fee.minor,
        account=account,
        reference=f"{transfer.virtual_account} {transfer.chain_hash}" if transfer.chain_hash else None,
    )


def _in_part(value: Any, account: str, why: str) -> Record | None:
    """What can be told of a transfer that is not as documented. Raises: UnexpectedAnswer: it has no id or no time."""
    try:
        fields = Fields(value)
        source = fields.child("source")
        if not source.has("virtualAccountId"):
            return None
        status, at = fields.text("status").lower(), fields.time("createdAt")
        known = Record(kind=KIND, id=fields.id("id"), status=status, at=at, account=account)
        asset_in, asset_out = wire.side_asset(source), wire.side_asset(fields.child("destination"))
    except WrongShape as error:
        raise UnexpectedAnswer(f"due shows a transfer that cannot be told of: {error}", provider="due") from None
    if asset_in in SCALES and asset_out in SCALES:
        return known._replace(fault=why)
    return known._replace(asset=asset_in, asset_out=asset_out)  # amounts of assets that are none of ours stay unread


def _made_before(records: Sequence[Record], until: datetime) -> list[Record]:
    return [one for one in records if one.at < until + BEFORE]
