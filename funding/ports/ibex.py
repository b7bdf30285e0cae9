"""What the flows ask of IBEX."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from funding.money import Money
from funding.ports.ibex_addresses import IbexAddresses


class TokenStatus(StrEnum):
    """How far tokens have come. Only `completed` was ever documented: any other word waits."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTransaction:
    """Tokens that came to one of our accounts, or left it.

    `incoming` is None where IBEX's type of it is not documented; that of a send is not, so ours are told by being
    not True, and only what is True may be credited.
    `amount` is rounded down to the asset's scale, whatever digits IBEX shows, and `raw_amount` the text it showed.
    `address` and `chain_hash` are None where IBEX does not show them.
    """

    id: str
    account: str
    incoming: bool | None
    status: TokenStatus
    raw_status: str
    amount: Money
    raw_amount: str
    address: str | None
    chain_hash: str | None
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOrder:
    """Tokens to be sent from an account to an address. `name` is ours; IBEX keeps it with the address only."""

    account: str
    address: str
    network: str
    amount: Money
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTokens:
    """A send that IBEX has accepted. Every part of its answer may be missing, so both may be None.

    Even then it has happened and must not be asked for again: its transaction stands in the account's listing.
    """

    transaction_id: str | None
    chain_hash: str | None


class IbexBalances(Protocol):
    """What IBEX says its accounts hold."""

    def list_balances(self) -> Mapping[str, Money]:
        """Every token account by its id; what is finer than the asset's scale is left out. Raises: as any read."""
        ...


class IbexTokens(IbexAddresses, Protocol):
    """IBEX's token accounts.

    Raises, unless said otherwise: NotFound, ProviderUnavailable, ProviderThrottled, UnexpectedAnswer, Misconfigured.
    """

    def get_transaction(self, transaction_id: str) -> TokenTransaction:
        """One transaction, with its chain hash where IBEX knows it."""
        ...

    def list_transactions(self, account: str, *, since: datetime) -> Sequence[TokenTransaction]:
        """An account's transactions made or settled since then, and all that still wait; the oldest made first.

        Whatever is not shown here was not there. UnexpectedAnswer: one of them cannot be read, or is of other money.
        """
        ...

    def list_arrivals(self, account: str, *, since: datetime) -> Sequence[TokenTransaction]:
        """As `list_transactions`, in fewer calls, to see what has come.

        What is not shown may be there all the same: nothing is to be concluded from that.
        """
        ...

    def send_request(self, order: SendOrder) -> str:
        """The order as JSON, always the same for the same order: kept, and handed to `send`. It calls nobody.

        Raises: ValueError: IBEX cannot send it: other money, none, or no address of that network.
        """
        ...

    def send(self, request: str) -> SentTokens:
        """Send tokens. There is no key and no reference: asked twice it sends twice.

        It is three calls: what IBEX wants to be told, where to send, and the send. Only the last moves money. After a
        crash before it nothing has moved, and an unused note of the address is left at IBEX, which harms nobody; a
        crash after it is an unknown outcome. Nobody can tell the two apart but by `list_transactions`, where a send is
        known by account, amount and time alone.
        Raises: OutcomeUnknown (may have left), ProviderRejected (did not happen), ProviderUnavailable (not sent, or
        the calls before the last have failed), ProviderThrottled (not done), Misconfigured. `code ==
        "insufficient_balance"` is money not there.
        """
        ...
