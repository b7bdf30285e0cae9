"""Due's routes about customers: accounts, KYC, terms, wallets, recipients, channels, virtual accounts."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Response, request

from sandbox.due import views
from sandbox.due.caller import account_of_caller, fields, owned, small_list
from sandbox.due.errors import invalid, not_found, plain
from sandbox.due.model import Account
from sandbox.due.reads import paged
from sandbox.http import Routes, json_body, reply

_CHANNELS = (
    ("base", "USDC", "static_deposit", "evm"),
    ("ethereum", "USDC", "static_deposit", "evm"),
    ("tron", "USDT", "static_deposit", "tron"),
    ("ach", "USD", "withdrawal", "bank_us"),
    ("wire", "USD", "withdrawal", "bank_us"),
)


class CustomerRoutes(Routes):
    """Everything before money moves."""

    table: ClassVar = (
        ("POST", "/v1/accounts", "create_account"),
        ("GET", "/v1/accounts", "list_accounts"),
        ("GET", "/v1/accounts/<account_id>", "get_account"),
        ("GET", "/v1/kyc", "get_kyc"),
        ("POST", "/v1/kyc", "get_kyc"),
        ("GET", "/v1/tos/<token>", "get_terms"),
        ("POST", "/v1/tos/<token>", "accept_terms"),
        ("POST", "/v1/wallets", "create_wallet"),
        ("GET", "/v1/wallets", "list_wallets"),
        ("GET", "/v1/wallets/<wallet_id>/balance", "get_wallet_balance"),
        ("POST", "/v1/recipients", "create_recipient"),
        ("GET", "/v1/recipients", "list_recipients"),
        ("GET", "/v1/recipients/<recipient_id>", "get_recipient"),
        ("DELETE", "/v1/recipients/<recipient_id>", "delete_recipient"),
        ("GET", "/v1/channels", "list_channels"),
        ("POST", "/v1/virtual_accounts", "create_virtual_account"),
        ("GET", "/v1/virtual_accounts/list", "list_virtual_accounts"),
        ("GET", "/v1/virtual_accounts", "find_virtual_account"),
        ("GET", "/v1/virtual_accounts/<key>", "get_virtual_account"),
        ("POST", "/v1/virtual_accounts/<key>", "set_fees"),
        ("POST", "/dev/sumsub/applicants/<account_id>/approve", "approve_kyc"),
    )

    def _account_view(self, account: Account) -> dict[str, Any]:
        return views.account(account, self.world.config.time_digits)

    def create_account(self) -> Response:
        """A new customer, who still has KYC and terms to pass."""
        body = json_body()
        wanted = fields(body, "type", "name", "email", "country")
        external = body.get("externalId")
        if external is not None and any(one.external_id == external for one in self.world.due.accounts.values()):
            raise plain(409, "err_account_external_id_conflict", "externalId is already used")
        account = self.world.due.add_account(
            name=wanted["name"],
            email=wanted["email"],
            country=wanted["country"],
            kind=wanted["type"],
            external_id=external,
            kyc="pending",
            tos="pending",
        )
        return reply(self._account_view(account), 201)

    def list_accounts(self) -> Response:
        """Every account, on one page."""
        return reply({"items": [self._account_view(one) for one in self.world.due.accounts.values()], "next": None})

    def get_account(self, account_id: str) -> Response:
        """One account."""
        account = self.world.due.accounts.get(account_id)
        if account is None:
            raise not_found("account")
        return reply(self._account_view(account))

    def get_kyc(self) -> Response:
        """The caller's KYC status and link."""
        return reply(self._account_view(account_of_caller(self.world))["kyc"])

    def _account_by_token(self, token: str) -> Account:
        for account in self.world.due.accounts.values():
            if account.tos_token == token:
                return account
        raise not_found("terms")

    def get_terms(self, token: str) -> Response:
        """The terms behind a token."""
        return reply(self._account_view(self._account_by_token(token))["tos"])

    def accept_terms(self, token: str) -> Response:
        """Accept them."""
        fields(json_body(), "ipAddress")
        account = self._account_by_token(token)
        account.tos = "accepted"
        self._settle(account)
        self.world.due.endpoints.announce("bp.tos_accepted", self._account_view(account))
        return reply(self._account_view(account)["tos"])

    def approve_kyc(self, account_id: str) -> Response:
        """Sandbox only: let a customer pass KYC."""
        account = self.world.due.accounts.get(account_id)
        if account is None:
            raise not_found("account")
        account.kyc = "passed"
        self._settle(account)
        self.world.due.endpoints.announce("bp.kyc.status_changed", self._account_view(account))
        return reply({"status": "passed"})

    def _settle(self, account: Account) -> None:
        if (account.kyc, account.tos) == ("passed", "accepted"):
            account.status_log.append(("active", self.world.now()))

    def create_wallet(self) -> Response:
        """A wallet by address."""
        account = account_of_caller(self.world)
        return reply(
            views.wallet(self.world.due.add_wallet(account.id, fields(json_body(), "address")["address"])), 201
        )

    def list_wallets(self) -> Response:
        """The caller's wallets."""
        mine = owned(self.world, self.world.due.wallets.values())
        return reply(small_list(self.world, [views.wallet(one) for one in mine]))

    def get_wallet_balance(self, wallet_id: str) -> Response:
        """Nothing: no chain is pretended."""
        if all(one.id != wallet_id for one in owned(self.world, self.world.due.wallets.values())):
            raise not_found("wallet")
        return reply([])

    def create_recipient(self) -> Response:
        """A place to pay out to."""
        account, body = account_of_caller(self.world), json_body()
        details = body.get("details")
        if not isinstance(details, dict) or not isinstance(details.get("schema"), str):
            raise invalid(details="schema is required")
        name = fields(body, "name")["name"]
        mine = owned(self.world, self.world.due.recipients.values())
        if any(one.name == name and one.details == details for one in mine):
            raise plain(409, "err_recipient_already_exists", "recipient already exists")
        external = bool(body.get("isExternal", True))
        recipient = self.world.due.add_recipient(account.id, name=name, details=details, is_external=external)
        return reply(views.recipient(recipient), 201)

    def list_recipients(self) -> Response:
        """The caller's recipients."""
        page, following = paged(self.world, owned(self.world, self.world.due.recipients.values()))
        return reply(small_list(self.world, [views.recipient(one) for one in page], following))

    def get_recipient(self, recipient_id: str) -> Response:
        """One of the caller's recipients."""
        for one in owned(self.world, self.world.due.recipients.values()):
            if one.id == recipient_id:
                return reply(views.recipient(one))
        raise not_found("recipient")

    def delete_recipient(self, recipient_id: str) -> Response:
        """Forget a recipient."""
        self.get_recipient(recipient_id)
        del self.world.due.recipients[recipient_id]
        return Response(status=204)

    def list_channels(self) -> Response:
        """What rails exist."""
        channels: list[dict[str, Any]] = [
            {
                "rail": rail,
                "currencyCode": currency,
                "type": kind,
                "feeBps": 0,
                "feeFixed": "0.75" if kind == "withdrawal" else "0",
                "limitMin": "1",
                "limitMax": "1000000",
                "kycLevels": [],
                "railSettings": {"speed": "fast", "schemas": [schema], "memoConfig": None},
                "purposeCodes": [],
            }
            for rail, currency, kind, schema in _CHANNELS
        ]
        return reply(channels if self.world.config.bare_lists else {"channels": channels})

    def create_virtual_account(self) -> Response:
        """A standing conversion rule for the caller."""
        account, body = account_of_caller(self.world, active=True), json_body()
        wanted = fields(body, "destination", "schemaIn", "railOut", "currencyOut", "reference")
        due, destination = self.world.due, wanted["destination"]
        place = due.recipients.get(destination) or due.wallets.get(destination)
        if place is None or place.owner_id != account.id:
            raise not_found("destination")
        mine = owned(self.world, self.world.due.virtual_accounts.values())
        if any(one.key == wanted["reference"] for one in mine):
            raise plain(409, "err_virtual_account_already_exists", "reference is already used")
        currency = body.get("currencyIn", "USDC")
        if not isinstance(currency, str):
            raise invalid(currencyIn="text")
        made = self.world.due.add_virtual_account(
            account.id,
            wanted["destination"],
            schema_in=wanted["schemaIn"],
            currency_in=currency,
            rail_out=wanted["railOut"],
            currency_out=wanted["currencyOut"],
            reference=wanted["reference"],
        )
        return reply(views.virtual_account(made, self.world.config.time_digits), 201)

    def list_virtual_accounts(self) -> Response:
        """All of the caller's, as an array."""
        mine = owned(self.world, self.world.due.virtual_accounts.values())
        return reply([views.virtual_account(one, self.world.config.time_digits) for one in mine])

    def find_virtual_account(self) -> Response:
        """The one that has this destination, schemaIn, railOut and currencyOut."""
        wanted = fields(request.args.to_dict(), "destination", "schemaIn", "railOut", "currencyOut")
        for one in owned(self.world, self.world.due.virtual_accounts.values()):
            view = views.virtual_account(one, self.world.config.time_digits)
            if all(view[name] == value for name, value in wanted.items()):
                return reply(view)
        raise not_found("virtual account")

    def get_virtual_account(self, key: str) -> Response:
        """One of the caller's, by key."""
        found = self.world.due.virtual_account_of(account_of_caller(self.world).id, key)
        return reply(views.virtual_account(found, self.world.config.time_digits))

    def set_fees(self, key: str) -> Response:
        """Change its fees, and nothing else."""
        found = self.world.due.virtual_account_of(account_of_caller(self.world).id, key)
        body = json_body()
        basis_points = body.get("applicationFeeBps", found.fee_bps)
        if isinstance(basis_points, bool) or not isinstance(basis_points, int) or basis_points < 0:
            raise invalid(applicationFeeBps="a whole number")
        found.fee_bps = basis_points
        found.fee_amount = str(body.get("applicationFeeAmount", found.fee_amount))
        return reply(views.virtual_account(found, self.world.config.time_digits))
