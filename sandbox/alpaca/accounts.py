"""Alpaca's routes about accounts, bank transfers, activities and market days."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from flask import Response, request

from sandbox import amounts
from sandbox.alpaca.errors import AlpacaError, invalid, not_found
from sandbox.alpaca.ledger import Activity, BrokerageAccount
from sandbox.alpaca.reads import shown_account
from sandbox.http import Routes, json_body, reply, whole_number
from sandbox.reads import cut_short
from sandbox.times import milliseconds, parse

_SATURDAY = 5
_PAGE = 100


class AccountRoutes(Routes):
    """Everything but journals and streams."""

    table: ClassVar = (
        ("GET", "/v1/accounts", "list_accounts"),
        ("GET", "/v1/accounts/activities", "list_activities"),
        ("GET", "/v1/accounts/activities/<kind>", "list_activities"),
        ("GET", "/v1/accounts/<account_id>", "get_account"),
        ("GET", "/v1/trading/accounts/<account_id>/account", "get_trading_account"),
        ("POST", "/v1/accounts/<account_id>/transfers", "create_transfer"),
        ("GET", "/v1/accounts/<account_id>/transfers", "list_transfers"),
        ("DELETE", "/v1/accounts/<account_id>/transfers/<transfer_id>", "cancel_transfer"),
        ("GET", "/v1/clock", "get_clock"),
        ("GET", "/v1/calendar", "get_calendar"),
    )

    def list_accounts(self) -> Response:
        """Every account."""
        return reply([self._account_view(account) for account in self.world.alpaca.accounts.values()])

    def get_account(self, account_id: str) -> Response:
        """One account."""
        return reply(self._account_view(self.world.alpaca.ledger.account(account_id)))

    def _account_view(self, account: BrokerageAccount) -> dict[str, Any]:
        return {
            "id": account.id,
            "account_number": account.number,
            "status": account.status,
            "currency": "USD",
            "last_equity": amounts.plain(account.cash),
            "created_at": milliseconds(account.created_at),
        }

    def get_trading_account(self, account_id: str) -> Response:
        """Cash and buying power."""
        return reply(shown_account(self.world, self.world.alpaca.ledger.account(account_id)))

    def list_activities(self, kind: str | None = None) -> Response:
        """Newest first (or `direction=asc`), `page_size` at a time after `page_token`, the last id seen."""
        query = request.args
        kinds = {name for name in (kind or query.get("activity_types", "")).split(",") if name}
        first, last = _moment("after"), _moment("until")
        found = [
            activity
            for activity in self.world.alpaca.ledger.activities
            if query.get("account_id") in {None, activity.account_id}
            and (not kinds or activity.kind in kinds)
            and (first is None or activity.at > first)
            and (last is None or activity.at <= last)
            and query.get("date") in {None, activity.at.strftime("%Y-%m-%d")}
        ]
        if query.get("direction", "desc") == "desc":
            found.reverse()
        page = _page_after(found, query.get("page_token"))[: whole_number("page_size", _PAGE, _PAGE)]
        return reply([activity.as_json() for activity in cut_short(self.world, "alpaca", page)])

    def create_transfer(self, account_id: str) -> Response:
        """A bank transfer by ACH; it settles at once, as in Alpaca's sandbox."""
        account, body = self.world.alpaca.ledger.account(account_id), json_body()
        if body.get("transfer_type") != "ach" or "additional_information" in body:
            raise invalid("only ach is pretended, and it takes no additional_information")
        direction = body.get("direction")
        if not isinstance(direction, str) or direction not in {"INCOMING", "OUTGOING"}:
            raise invalid("direction must be INCOMING or OUTGOING")
        amount = _amount(body)
        if account.refuses is not None or (direction == "OUTGOING" and account.cash - account.reserved < amount):
            raise AlpacaError(403, "account may not move this money", 10_000)
        made = self.world.alpaca.add_transfer(account.id, str(body.get("relationship_id")), amount, direction)
        return reply(made.as_json())

    def list_transfers(self, account_id: str) -> Response:
        """The account's bank transfers, newest first; there is no read of a single one."""
        self.world.alpaca.ledger.account(account_id)
        wanted = request.args.get("direction")
        found = [
            transfer.as_json()
            for transfer in reversed(self.world.alpaca.transfers.values())
            if transfer.account_id == account_id and wanted in {None, transfer.direction}
        ]
        offset = request.args.get("offset", "0")
        if not offset.isdecimal():
            raise invalid("offset must be a whole number")
        return reply(found[int(offset) :][: whole_number("limit", _PAGE, _PAGE)])

    def cancel_transfer(self, account_id: str, transfer_id: str) -> Response:
        """Call off a bank transfer."""
        self.world.alpaca.cancel_transfer(account_id, transfer_id)
        return Response(status=204)

    def get_clock(self) -> Response:
        """The market's clock: open on weekdays, as far as this needs to go."""
        now = self.world.now()
        tomorrow = now.replace(hour=14, minute=30, second=0, microsecond=0) + timedelta(days=1)
        return reply(
            {
                "timestamp": milliseconds(now),
                "is_open": now.weekday() < _SATURDAY,
                "next_open": milliseconds(tomorrow),
                "next_close": milliseconds(now.replace(hour=21, minute=0, second=0, microsecond=0)),
            }
        )

    def get_calendar(self) -> Response:
        """Weekdays between `start` and `end`; no holidays."""
        start = _moment("start") or self.world.now()
        end = _moment("end") or start + timedelta(days=30)
        days = [start + timedelta(days=number) for number in range(min((end - start).days, 366) + 1)]
        return reply(
            [
                {"date": day.strftime("%Y-%m-%d"), "open": "09:30", "close": "16:00"}
                for day in days
                if day.weekday() < _SATURDAY
            ]
        )


def _moment(name: str) -> datetime | None:
    text = request.args.get(name)
    try:
        return parse(text.replace(" ", "+")) if text else None  # a plus sign sent bare arrives as a space
    except ValueError as error:
        raise invalid(f"{name} is not a date or time") from error


def _page_after(found: list[Activity], token: str | None) -> list[Activity]:
    if not token:
        return found
    for number, activity in enumerate(found):
        if activity.id == token:
            return found[number + 1 :]
    raise not_found("page_token")


def _amount(body: dict[str, Any]) -> Decimal:
    try:
        amount = amounts.parse(body.get("amount"))
    except ValueError as error:
        raise invalid("amount must be a decimal number") from error
    if amount <= 0:
        raise invalid("amount must be above zero")
    return amount
