"""Ibex's routes about transactions: the source of truth about what has moved."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar, Final

from flask import Response, request

from sandbox.http import Routes
from sandbox.ibex import reads
from sandbox.ibex.answers import answer
from sandbox.ibex.errors import bad
from sandbox.ibex.model import Transaction

_NEWER_PAGE: Final = 25
_NEVER: Final = datetime.min.replace(tzinfo=UTC)  # as the zero date sorts


class HistoryRoutes(Routes):
    """No listing shows an address; the details of one transaction show its chain hash."""

    table: ClassVar = (
        ("GET", "/v2/transaction/<transaction_id>", "show"),
        ("GET", "/v2/transaction/<transaction_id>/details", "details"),
        ("GET", "/v2/transaction/account/<account_id>/all", "list_of_account"),
        ("GET", "/transactions", "list_newer"),
    )

    def show(self, transaction_id: str) -> Response:
        """One transaction."""
        return answer(reads.shown(self.world, self.world.ibex.transaction(transaction_id)))

    def details(self, transaction_id: str) -> Response:
        """The hash on its chain, null until there is one, and no status."""
        return answer({"networkId": self.world.ibex.transaction(transaction_id).hash})

    def list_of_account(self, account_id: str) -> Response:
        """An array: `limit` (0, or none: all), `page`, `sort` (settledAt, createdAt, each with or without a minus).

        What has not settled counts as settled at the zero date. Which of the two orders begins with the newest is a
        choice of the config, for IBEX's own description says the opposite of what a minus means elsewhere.
        """
        self.world.ibex.account(account_id)
        found = [one for one in self.world.ibex.transactions.values() if one.account_id == account_id]
        sort = request.args.get("sort", self._newest_first("settledAt"))
        field = sort.removeprefix("-")
        if field not in {"settledAt", "createdAt"}:
            raise bad("unknown sort")
        found.sort(key=_settled if field == "settledAt" else _created, reverse=sort == self._newest_first(field))
        limit, page = _number("limit", 0), _number("page", self.world.config.ibex_first_page)
        if limit:
            start = max(page - self.world.config.ibex_first_page, 0) * limit
            found = found[start : start + limit]
        return answer(reads.listed(self.world, found))

    def _newest_first(self, field: str) -> str:
        return f"-{field}" if self.world.config.ibex_minus_sort == "newest" else field

    def list_newer(self) -> Response:
        """`{transactions}` of every account (or `accountId`), newest first, 25 a page from page 1."""
        account_id = request.args.get("accountId")
        every = reversed(self.world.ibex.transactions.values())
        found = [one for one in every if account_id in {None, one.account_id}]
        start = max(_number("page", 1) - 1, 0) * _NEWER_PAGE
        return answer({"transactions": reads.listed(self.world, found[start : start + _NEWER_PAGE])})


def _settled(one: Transaction) -> datetime:
    return one.settled_at or _NEVER


def _created(one: Transaction) -> datetime:
    return one.created_at


def _number(name: str, default: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isdecimal():
        raise bad(f"{name} must be a whole number")
    return int(text)
