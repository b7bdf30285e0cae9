"""Control of Due: accounts, deposits, and a hand on each transfer."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response

from sandbox import amounts
from sandbox.due import views
from sandbox.due.model import Transfer
from sandbox.http import Routes, json_body, reply


class DueControl(Routes):
    """Bodies carry the keyword arguments of the method of `DueState` they stand for."""

    table: ClassVar = (
        ("POST", "/_control/due/accounts", "add_account"),
        ("POST", "/_control/due/recipients", "add_recipient"),
        ("POST", "/_control/due/virtual_accounts", "add_virtual_account"),
        ("GET", "/_control/due/webhook_endpoints", "list_endpoints"),
        ("POST", "/_control/due/webhook_endpoints", "add_endpoint"),
        ("POST", "/_control/due/webhook_endpoints/<endpoint_id>/key", "renew_key"),
        ("POST", "/_control/due/deposits", "deposit"),
        ("POST", "/_control/due/legacy_deposits", "deposit_in_seed_way"),
        ("GET", "/_control/due/transfers", "list_transfers"),
        ("GET", "/_control/due/transfers/<transfer_id>", "get_transfer"),
        ("POST", "/_control/due/transfers/<transfer_id>", "force"),
    )

    def add_account(self) -> Response:
        """A customer: `{name?, email?, country?, kind?, external_id?, kyc?, tos?}`."""
        account = self.world.due.add_account(**json_body())
        return reply(views.account(account, self.world.config.time_digits), 201)

    def add_recipient(self) -> Response:
        """A recipient: `{owner_id, name?, details?, firm?}`."""
        return reply(views.recipient(self.world.due.add_recipient(**json_body())), 201)

    def add_virtual_account(self) -> Response:
        """A virtual account: `{owner_id, destination, ...}`; without owner or destination, new ones (the firm's)."""
        body, due = json_body(), self.world.due
        owner = body.pop("owner_id", None) or due.add_account().id
        destination = body.pop("destination", None) or due.add_recipient(owner, firm=True).id
        made = due.add_virtual_account(owner, destination, **body)
        return reply(views.virtual_account(made, self.world.config.time_digits), 201)

    def list_endpoints(self) -> Response:
        """Every webhook endpoint, its key as base64 of the DER."""
        return reply([self._endpoint(one) for one in self.world.due.endpoints.by_id.values()])

    def add_endpoint(self) -> Response:
        """An endpoint: `{url, events?}`."""
        return reply(self._endpoint(self.world.due.endpoints.add(**json_body())), 201)

    def renew_key(self, endpoint_id: str) -> Response:
        """Sign with another key from now on: `{number?}` of one that has been there; the endpoint as it is then."""
        endpoints = self.world.due.endpoints
        endpoints.renew_key(endpoints.by_id[endpoint_id], **json_body())
        return reply(self._endpoint(endpoints.by_id[endpoint_id]))

    def _endpoint(self, endpoint: Any) -> dict[str, Any]:
        return {**views.endpoint(endpoint), "public_key_der": endpoint.key.der_base64}

    def deposit(self) -> Response:
        """Money arrives: `{virtual_account_id, amount?, path?, step_seconds?, fee?, expects_account?, ...}`."""
        transfer_id = self.world.due.deposit(**json_body())
        return reply(self.world.due.life.summary(self.world.due.transfers[transfer_id]), 201)

    def deposit_in_seed_way(self) -> Response:
        """Money arrives and only the first seed's event tells: `{virtual_account_id, amount, expects_account?}`."""
        self.world.due.deposits.announce_in_seed_way(**json_body())
        return reply({"received": self.world.due.balances()}, 201)

    def list_transfers(self) -> Response:
        """Every transfer with what only the sandbox knows, newest first."""
        transfers = reversed(self.world.due.transfers.values())
        return reply([self.world.due.life.summary(transfer) for transfer in transfers])

    def get_transfer(self, transfer_id: str) -> Response:
        """One transfer with what only the sandbox knows."""
        return reply(self.world.due.life.summary(self.world.due.transfers[transfer_id]))

    def force(self, transfer_id: str) -> Response:
        """Put a hand on a transfer.

        `{status?, path?, step_seconds?, source_amount?, destination_amount?, currency?, announce?, clawback?}`: amounts
        change at once, then `status` is taken now, then `path` follows by itself. Nothing that was planned before
        remains if a status or path is given. `announce` (default false) tells of changed amounts by webhook;
        `clawback` lets the bank take the payout back from the firm at Alpaca.
        """
        body, transfer = json_body(), self.world.due.transfers[transfer_id]
        life = self.world.due.life
        self._change(transfer, body)
        if body.get("clawback"):
            self.world.payouts.take_back(transfer.id, transfer.destination.amount)
        path = [str(status) for status in body.get("path", [])]
        if "status" in body or path:
            life.plan(transfer, (), ())
        if "status" in body:
            life.move(transfer, str(body["status"]))
        life.plan(transfer, path, [float(body.get("step_seconds", 0.2))] * len(path)) if path else None
        return reply(life.summary(transfer))

    def _change(self, transfer: Transfer, body: dict[str, Any]) -> None:
        changes = {"source_amount", "destination_amount", "currency"} & body.keys()
        if not changes:
            return
        self.world.due.life.remember(transfer)
        if "source_amount" in body:
            transfer.source.amount = amounts.parse(body["source_amount"])
        if "destination_amount" in body:
            transfer.destination.amount = amounts.parse(body["destination_amount"])
        transfer.source.currency = str(body.get("currency", transfer.source.currency))
        if body.get("announce"):
            self.world.due.endpoints.announce_transfer(transfer)
