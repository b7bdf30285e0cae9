"""What the flows ask of Bridge about customers: their identity check, virtual accounts and own bank accounts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class KycOrder:
    """Who is to prove who they are. Neither is shown when an order is printed or logged."""

    full_name: str = field(repr=False)
    email: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KycLink:
    """Where a customer proves who they are (`page`) and accepts Bridge's terms (`terms_page`).

    Both pages are the customer's own: shown to whoever asks, never stored. `customer` is None until Bridge has one.
    """

    id: str
    customer: str | None
    page: str = field(repr=False)
    terms_page: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualAccountOrder:
    """A virtual account that takes dollars and sends `asset` on to an address, less our fee in percent ("0.5")."""

    customer: str
    address: str
    network: str
    asset: str
    fee_percent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualAccount:
    """A virtual account. `instructions` is where the customer pays in, in Bridge's words: shown, never stored."""

    id: str
    customer: str
    active: bool
    address: str
    network: str
    asset: str
    fee_percent: str | None
    instructions: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BankLinking:
    """A hosted linking of a bank, begun for a customer. `token` opens it in the customer's browser.

    `page` is where it is hosted, if Bridge names a page; `callback` is where the browser's result goes. None is stored.
    """

    token: str = field(repr=False)
    page: str | None = field(repr=False)
    callback: str | None = field(repr=False)
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAccount:
    """A customer's own bank account as Bridge keeps it; no more of its number than the last four digits."""

    id: str
    bank_name: str | None
    last4: str | None
    active: bool


class BridgeCustomers(Protocol):
    """Customers' papers and accounts at Bridge.

    Raises, unless said otherwise: NotFound, ProviderUnavailable, ProviderThrottled, UnexpectedAnswer, Misconfigured.
    What creates raises OutcomeUnknown (may exist; a dead key too), ProviderRejected (did not happen),
    ProviderUnavailable (not sent), ProviderThrottled (not done), Misconfigured.
    """

    def create_kyc_link(self, order: KycOrder, *, key: UUID) -> KycLink:
        """Make a KYC link, and the customer it is for. With the same key within a day the first answer again.

        OutcomeUnknown also where there is a link for that e-mail already: `find_kyc_links` finds it.
        """
        ...

    def find_kyc_links(self, email: str) -> Sequence[KycLink]:
        """The links made for that e-mail, listing walked to its end."""
        ...

    def get_kyc_link(self, link_id: str) -> KycLink:
        """One link."""
        ...

    def kyc_page(self, customer: str) -> str:
        """Where a customer whom Bridge knows already proves who they are."""
        ...

    def virtual_account_request(self, order: VirtualAccountOrder) -> str:
        """The exact JSON body `create_virtual_account` sends. Raises: ValueError: no address, asset or percent."""
        ...

    def create_virtual_account(self, request: str, *, customer: str, key: UUID) -> VirtualAccount:
        """Make a virtual account for an approved customer."""
        ...

    def find_virtual_accounts(self, customer: str, *, address: str) -> Sequence[VirtualAccount]:
        """The customer's active virtual accounts that send on to that address, listing walked to its end."""
        ...

    def get_virtual_account(self, customer: str, account: str) -> VirtualAccount:
        """One virtual account."""
        ...

    def deactivate_virtual_account(self, customer: str, account: str, *, key: UUID) -> VirtualAccount:
        """Switch a virtual account off: what comes later is sent back. OutcomeUnknown: perhaps it is off already."""
        ...

    def link_bank(self, customer: str, *, key: UUID) -> BankLinking:
        """Begin a hosted linking of a bank account; it ends by itself within hours."""
        ...

    def list_bank_accounts(self, customer: str) -> Sequence[BankAccount]:
        """The customer's own bank accounts, listing walked to its end."""
        ...
