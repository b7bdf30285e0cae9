"""IBEX's addresses to receive on, as flows ask for them.

Sources: lnflash/flash, its crypto calls; ibex-client 2.2.0; both read 2026-11.
"""

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from funding.errors import ProviderError, ProviderRejected
from funding.ports.ibex_addresses import IbexAddresses, ReceiveAddress
from providers.answers import Classify
from providers.fields import Fields, WrongShape, is_id, parse_json
from providers.http import ProviderClient, Request
from providers.ibex import exact
from providers.ibex.wire import CURRENCIES, problem

Loaded = TypeVar("Loaded")


def of_a_feature(status: int, _code: str | None) -> type[ProviderError] | None:
    """A 403 of a crypto call refuses that call: an organisation has the feature only once IBEX has switched it on.

    Nothing in it tells that from a login that is blocked. What is blocked is told all the same, by the next read of
    what every organisation has, and by the sign-in itself: these stop all calls, this one must not.
    """
    return ProviderRejected if status == 403 else None  # noqa: PLR2004 -- forbidden


class AddressCalls(IbexAddresses):
    """The part of IBEX's port that is about addresses; how a read is made is the adapter's."""

    _client: ProviderClient

    @abstractmethod
    def _get(
        self,
        operation: str,
        path: str,
        load: Callable[[Any], Loaded],
        params: dict[str, str] | None = None,
        classify: Classify | None = None,
    ) -> Loaded: ...

    @abstractmethod
    def _check(self, text: str) -> None: ...

    def receive_network(self, asset: str, network: str) -> str | None:
        """That network as IBEX writes it today, if the asset is received there. Raises: as any read."""
        wanted = CURRENCIES.get(asset)
        path = "/crypto/receive-infos/options"
        offered = self._get("ibex.receive_options", path, load_options, classify=of_a_feature)
        same = (name for currency, name in offered if currency == wanted and name.casefold() == network.casefold())
        return next(same, None)

    def address_request(self, account: str, *, network: str, name: str) -> str:
        """The address to be made as JSON, always the same for the same words. Raises: ValueError: no account's id."""
        if not is_id(account):
            raise ValueError("not an account's id")
        return json.dumps({"account": account, "network": network, "name": name}, separators=(",", ":"))

    def make_address(self, request: str) -> ReceiveAddress:
        """Make a new address: asked twice it makes two, which harms nobody. Raises: as any create."""
        order = Fields(parse_json(request))
        body = json.dumps({"name": order.text("name"), "network": order.text("network")}, separators=(",", ":"))
        call = Request(
            operation="ibex.make_address",
            method="POST",
            path=f"/accounts/{order.id('account')}/crypto/receive-infos",
            body=body,
            creates=True,
            parse=exact.parse,
            problem=problem,
            classify=of_a_feature,
        )
        return self._client.call(call, load_address)

    def list_addresses(self, account: str) -> Sequence[ReceiveAddress]:
        """Every address of an account, in the order IBEX shows them. Raises: as any read."""
        self._check(account)
        path = f"/accounts/{account}/crypto/receive-infos"
        return self._get("ibex.list_addresses", path, load_addresses, classify=of_a_feature)


def load_options(value: Any) -> list[tuple[int | None, str]]:
    """What may be received: currency and network; an option's id may be missing, and is not needed.

    Raises: WrongShape: also for an answer without `options`.
    """
    rows = Fields(value).raw("options")
    if not isinstance(rows, list):
        raise WrongShape("options must be a list")
    options = [Fields(row, "options.") for row in rows]
    return [(exact.whole(one, "currencyId", "currencyID"), one.text("network")) for one in options]


def load_address(value: Any) -> ReceiveAddress:
    """An address: under `data`, or on top as in the first seed. Raises: WrongShape."""
    fields = Fields(value)
    inner = fields.maybe_child("data")
    found = inner.maybe_text("address") if inner else None
    return ReceiveAddress(
        id=fields.id("id"),
        address=found or fields.text("address"),
        name=fields.maybe_text("name"),
        network=fields.maybe_text("network"),
    )


def load_addresses(value: Any) -> list[ReceiveAddress]:
    """An account's addresses: a bare list, or one under a name; none at all may be null. Raises: WrongShape."""
    if value is None:
        return []
    if isinstance(value, dict):
        name = next((one for one in ("receiveInfos", "data") if one in value), None)
        if name is None:
            raise WrongShape("the body must be a list of addresses")
        value = Fields(value).rows(name)
    if not isinstance(value, list):
        raise WrongShape("the body must be a list of addresses")
    return [load_address(row) for row in value]
