"""Bridge's routes about virtual accounts and what happened on them."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response, request

from sandbox.bridge.banks import CURRENCIES
from sandbox.bridge.checks import Fields
from sandbox.bridge.deposits import known_type
from sandbox.bridge.errors import conflict
from sandbox.bridge.found import customer, found, ready_customer
from sandbox.bridge.model import CHAINS, Activity, VirtualAccount
from sandbox.bridge.reads import listed, settled, shown
from sandbox.http import Routes, json_body, reply

COINS = frozenset({"usdt", "usdc", "usdb", "eurc", "dai", "pyusd"})
_BASE = "/v0/customers/<customer_id>/virtual_accounts"


class AccountRoutes(Routes):
    """Virtual accounts and their history."""

    table: ClassVar = (
        ("POST", _BASE, "create"),
        ("GET", _BASE, "list_of_customer"),
        ("GET", f"{_BASE}/<account_id>", "get"),
        ("PUT", f"{_BASE}/<account_id>", "update"),
        ("POST", f"{_BASE}/<account_id>/deactivate", "deactivate"),
        ("POST", f"{_BASE}/<account_id>/reactivate", "reactivate"),
        ("GET", f"{_BASE}/<account_id>/history", "list_history"),
        ("GET", "/v0/virtual_accounts", "list_all"),
        ("GET", "/v0/virtual_accounts/history", "list_all_history"),
    )

    def create(self, customer_id: str) -> Response:
        """A virtual account for an approved customer."""
        fields = Fields(json_body())
        currency = fields.choice("source.currency", CURRENCIES)
        destination, percent = _destination(fields), fields.percent("developer_fee_percent")
        fields.done()
        owner = ready_customer(self.world, customer_id)
        made = self.world.bridge.deposits.open(owner, currency, destination, percent)
        return reply(self.world.bridge.views.of(made), 201)

    def list_of_customer(self, customer_id: str) -> Response:
        """The customer's."""
        one = customer(self.world, customer_id)
        accounts = self.world.bridge.virtual_accounts.values()
        return reply(listed(self.world, accounts, lambda account: account.customer_id == one.id))

    def list_all(self) -> Response:
        """Everyone's."""
        return reply(listed(self.world, self.world.bridge.virtual_accounts.values()))

    def get(self, customer_id: str, account_id: str) -> Response:
        """One virtual account."""
        return reply(shown(self.world, self._account(customer_id, account_id)))

    def update(self, customer_id: str, account_id: str) -> Response:
        """Another destination or developer's fee."""
        account, fields = self._account(customer_id, account_id), Fields(json_body())
        destination = _destination(fields) if fields.get("destination") is not None else None
        percent = fields.percent("developer_fee_percent")
        fields.done()
        self.world.bridge.deposits.change(account, destination=destination, fee_percent=percent)
        return reply(self.world.bridge.views.of(account))

    def deactivate(self, customer_id: str, account_id: str) -> Response:
        """What arrives from now on is refunded."""
        return self._turn(customer_id, account_id, "deactivated")

    def reactivate(self, customer_id: str, account_id: str) -> Response:
        """What arrives from now on is converted again."""
        return self._turn(customer_id, account_id, "activated")

    def _turn(self, customer_id: str, account_id: str, status: str) -> Response:
        account = self._account(customer_id, account_id)
        if account.status == status:
            raise conflict(f"the virtual account is {status} already")
        self.world.bridge.deposits.change(account, status=status)
        return reply(self.world.bridge.views.of(account))

    def list_history(self, customer_id: str, account_id: str) -> Response:
        """What happened on one account."""
        account = self._account(customer_id, account_id)
        return self._history([one for one in self.world.bridge.activities.values() if one.account_id == account.id])

    def list_all_history(self) -> Response:
        """What happened on every account."""
        return self._history(list(self.world.bridge.activities.values()))

    def _history(self, activities: list[Activity]) -> Response:
        query = request.args
        kind = known_type(query["event_type"]) if "event_type" in query else None
        deposits = {*query.getlist("deposit_id"), *query.getlist("deposit_ids[]")}
        tx_hash = query.get("tx_hash")

        def wanted(one: Activity) -> bool:
            return (
                kind in {None, one.type}
                and (not deposits or one.deposit_id in deposits)
                and tx_hash in {None, one.more.get("destination_tx_hash")}
            )

        return reply(listed(self.world, settled(self.world, activities), wanted, times=True))

    def _account(self, customer_id: str, account_id: str) -> VirtualAccount:
        owner = customer(self.world, customer_id)
        return found(self.world, self.world.bridge.virtual_accounts, account_id, "virtual account", owner.id)


def _destination(fields: Fields) -> dict[str, Any]:
    told = {
        "currency": fields.choice("destination.currency", COINS),
        "payment_rail": fields.choice("destination.payment_rail", CHAINS),
        "address": fields.text("destination.address"),
    }
    memo = fields.maybe("destination.blockchain_memo")
    return told if memo is None else told | {"blockchain_memo": memo}
