"""Bridge's customers as flows and commands ask for them: papers, virtual accounts, their own banks.

Sources: Bridge API docs, "KYC Links", "Virtual Accounts", "External Accounts" and "Plaid", read 2026-11.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any
from uuid import UUID

from funding.chain_addresses import NoAddress, normal
from funding.errors import UnexpectedAnswer
from funding.ports.bridge_customers import (
    BankAccount,
    BankLinking,
    BridgeCustomers,
    KycLink,
    KycOrder,
    VirtualAccount,
    VirtualAccountOrder,
)
from providers.bridge import customer_wire as wire
from providers.bridge.creating import create
from providers.fields import WrongShape
from providers.http import ProviderClient, Request


class CustomerCalls(BridgeCustomers):
    """The part of Bridge's port that is about customers; listings and ids are the adapter's."""

    _client: ProviderClient

    @abstractmethod
    def _pages(self, operation: str, path: str, params: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]: ...

    @abstractmethod
    def _check(self, *texts: str) -> None: ...

    @abstractmethod
    def _unreadable(self, what: str, error: WrongShape) -> UnexpectedAnswer: ...

    def create_kyc_link(self, order: KycOrder, *, key: UUID) -> KycLink:
        """Make a KYC link, and the customer it is for. Raises: as any create.

        OutcomeUnknown also where there is a link for that e-mail already: `find_kyc_links` finds it.
        """
        body = wire.dump_kyc(order)
        return create(self._client, "bridge.create_kyc_link", "/v0/kyc_links", body, key=key, load=wire.load_kyc_link)

    def find_kyc_links(self, email: str) -> Sequence[KycLink]:
        """The links made for that e-mail, listing walked to its end. Raises: as any read."""
        wanted = email.strip().casefold()
        rows = chain.from_iterable(self._pages("bridge.find_kyc_links", "/v0/kyc_links", {}))
        named = [row for row in rows if str(row.get("email") or "").strip().casefold() == wanted]
        try:
            return [wire.load_kyc_link(row) for row in named]
        except WrongShape as error:
            raise self._unreadable("a KYC link", error) from error

    def get_kyc_link(self, link_id: str) -> KycLink:
        """One link. Raises: NotFound, and as any read."""
        self._check(link_id)
        request = Request(operation="bridge.get_kyc_link", method="GET", path=f"/v0/kyc_links/{link_id}")
        return self._client.call(request, wire.load_kyc_link)

    def kyc_page(self, customer: str) -> str:
        """Where a customer whom Bridge knows already proves who they are. Raises: NotFound, and as any read."""
        self._check(customer)
        request = Request(operation="bridge.kyc_page", method="GET", path=f"/v0/customers/{customer}/kyc_link")
        return self._client.call(request, wire.load_page_of)

    def virtual_account_request(self, order: VirtualAccountOrder) -> str:
        """The exact JSON body `create_virtual_account` sends. Raises: ValueError: no address, asset or percent."""
        return wire.dump_virtual_account(order)

    def create_virtual_account(self, request: str, *, customer: str, key: UUID) -> VirtualAccount:
        """Make a virtual account for an approved customer. Raises: as any create."""
        self._check(customer)
        path = f"/v0/customers/{customer}/virtual_accounts"
        return create(
            self._client, "bridge.create_virtual_account", path, request, key=key, load=wire.load_virtual_account
        )

    def find_virtual_accounts(self, customer: str, *, address: str) -> Sequence[VirtualAccount]:
        """The customer's active virtual accounts that send on to that address, listing walked to its end.

        Raises: as any read; UnexpectedAnswer also when one of them cannot be read.
        """
        self._check(customer)
        path = f"/v0/customers/{customer}/virtual_accounts"
        rows = chain.from_iterable(self._pages("bridge.find_virtual_accounts", path, {}))
        try:
            every = [wire.load_virtual_account(row) for row in rows]
        except WrongShape as error:
            raise self._unreadable("a virtual account", error) from error
        return [one for one in every if one.active and _same(one.network, one.address, address)]

    def get_virtual_account(self, customer: str, account: str) -> VirtualAccount:
        """One virtual account. Raises: NotFound, and as any read."""
        self._check(customer, account)
        path = f"/v0/customers/{customer}/virtual_accounts/{account}"
        request = Request(operation="bridge.get_virtual_account", method="GET", path=path)
        return self._client.call(request, wire.load_virtual_account)

    def deactivate_virtual_account(self, customer: str, account: str, *, key: UUID) -> VirtualAccount:
        """Switch a virtual account off: what comes later is sent back. Raises: as any create.

        OutcomeUnknown also where Bridge says that its state does not allow it: perhaps it is off already.
        """
        self._check(customer, account)
        path = f"/v0/customers/{customer}/virtual_accounts/{account}/deactivate"
        return create(
            self._client, "bridge.deactivate_virtual_account", path, "{}", key=key, load=wire.load_virtual_account
        )

    def link_bank(self, customer: str, *, key: UUID) -> BankLinking:
        """Begin a hosted linking of a bank account; it ends by itself within hours. Raises: as any create."""
        self._check(customer)
        path = f"/v0/customers/{customer}/plaid_link_requests"
        return create(self._client, "bridge.link_bank", path, "{}", key=key, load=wire.load_linking)

    def list_bank_accounts(self, customer: str) -> Sequence[BankAccount]:
        """The customer's own bank accounts, listing walked to its end. Raises: as any read."""
        self._check(customer)
        path = f"/v0/customers/{customer}/external_accounts"
        rows = chain.from_iterable(self._pages("bridge.list_bank_accounts", path, {}))
        try:
            return [wire.load_bank(row) for row in rows]
        except WrongShape as error:
            raise self._unreadable("a bank account", error) from error


def _same(network: str, one: str, other: str) -> bool:
    try:
        return normal(network, one) == normal(network, other)
    except NoAddress:
        return one == other
