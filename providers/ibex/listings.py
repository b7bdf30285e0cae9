"""IBEX's listings, as polls walk them. Every finding enters by the one door, in a body `interpret` reads."""

from collections.abc import Sequence
from datetime import datetime

from funding.errors import NotFound
from funding.ports.listings import Finding, Page
from providers.ibex.adapter import IbexAdapter
from providers.ibex.interpret import polled
from providers.ibex.shown import Shown


class AccountTransactions:
    """The transactions of some accounts, what came in and what was sent: one account a page.

    The listing's order and where its pages begin are not documented, so an account's is walked to its ends within one
    page; the cursor is the account. A short one is read in one call.
    """

    def __init__(self, ibex: IbexAdapter, *, accounts: Sequence[str]) -> None:
        self._ibex = ibex
        self._accounts = sorted(accounts)

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Those made or settled since then and all that still wait, the oldest made first. Raises: as any read."""
        if not self._accounts:
            return Page(findings=(), next_cursor=None)
        account = cursor or self._accounts[0]
        polled = self._ibex.poll_account(account, since=since)
        following = next((one for one in self._accounts if one > account), None)
        found = [_finding(one) for one in polled.transactions]
        return Page(findings=found, next_cursor=following, calls=polled.calls)


class OneTransaction:
    """A single transaction, for an event that named it. Unknown at IBEX: nothing found."""

    def __init__(self, ibex: IbexAdapter, *, transaction: str) -> None:
        self._ibex = ibex
        self._transaction = transaction

    def page(self, *, since: datetime, cursor: str | None) -> Page:  # noqa: ARG002 -- one object has no since and no pages
        """That transaction as it is now. Raises: as any read."""
        try:
            shown = self._ibex.show_transaction(self._transaction)
        except NotFound:
            return Page(findings=(), next_cursor=None)
        return Page(findings=[_finding(shown)], next_cursor=None)


def _finding(shown: Shown) -> Finding:
    return Finding(
        kind="transaction",
        id=shown.id,
        changed_at=shown.changed_at,
        digest_of=shown.digest_of,
        body=polled(shown.kept),
    )
