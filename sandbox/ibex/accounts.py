"""Ibex's routes about accounts, currencies and rates."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Final

from flask import Response, request

from sandbox import amounts
from sandbox.http import Routes, json_body, reply, whole_number
from sandbox.ibex import reads, views
from sandbox.ibex.answers import answer
from sandbox.ibex.bodies import text
from sandbox.ibex.errors import bad, not_found
from sandbox.ibex.model import CURRENCIES, Account
from sandbox.reads import cut_short

_MSAT_IN_BITCOIN: Final = Decimal(10) ** 11
_FEWEST, _MOST = 10, 100  # accounts a page
_ANY_PAGE: Final = 1_000_000


class AccountRoutes(Routes):
    """One currency an account; the paths mix three families, as IBEX's do."""

    table: ClassVar = (
        ("POST", "/account/create", "create"),
        ("GET", "/v2/account", "list_all"),
        ("GET", "/v2/account/<account_id>", "show"),
        ("GET", "/currency/all", "list_currencies"),
        ("GET", "/v2/currencies/rate/<int:first>/<int:second>", "rate"),
    )

    def create(self) -> Response:
        """`{name, currencyId}`; without a currency, millisatoshi."""
        body, ibex = json_body(), self.world.ibex
        currency_id = body.get("currencyId", 0)
        if not isinstance(currency_id, int) or isinstance(currency_id, bool):
            raise bad("currencyId must be a number")
        made = ibex.accounts[ibex.add_account(text(body, "name"), currency_id)]
        return reply({"id": made.id, "userId": made.user_id, "name": made.name, "currencyId": currency_id}, 201)

    def list_all(self) -> Response:
        """An array: `page`, `limit`, `filter` (of names); with `expand=true` balances are shown."""
        limit, page = whole_number("limit", _MOST, _MOST + 1), whole_number("page", 1, _ANY_PAGE)
        if not _FEWEST <= limit <= _MOST:
            raise bad("limit must be between 10 and 100")
        found = [one for one in self.world.ibex.accounts.values() if request.args.get("filter", "") in one.name]
        shown = cut_short(self.world, "ibex", found[(page - 1) * limit : page * limit])
        return answer([self._row(one) for one in shown])

    def _row(self, one: Account) -> dict[str, Any]:
        row: dict[str, Any] = {"id": one.id, "userId": one.user_id, "organizationId": self.world.ibex.organization_id}
        row |= {"name": one.name, "currencyId": one.currency_id}
        expanded = request.args.get("expand", "").lower() == "true"
        return {**row, "balance": reads.shown_balance(self.world, one)} if expanded else row

    def show(self, account_id: str) -> Response:
        """One account with its balance, in whole tokens, dollars or msat."""
        account = self.world.ibex.account(account_id)
        return answer(views.account(account, reads.shown_balance(self.world, account)))

    def list_currencies(self) -> Response:
        """Those an account may have."""
        currencies = [
            {"id": one, "name": name, "isFiat": name == "USD", "symbol": name, "accountEnabled": True}
            for one, name in CURRENCIES.items()
        ]
        return reply({"currencies": currencies})

    def rate(self, first: int, second: int) -> Response:
        """How much of the second one of the first is."""
        if not {first, second} <= set(CURRENCIES):
            raise not_found("currency")
        rate = self._dollars(first) / self._dollars(second)
        return answer({"rate": rate, "updatedAtUnix": int(self.world.now().timestamp())})

    def _dollars(self, currency_id: int) -> Decimal:
        price = amounts.parse(self.world.config.ibex_bitcoin_price)
        return price / _MSAT_IN_BITCOIN if CURRENCIES[currency_id] == "MSAT" else Decimal(1)
