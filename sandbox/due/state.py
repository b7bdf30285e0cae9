"""Everything Due remembers, and how a test puts things there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox import amounts
from sandbox.due.deposits import DEFAULT_PATH, Deposits
from sandbox.due.endpoints import Endpoints
from sandbox.due.errors import not_found
from sandbox.due.model import Account, Quote, Recipient, Transfer, VirtualAccount, Wallet
from sandbox.due.transfers import TransferLife

if TYPE_CHECKING:
    from sandbox.world import World

_ASYNCHRONOUS = frozenset({"USD", "AED", "COP"})  # currencies whose bank details come later


class DueState:
    """Due's memory. Ids come from the world's seed; nothing here locks, the world does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.accounts: dict[str, Account] = {}
        self.wallets: dict[str, Wallet] = {}
        self.recipients: dict[str, Recipient] = {}
        self.virtual_accounts: dict[str, VirtualAccount] = {}
        self.quotes: dict[str, Quote] = {}
        self.transfers: dict[str, Transfer] = {}
        self.transfers_of: dict[str, list[Transfer]] = {}  # by account, oldest first
        self.firm_recipients: set[str] = set()
        self.legacy_received: dict[str, Decimal] = {}  # by currency: announced in the seed's way, not yet converted
        self.endpoints = Endpoints(world)
        self.life = TransferLife(world, self)
        self.deposits = Deposits(world, self)

    def add_account(
        self,
        *,
        name: str = "Ana Pires",
        email: str = "ana@example.com",
        country: str = "US",
        kind: str = "individual",
        external_id: str | None = None,
        kyc: str = "passed",
        tos: str = "accepted",
    ) -> Account:
        """A customer, by default one who may transact."""
        ids, now = self._world.ids, self._world.now()
        account = Account(
            id=ids.prefixed("acct"),
            name=name,
            email=email,
            country=country,
            type=kind,
            created_at=now,
            external_id=external_id,
            kyc=kyc,
            tos=tos,
            tos_id=ids.prefixed("ta"),
            tos_token=ids.prefixed("tk"),
            status_log=[("onboarding", now)],
        )
        if (kyc, tos) == ("passed", "accepted"):
            account.status_log.append(("active", now))
        self.accounts[account.id] = account
        return account

    def add_wallet(self, owner_id: str, address: str) -> Wallet:
        """A wallet of an account."""
        wallet = Wallet(self._world.ids.prefixed("wlt"), owner_id, address, len(self.wallets) + 1)
        self.wallets[wallet.id] = wallet
        return wallet

    def add_recipient(
        self,
        owner_id: str,
        *,
        name: str = "Rampkeeper Firm",
        details: Mapping[str, Any] | None = None,
        is_external: bool = True,
        firm: bool = False,
    ) -> Recipient:
        """A recipient; with `firm`, what it is paid arrives in the firm's account at Alpaca."""
        bank = {"schema": "bank_us", "accountNumber": "900100200300", "routingNumber": "101000019"}
        recipient = Recipient(
            id=self._world.ids.prefixed("rcp"),
            owner_id=owner_id,
            name=name,
            is_external=is_external,
            details=dict(bank if details is None else details),
            number=len(self.recipients) + 1,
        )
        self.recipients[recipient.id] = recipient
        if firm:
            self.firm_recipients.add(recipient.id)
        return recipient

    def add_virtual_account(
        self,
        owner_id: str,
        destination: str,
        *,
        schema_in: str = "evm",
        currency_in: str = "USDC",
        rail_out: str = "ach",
        currency_out: str = "USD",
        reference: str | None = None,
        details_after: float | None = None,
    ) -> VirtualAccount:
        """A virtual account; details of some bank currencies come `details_after` seconds (default half of one)."""
        ids = self._world.ids
        number = len(self.virtual_accounts) + 1
        key = reference or f"ref-{number}-{currency_in}-{currency_out}".lower()
        account = VirtualAccount(
            id=ids.prefixed("va"),
            key=key,
            owner_id=owner_id,
            destination=destination,
            schema_in=schema_in,
            currency_in=currency_in,
            rail_out=rail_out,
            currency_out=currency_out,
            reference=key,
            details=None,
            created_at=self._world.now(),
            number=number,
        )
        self.virtual_accounts[account.id] = account
        if details_after is None and not (schema_in.startswith("bank") and currency_in in _ASYNCHRONOUS):
            account.details = self._details(schema_in)
        else:
            self._world.after(0.5 if details_after is None else details_after, lambda: self._give_details(account))
        return account

    def virtual_account_of(self, owner_id: str, key: str) -> VirtualAccount:
        """By its key (or id) among this account's. Raises: DueError 404."""
        for account in self.virtual_accounts.values():
            if account.owner_id == owner_id and key in {account.key, account.id}:
                return account
        raise not_found("virtual account")

    def deposit(
        self,
        virtual_account_id: str,
        amount: str = "250.00",
        path: Sequence[str] = DEFAULT_PATH,
        step_seconds: float | Sequence[float] = 0.2,
        fee: str = "0.75",
        currency: str | None = None,
        **more: Any,
    ) -> str:
        """Pretend that money arrives at a virtual account; the id of the transfer that follows by itself.

        See `Deposits.start` for what else can be chosen. Raises: KeyError: no such virtual account.
        """
        with self._world.lock:
            return self.deposits.start(virtual_account_id, amount, path, step_seconds, fee, currency, **more)

    def balances(self) -> dict[str, str]:
        """By currency: what Due has received and neither paid out nor given back."""
        held: dict[str, Decimal] = dict(self.legacy_received)
        for transfer in self.transfers.values():
            source = transfer.source
            held.setdefault(source.currency, Decimal(0))
            if transfer.received and not transfer.paid_out and not transfer.settled_back:
                held[source.currency] += source.amount
        return {currency: amounts.plain(amount) for currency, amount in sorted(held.items())}

    def _details(self, schema: str) -> dict[str, Any]:
        if schema.startswith("bank"):
            digits = self._world.ids.digits("bank_account", 12)
            return {"schema": schema, "accountNumber": digits, "routingNumber": "101000019"}
        return {"schema": schema, "address": self._world.ids.address()}

    def _give_details(self, account: VirtualAccount) -> None:
        account.details = self._details(account.schema_in)
        self.endpoints.announce_virtual_account(account)
