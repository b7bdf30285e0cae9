"""What the flows ask of IBEX about the addresses that an account receives on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveAddress:
    """An address of an account, as IBEX wrote it: its form is not checked. `name` is ours, None where it is not shown.

    `network` too is None where IBEX does not show it.
    """

    id: str
    address: str
    name: str | None
    network: str | None


class IbexAddresses(Protocol):
    """Addresses at IBEX.

    Raises, unless said otherwise: NotFound, ProviderUnavailable, ProviderThrottled, UnexpectedAnswer, Misconfigured.
    """

    def receive_network(self, asset: str, network: str) -> str | None:
        """That network as IBEX writes it today, if the asset is received there; whatever the case of the letters."""
        ...

    def address_request(self, account: str, *, network: str, name: str) -> str:
        """The address to be made as JSON, always the same for the same words. Raises: ValueError: no account's id."""
        ...

    def make_address(self, request: str) -> ReceiveAddress:
        """Make a new address. There is no key: asked twice it makes two, which harms nobody.

        Raises: OutcomeUnknown (may exist), ProviderRejected (did not happen), ProviderUnavailable (not sent),
        ProviderThrottled (not done), Misconfigured.
        """
        ...

    def list_addresses(self, account: str) -> Sequence[ReceiveAddress]:
        """Every address of an account, in the order IBEX shows them."""
        ...
