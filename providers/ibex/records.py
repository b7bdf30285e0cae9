"""IBEX's token transactions, account by account, as a comparison reads them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from funding.errors import NotFound, UnexpectedAnswer
from funding.reconcile.records import Record, RecordPage
from providers.fields import WrongShape
from providers.ibex import wire
from providers.ibex.adapter import IbexAdapter
from providers.ibex.shown import UNDATED, Shown

BEFORE: Final = timedelta(hours=1)  # a flow may be a little older or younger than what it sends or takes
KIND: Final = "transaction"


class TransactionRecords:
    """What came to the accounts that we know of, and what was sent from them: one account a page.

    Of what came in, `asset_out` and `amount_out` say how much, as a deposit's tokens are what it was turned into; of a
    send, `asset` and `amount`, as a withdrawal begins with tokens. The cursor is the account. IBEX lists accounts of
    the whole organisation, other money's too, so one that nobody linked is not looked for.
    """

    def __init__(self, ibex: IbexAdapter, *, accounts: Sequence[str]) -> None:
        self._ibex = ibex
        self._accounts = sorted(set(accounts))

    def page(self, *, since: datetime, until: datetime, cursor: str | None) -> RecordPage:
        """An account's transactions made or settled in the window. Raises: as any read."""
        account = cursor or next(iter(self._accounts), None)
        if account is None:
            return RecordPage((), None)
        shown = self._ibex.show_transactions(account, since=since - BEFORE)
        if any(one.created_at == UNDATED for one in shown):
            raise UnexpectedAnswer("ibex shows a transaction that cannot be told of: it has no time", provider="ibex")
        records = [record(one, account) for one in shown if one.created_at < until + BEFORE]
        return RecordPage(records, next((one for one in self._accounts if one > account), None))

    def one(self, object_id: str, *, account: str | None) -> Record | None:
        """One transaction by its id; None: IBEX knows none of that id. Raises: as any read."""
        try:
            shown = self._ibex.show_transaction(object_id)
        except NotFound:
            return None
        return record(shown, account or shown.account)


def record(shown: Shown, account: str | None) -> Record:
    """A transaction as a record. One that cannot be read says why."""
    known = Record(kind=KIND, id=shown.id, status=shown.status, at=shown.created_at, account=account)
    try:
        one = wire.load_transaction(dict(shown.kept))
    except WrongShape as error:
        return known._replace(fault=str(error))
    status = one.raw_status.lower() or one.status
    if one.incoming is True:
        return known._replace(status=status, asset_out=one.amount.asset, amount_out=one.amount.minor)
    return known._replace(status=status, asset=one.amount.asset, amount=one.amount.minor)
