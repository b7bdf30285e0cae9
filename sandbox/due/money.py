"""Due's routes that move money: quotes, transfers, the first seed's /offramp, and the sandbox's pay-in."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from flask import Response, request

from sandbox import amounts
from sandbox.due import errors, views
from sandbox.due.caller import account_of_caller, fields
from sandbox.due.deposits import DEFAULT_PATH
from sandbox.due.model import Quote, Side, Transfer
from sandbox.due.reads import listed, shown
from sandbox.http import Routes, json_body, reply

_QUOTE_HOLDS = timedelta(minutes=2)
_FEE = Decimal("0.75")  # in the destination's currency, as in the examples of the documentation
_STEP_SECONDS = 0.2


class MoneyRoutes(Routes):
    """Quotes and transfers, scoped to the caller's account."""

    table: ClassVar = (
        ("POST", "/v1/transfers/quote", "create_quote"),
        ("POST", "/v1/transfers", "create_transfer"),
        ("GET", "/v1/transfers", "list_transfers"),
        ("GET", "/v1/transfers/<transfer_id>", "get_transfer"),
        ("POST", "/v1/transfers/<transfer_id>/funding_address", "funding_address"),
        ("POST", "/v1/transfers/<transfer_id>/transfer_intent", "transfer_intent"),
        ("POST", "/v1/transfer_intents/submit", "submit_intent"),
        ("GET", "/v1/transactions", "list_transactions"),
        ("POST", "/offramp", "offramp"),
        ("POST", "/v1/offramp", "offramp"),
        ("POST", "/dev/payin", "pay_in"),
        ("POST", "/dev/v1/payin", "pay_in"),
        ("POST", "/dev/merge/v1/payin", "pay_in"),
    )

    def create_quote(self) -> Response:
        """A price for two minutes; if both amounts are set the source's wins."""
        account, body = account_of_caller(self.world, active=True), json_body()
        given = {name: _object(body.get(name)) for name in ("source", "destination")}
        sides = {name: fields(side, "rail", "currency") for name, side in given.items()}
        source, destination = (_amount(given[name]) for name in ("source", "destination"))
        if source <= 0 and destination <= 0:
            raise errors.plain(400, "err_quote_no_amount", "one amount is needed")
        if source <= 0:
            source = destination + _FEE
        if source <= _FEE:
            raise errors.plain(400, "err_quote_limit_below_fee", "amount does not cover the fee")
        quote = Quote(
            token=self.world.ids.prefixed("qt"),
            owner_id=account.id,
            source=Side(source, Decimal(0), sides["source"]["currency"], sides["source"]["rail"]),
            destination=Side(
                amounts.floor(source - _FEE, sides["destination"]["currency"]),
                _FEE,
                sides["destination"]["currency"],
                sides["destination"]["rail"],
            ),
            fx_rate=Decimal(1),
            expires_at=self.world.now() + _QUOTE_HOLDS,
        )
        self.world.due.quotes[quote.token] = quote
        return reply(views.quote(quote, self.world.config.time_digits))

    def create_transfer(self) -> Response:
        """A transfer from a quote; there is no idempotency key, so the same call twice makes two."""
        account, body = account_of_caller(self.world, active=True), json_body()
        wanted = fields(body, "quote", "recipient")
        quote = self.world.due.quotes.get(wanted["quote"])
        if quote is None or quote.owner_id != account.id:
            raise errors.not_found("quote")
        if quote.expires_at <= self.world.now():
            raise errors.detailed(422, "err_quote_expired", "quote has expired")
        recipient = self.world.due.recipients.get(wanted["recipient"])
        if recipient is None or recipient.owner_id != account.id:
            raise errors.not_found("recipient")
        source = Side(quote.source.amount, quote.source.fee, quote.source.currency, quote.source.rail)
        destination = Side(
            quote.destination.amount,
            quote.destination.fee,
            quote.destination.currency,
            quote.destination.rail,
            recipient_id=recipient.id,
            label=recipient.name,
            details=recipient.details,
            memo=body.get("memo"),
        )
        transfer = self.world.due.life.create(account.id, source, destination, fx_rate=quote.fx_rate)
        self.world.due.life.begin(transfer, ("awaiting_funds",), ())
        return reply(views.transfer(transfer, self.world.config.time_digits), 201)

    def list_transfers(self) -> Response:
        """The caller's transfers."""
        mine = self.world.due.transfers_of.get(account_of_caller(self.world).id, [])
        return reply(listed(self.world, mine))

    def _mine(self, transfer_id: str) -> Transfer:
        transfer = self.world.due.transfers.get(transfer_id)
        if transfer is None or transfer.owner_id != account_of_caller(self.world).id:
            raise errors.not_found("transfer")
        return transfer

    def get_transfer(self, transfer_id: str) -> Response:
        """One of the caller's transfers."""
        return reply(shown(self.world, self._mine(transfer_id)))

    def funding_address(self, transfer_id: str) -> Response:
        """A one-off address to send the exact amount to."""
        transfer = self._awaiting(transfer_id)
        address = self.world.ids.address()
        return reply({"details": {"schema": "evm", "address": address}, "amount": str(transfer.source.amount)})

    def transfer_intent(self, transfer_id: str) -> Response:
        """What a wallet would have to sign."""
        transfer = self._awaiting(transfer_id)
        return reply({"id": self.world.ids.prefixed("ti"), "transferId": transfer.id, "signables": []}, 201)

    def submit_intent(self) -> Response:
        """The signing route, which needs a vault's signature."""
        if "signature" not in json_body():
            raise errors.signature_required()
        return reply({"status": "submitted"})

    def _awaiting(self, transfer_id: str) -> Transfer:
        transfer = self._mine(transfer_id)
        if transfer.status != "awaiting_funds":
            raise errors.detailed(422, "err_transfer_not_awaiting_funds", "transfer is not awaiting funds")
        return transfer

    def list_transactions(self) -> Response:
        """The transfers of one virtual account; the real answer's shape is not public."""
        wanted = fields(request.args.to_dict(), "virtualAccountId")["virtualAccountId"]
        mine = self.world.due.transfers_of.get(account_of_caller(self.world).id, [])
        return reply(listed(self.world, [one for one in mine if one.source.virtual_account_id == wanted]))

    def offramp(self) -> Response:
        """The first seed's conversion call: no such route at Due; the 202 answer is our choice."""
        body = json_body()
        wanted = fields(body, "virtualAccountId", "currencyIn", "currencyOut")
        account = self.world.due.virtual_accounts.get(wanted["virtualAccountId"])
        if account is None:
            raise errors.not_found("virtual account")
        if (account.currency_in, account.currency_out) != (wanted["currencyIn"], wanted["currencyOut"]):
            raise errors.invalid(currencyIn="does not match the virtual account")
        amount = _amount(body)
        if amount <= 0:
            raise errors.invalid(amount="required")
        if self.world.due.legacy_received.get(account.currency_in, Decimal(0)) < amount:
            raise errors.plain(400, "err_insufficient_balance", "not enough has been received")
        transfer = self.world.due.deposits.convert_in_seed_way(account, amount, _STEP_SECONDS)
        return reply({"id": transfer.id, "status": transfer.status}, 202)

    def pay_in(self) -> Response:
        """Sandbox only: pretend that money arrives, for a virtual account or a transfer that awaits it."""
        body = json_body()
        virtual_account_id, transfer_id = str(body.get("virtualAccountId")), str(body.get("transferId"))
        if virtual_account_id in self.world.due.virtual_accounts:
            amount = amounts.plain(_amount(body))
            started = self.world.due.deposit(virtual_account_id, amount, step_seconds=_STEP_SECONDS)
            return reply({"id": started}, 201)
        transfer = self.world.due.transfers.get(transfer_id)
        if transfer is None:
            raise errors.not_found("virtual account or transfer")
        steps = DEFAULT_PATH[1:]
        self.world.due.life.plan(transfer, steps, [_STEP_SECONDS] * len(steps))
        return reply({"id": transfer.id}, 201)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _amount(body: dict[str, Any]) -> Decimal:
    try:
        return amounts.parse(body.get("amount") or "0")
    except ValueError as error:
        raise errors.invalid(amount="decimal text") from error
