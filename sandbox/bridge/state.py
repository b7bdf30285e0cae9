"""Everything Bridge remembers, and how a test puts things there."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox import amounts
from sandbox.bridge import addresses
from sandbox.bridge.banks import Banks
from sandbox.bridge.deposits import Deposits
from sandbox.bridge.effects import counted
from sandbox.bridge.endpoints import Endpoints
from sandbox.bridge.idempotency import IdempotencyKeys
from sandbox.bridge.model import (
    Activity,
    Customer,
    ExternalAccount,
    KycLink,
    LiquidationAddress,
    Payment,
    Record,
    VirtualAccount,
)
from sandbox.bridge.payments import Payments
from sandbox.bridge.people import People
from sandbox.bridge.plaid import Plaid
from sandbox.bridge.views import Views
from sandbox.chain import Movement

if TYPE_CHECKING:
    from sandbox.world import World

_FIRST_KEYS = 3  # as many as the first seed has routes


class BridgeState:
    """Bridge's memory. Ids come from the world's seed; nothing here locks, the world does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.customers: dict[str, Customer] = {}
        self.kyc_links: dict[str, KycLink] = {}
        self.virtual_accounts: dict[str, VirtualAccount] = {}
        self.activities: dict[str, Activity] = {}
        self.external_accounts: dict[str, ExternalAccount] = {}
        self.liquidation_addresses: dict[str, LiquidationAddress] = {}
        self.scoped_keys: list[str] = []  # made by callers; each is accepted
        self.stray: list[Movement] = []  # arrived at an address of ours, with nothing to go to
        self.return_address = world.config.bridge_return_address
        self._ours: set[str] = set()  # every address given out
        self._wallets: dict[str, str] = {}  # by network: where payouts come from
        self.views = Views(self, seed_customers=world.config.bridge_seed_customers)
        self.keys = IdempotencyKeys(world)
        self.banks = Banks(world.ids)
        self.endpoints = Endpoints(world)
        self.people = People(world, self)
        self.plaid = Plaid(world, self)
        self.deposits = Deposits(world, self)
        self.payments = Payments(world, self)
        world.chain.listen(self._arrived)

    def identity(self, family: str, among: Mapping[str, Record], customer_id: str = "") -> dict[str, Any]:
        """What every new record begins with: an id, its number among its kind, its owner, its moment."""
        now = self._world.now()
        return {
            "id": self._world.ids.uuid(f"bridge_{family}"),
            "number": len(among),
            "customer_id": customer_id,
            "created_at": now,
            "updated_at": now,
        }

    def remember(self, record: Record) -> dict[str, Any]:
        """Keep how a record looked until now, for stale reads; that look. Call it before each change."""
        before = self.views.of(record)
        record.before, record.updated_at, record.reads = before, self._world.now(), 0
        return before

    def draw_address(self, network: str) -> str:
        """A new address of Bridge's own."""
        address = addresses.draw(self._world.ids, network)
        self._ours.add(address)
        return address

    def pay_out(self, destination: Mapping[str, Any], amount: Decimal) -> Movement:
        """Send coins to `destination["address"]`, on its rail, in its currency."""
        network = destination["payment_rail"]
        if network not in self._wallets:
            self._wallets[network] = addresses.draw(self._world.ids, network)
        return self._world.chain.send(
            network,
            destination["currency"].upper(),
            sender=self._wallets[network],
            recipient=destination["address"],
            amount=amount,
            seconds=self._world.config.bridge_chain_seconds,
        )

    def add_customer(
        self,
        full_name: str = "Ana Pires",
        email: str | None = None,
        *,
        kind: str = "individual",
        kyc: str = "approved",
        tos: str = "approved",
    ) -> Customer:
        """A customer with a KYC link, by default one who may move money."""
        own = email or f"customer{len(self.customers) + 1}@example.com"
        customer = self.people.add(full_name, own, kind, kyc=kyc, tos=tos)
        self.people.add_link(customer, [], None)
        return customer

    def add_virtual_account(
        self,
        customer_id: str,
        address: str,
        *,
        currency: str = "usd",
        network: str = "tron",
        coin: str = "usdt",
        developer_fee_percent: str | None = None,
    ) -> VirtualAccount:
        """A virtual account that pays to an address. Raises: KeyError: no such customer."""
        percent = None if developer_fee_percent is None else amounts.parse(developer_fee_percent)
        destination = {"currency": coin, "payment_rail": network, "address": address}
        return self.deposits.open(self.customers[customer_id], currency, destination, percent)

    def add_external_account(self, customer_id: str, **told: Any) -> ExternalAccount:
        """A customer's own bank account, see `People.add_bank`. Raises: KeyError: no such customer."""
        return self.people.add_bank(self.customers[customer_id], **told)

    def add_liquidation_address(
        self,
        customer_id: str,
        destination: dict[str, Any],
        *,
        chain: str = "tron",
        currency: str = "usdt",
        fee_percent: Decimal = Decimal(0),
        return_address: str | None = None,
    ) -> LiquidationAddress:
        """A permanent address; `destination` is `{payment_rail, currency, external_account_id | to_address}`."""
        made = LiquidationAddress(
            **self.identity("liquidation_address", self.liquidation_addresses, customer_id),
            chain=chain,
            currency=currency,
            address=self.draw_address(chain),
            destination=destination,
            fee_percent=fee_percent,
            return_address=return_address,
        )
        self.liquidation_addresses[made.id] = made
        self.endpoints.announce("liquidation_address", "created", self.views.of(made))
        return made

    def deposit(self, virtual_account_id: str, amount: str = "250.00", **more: Any) -> str:
        """Pretend that a bank deposit arrives; its deposit id. See `Deposits.start` for what can be chosen."""
        with self._world.lock:
            return self.deposits.start(virtual_account_id, amount, **more)

    def pay_transfer(self, transfer_id: str, amount: str | None = None, sender: str | None = None) -> None:
        """Someone pays for a transfer: over the chain to its address, else by bank. Raises: KeyError, ValueError."""
        with self._world.lock:
            transfer = self.payments.by_id[transfer_id]
            paid = transfer.amount if amount is None else amounts.parse(amount)
            if paid is None:
                raise ValueError("this transfer needs an amount")
            address = (transfer.instructions or {}).get("to_address")
            if address is not None:
                self._pay_in(transfer.source["payment_rail"], transfer.source["currency"], address, paid, sender)
            elif transfer.received is None:
                self.payments.fund(transfer, paid)

    def pay_address(self, liquidation_address_id: str, amount: str = "250.00", sender: str | None = None) -> None:
        """Someone pays to a liquidation address. Raises: KeyError, ValueError."""
        with self._world.lock:
            place = self.liquidation_addresses[liquidation_address_id]
            self._pay_in(place.chain, place.currency, place.address, amounts.parse(amount), sender)

    def give_back(self, payment_id: str, after_seconds: float = 0.0) -> None:
        """The bank returns a payout, now or later (an ACH return takes days). Raises: KeyError."""
        with self._world.lock:
            payment = self.payments.by_id[payment_id]
            self._world.after(float(after_seconds), lambda: self.payments.give_back(payment))

    def set_return_policy(self, address: str | None) -> None:
        """Say where crypto goes back to; what waited for it goes."""
        with self._world.lock:
            self.return_address = address
            self.payments.policy_changed()

    def drains(self) -> list[Payment]:
        """Every drain, oldest first."""
        return [one for one in self.payments.by_id.values() if one.is_drain]

    def transfers(self) -> list[Payment]:
        """Every transfer, oldest first."""
        return [one for one in self.payments.by_id.values() if not one.is_drain]

    def ready(self) -> dict[str, Any]:
        """What a caller needs to know to use it; public keys are of the first endpoints, made or not yet made."""
        keys = [self.endpoints.key(number).der_base64 for number in range(_FIRST_KEYS)]
        return {
            "bridge_api_key": self._world.config.bridge_api_keys[0],
            "bridge_public_key": keys[0],
            "bridge_public_keys": keys,
            "bridge_webhook_endpoint_id": next(iter(self.endpoints.by_id), None),
        }

    def balances(self) -> dict[str, Any]:
        """By currency what Bridge holds of others' money; by bank account what it has paid there."""
        held = self.deposits.held()
        for currency, amount in self.payments.held().items():
            held[currency] = held.get(currency, Decimal(0)) + amount
        banks: dict[str, Decimal] = {}
        for one in self.payments.by_id.values():
            bank = one.destination.get("external_account_id")
            if bank is not None and one.paid_out:
                banks[bank] = banks.get(bank, Decimal(0)) + self.payments.paid(one)
        return {
            "held": {currency: amounts.plain(amount) for currency, amount in sorted(held.items())},
            "paid_to_banks": {bank: amounts.plain(amount) for bank, amount in sorted(banks.items())},
        }

    def effects(self) -> dict[str, Any]:
        """What callers had made here, and how often the same thing more than once."""
        return counted(self)

    def _pay_in(self, network: str, currency: str, address: str, amount: Decimal, sender: str | None) -> None:
        payer = sender or addresses.draw(self._world.ids, network)
        self._world.chain.send(network, currency.upper(), sender=payer, recipient=address, amount=amount)

    def _arrived(self, movement: Movement) -> None:
        if movement.recipient not in self._ours:
            return
        place = next((one for one in self.liquidation_addresses.values() if one.address == movement.recipient), None)
        if place is not None and (place.chain, place.currency.upper()) == (movement.network, movement.asset):
            self.payments.drain(place, movement)
        elif not self.payments.arrived(movement):
            self.stray.append(movement)
