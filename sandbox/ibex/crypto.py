"""Ibex's routes about stablecoins: where to receive, where to send, sending. Both families of paths."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Final

from flask import Response, request

from sandbox import amounts
from sandbox.http import Routes, json_body, reply
from sandbox.ibex import addresses, views
from sandbox.ibex.answers import answer
from sandbox.ibex.bodies import text
from sandbox.ibex.errors import IbexError, bad, not_found
from sandbox.ibex.model import RECEIVED, Account, Option, ReceiveInfo, SendInfo
from sandbox.reads import cut_short

_ACCOUNT: Final = ("account_id", "wallet_id", "accountId")
_OPTION: Final = ("crypto_option_id", "option_id")
_CHAIN_PLACES: Final = 6


class CryptoRoutes(Routes):
    """Every route answers 403 where the organisation has no crypto feature."""

    table: ClassVar = (
        ("GET", "/crypto/receive-infos/options", "list_options"),
        ("POST", "/accounts/<account_id>/crypto/receive-infos", "create_receive_info"),
        ("GET", "/accounts/<account_id>/crypto/receive-infos", "list_receive_infos"),
        ("POST", "/crypto/receive-infos", "create_flat_receive_info"),
        ("GET", "/crypto/receive-infos/<info_id>/balance", "receive_balance"),
        ("GET", "/crypto/send/requirements", "requirements"),
        ("POST", "/crypto/send/infos", "create_send_info"),
        ("POST", "/crypto/send-infos", "create_send_info"),
        ("POST", "/accounts/<account_id>/crypto/send", "send"),
        ("POST", "/crypto/send", "flat_send"),
    )

    def list_options(self) -> Response:
        """What may be received."""
        self._must_be_on()
        ids = self.world.config.ibex_option_ids
        shown = [
            views.option(one, with_id=ids == "all" or (ids == "some" and number == 0))
            for number, one in enumerate(self.world.ibex.options)
        ]
        return reply({"options": shown})

    def create_receive_info(self, account_id: str) -> Response:
        """`{name, network}` for a new address, each time another."""
        self._must_be_on()
        self.world.ibex.account(account_id)
        body = json_body()
        info = self.world.ibex.add_receive_info(account_id, text(body, "network"), text(body, "name"))
        return reply(views.receive_info(info, self.world.config), 201)

    def create_flat_receive_info(self) -> Response:
        """The simpler shape: `{account_id or wallet_id, crypto_option_id or option_id}`."""
        self._must_be_on()
        body = json_body()
        account = self._account_named(body)
        wanted = text(body, *_OPTION)
        option = next((one for one in self.world.ibex.options if one.id == wanted), None)
        if option is None or option.currency_id != account.currency_id:
            raise bad("unknown option for this account's currency")
        info = self.world.ibex.add_receive_info(account.id, option.network, str(body.get("name", "")))
        return reply(views.flat_receive_info(info), 201)

    def list_receive_infos(self, account_id: str) -> Response:
        """Every address of an account, oldest first, as an array."""
        self._must_be_on()
        self.world.ibex.account(account_id)
        mine = [one for one in self.world.ibex.receive_infos.values() if one.account_id == account_id]
        return reply([views.receive_info(one, self.world.config) for one in cut_short(self.world, "ibex", mine)])

    def receive_balance(self, info_id: str) -> Response:
        """What has arrived at an address, in the unit that was chosen; sends take nothing from it."""
        self._must_be_on()
        info = self.world.ibex.receive_infos.get(info_id)
        if info is None:
            raise not_found("receive info")
        whole = self._received(info)
        return answer({"balance": whole if self.world.config.ibex_receive_unit == "whole" else views.smallest(whole)})

    def _received(self, info: ReceiveInfo) -> Decimal:
        arrived = [
            one.effect
            for one in self.world.ibex.transactions.values()
            if one.type_id == RECEIVED and one.address == info.address
        ]
        return sum(arrived, start=Decimal(0))

    def requirements(self) -> Response:
        """What a send on `network` in `currency-id` wants to know."""
        self._must_be_on()
        currency = request.args.get("currency-id", "")
        if not currency.isdecimal() or not request.args.get("network"):
            raise bad("network and currency-id are required")
        option = self.world.ibex.option(request.args["network"], int(currency))
        if option is None:
            raise bad("network is not supported for this currency")
        needs = {"address": {"type": "string"}}
        return reply({"requirementsId": option.requirements_id, "currencyId": option.currency_id, "data": needs})

    def create_send_info(self) -> Response:
        """`{name, requirementsId, data: {address}}`; the address must be one of its network."""
        self._must_be_on()
        body, ibex = json_body(), self.world.ibex
        name, option = text(body, "name"), self._required(text(body, "requirementsId"))
        data = body.get("data")
        address = text(data if isinstance(data, dict) else {}, "address")
        if not addresses.is_valid(option.network, address):
            raise bad("address is not valid")
        info = SendInfo(self.world.ids.prefixed("csi"), name, option, address)
        ibex.send_infos[info.id] = info
        return reply({"id": info.id, "name": name, "network": option.network}, 201)

    def _required(self, requirements_id: str) -> Option:
        for one in self.world.ibex.options:
            if one.requirements_id == requirements_id:
                return one
        raise bad("unknown requirementsId")

    def send(self, account_id: str) -> Response:
        """`{cryptoSendInfosId, amount}`. There is no idempotency key: each call sends again."""
        self._must_be_on()
        return self._send(self.world.ibex.account(account_id), json_body())

    def flat_send(self) -> Response:
        """The simpler path, with the account in the body."""
        self._must_be_on()
        body = json_body()
        return self._send(self._account_named(body), body)

    def _account_named(self, body: dict[str, Any]) -> Account:
        """The simpler shape's wallet is an account, or one of its receive infos."""
        name = text(body, *_ACCOUNT)
        info = self.world.ibex.receive_infos.get(name)
        return self.world.ibex.account(name if info is None else info.account_id)

    def _send(self, account: Account, body: dict[str, Any]) -> Response:
        ibex = self.world.ibex
        info = ibex.send_infos.get(text(body, "cryptoSendInfosId", "crypto_send_info_id"))
        if info is None:
            raise not_found("send info")
        if info.option.currency_id != account.currency_id:
            raise bad("the account's currency is another")
        amount = _amount(body)
        outcome = ibex.send_outcomes.popleft() if ibex.send_outcomes else "completed"
        if outcome == "prepared":
            raise bad("Payment already prepared")
        if outcome == "unknown_not_made":
            raise IbexError(504, "gateway timeout")
        becomes = "completed" if outcome == "unknown_made" else outcome
        made = ibex.life.send(account, info, amount, becomes=becomes)
        if outcome == "unknown_made":
            raise IbexError(504, "gateway timeout")
        return answer(views.sent(made, self.world.config))

    def _must_be_on(self) -> None:
        if not self.world.ibex.crypto_on:
            raise IbexError(403, "crypto is not enabled for this organization")


def _amount(body: dict[str, Any]) -> Decimal:
    given = body.get("amount")
    if isinstance(given, str):
        raise bad("amount must be a number")
    amount = amounts.parse(given)
    if amount <= 0 or amount != round(amount, _CHAIN_PLACES):
        raise bad("amount must be above zero, with six decimals at most")
    return amount
