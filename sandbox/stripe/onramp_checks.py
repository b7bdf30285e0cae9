"""What Stripe refuses when an onramp session is created, and under which code."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from decimal import Decimal

from sandbox import amounts
from sandbox.stripe.errors import StripeError, invalid, onramp, unknown
from sandbox.stripe.form import Params
from sandbox.stripe.onramp_model import CRYPTO_PLACES, FIATS, NETWORKS, Wish, address_key

FIELDS = (
    *("wallet_addresses", "lock_wallet_address", "source_currency", "source_amount", "destination_currency"),
    *("destination_network", "destination_amount", "destination_currencies", "destination_networks"),
    *("customer_ip_address", "settlement_speed", "metadata", "kyc_details", "customer_information"),
)
SEED_FIELDS = (*FIELDS, "destination_address", "suggested_destination_amount")
# Which go together is not among what Stripe publishes for reading by machines: this table is ours.
PAIRS: Mapping[str, frozenset[str]] = {
    "avax": frozenset({"avalanche"}),
    "btc": frozenset({"bitcoin"}),
    "eth": frozenset({"ethereum", "base", "optimism"}),
    "matic": frozenset({"polygon"}),
    "ripusd": frozenset({"ethereum"}),
    "sol": frozenset({"solana"}),
    "usdc": NETWORKS - {"bitcoin"},
    "usdt": frozenset({"ethereum", "avalanche", "celo", "tempo"}),
    "wld": frozenset({"worldchain"}),
    "xlm": frozenset({"stellar"}),
}
_FIAT_PLACES = 2
_ADDRESS_KEYS = frozenset(address_key(network) for network in NETWORKS)


def read_wish(params: Params, *, seed: bool = False) -> Wish:
    """The request as a wish that makes sense; `seed` takes the seed's own fields too. Raises: StripeError 400."""
    currency, network = (
        params.choice("destination_currency", CRYPTO_PLACES),
        params.choice("destination_network", NETWORKS),
    )
    currencies, networks = params.texts("destination_currencies"), params.texts("destination_networks")
    addresses, tags = _addresses(params)
    if seed and (address := params.text("destination_address")) is not None:
        if network is None:
            raise _incomplete("destination_network")
        addresses = {**(addresses or {}), address_key(network): address}
    wish = Wish(
        wallet_addresses=addresses,
        destination_tags=tags,
        lock_wallet_address=params.flag("lock_wallet_address") or False,
        source_currency=params.choice("source_currency", FIATS),
        source_amount=_amount(params.text("source_amount"), _FIAT_PLACES, "source"),
        destination_currency=currency,
        destination_network=network,
        destination_amount=_destination_amount(params, currency, seed=seed),
        destination_currencies=currencies,
        destination_networks=networks,
        settlement_speed=params.choice("settlement_speed", ("instant", "standard")),
        kyc_given=bool(params.mapping("kyc_details") or params.mapping("customer_information")),
        metadata=params.metadata(),
    )
    _check_ip(params.text("customer_ip_address"))
    _check_amounts(wish)
    _check_pairs(wish)
    _check_wallets(wish)
    return wish


def _addresses(params: Params) -> tuple[dict[str, str] | None, dict[str, str] | None]:
    given = params.mapping("wallet_addresses")
    if given is None:
        return None, None
    tags = given.get("destination_tags")
    addresses = {name: value for name, value in given.items() if name != "destination_tags"}
    for name, value in addresses.items():
        if name not in _ADDRESS_KEYS:
            hint = ". Did you mean base_network?" if name == "base" else ""
            raise unknown(f"wallet_addresses[{name}]", hint)
        if not isinstance(value, str) or not value.strip():
            raise invalid("Invalid wallet address", f"wallet_addresses[{name}]")
    if tags is not None and not (isinstance(tags, dict) and all(isinstance(tag, str) for tag in tags.values())):
        raise invalid("Invalid object", "wallet_addresses[destination_tags]")
    return addresses or None, tags


def _amount(text: str | None, places: int, side: str) -> Decimal | None:
    if text is None:
        return None
    param = f"{side}_amount"
    try:
        amount = amounts.parse(text)
    except ValueError:
        amount = Decimal(0)
    exponent = amount.normalize().as_tuple().exponent
    if not amount or not isinstance(exponent, int) or -exponent > places:
        raise onramp(f"invalid_{param}", f"The {side} amount is not an amount above zero of {places} places.", param)
    return amount


def _destination_amount(params: Params, currency: str | None, *, seed: bool) -> Decimal | None:
    places = CRYPTO_PLACES.get(currency or "", 18)
    amount = _amount(params.text("destination_amount"), places, "destination")
    suggested = params.whole("suggested_destination_amount", 1) if seed else None
    if suggested is None:
        return amount
    if amount is not None:
        raise onramp("invalid_destination_amount", "Set one destination amount only.", "suggested_destination_amount")
    if currency is None:
        raise onramp("missing_destination_currency", "An amount needs its currency.", "destination_currency")
    return Decimal(suggested).scaleb(-places)


def _check_ip(text: str | None) -> None:
    try:
        if text is not None:
            ipaddress.ip_address(text)
    except ValueError as error:
        raise invalid("Invalid IP address", "customer_ip_address") from error


def _check_amounts(wish: Wish) -> None:
    if wish.source_amount is not None and wish.destination_amount is not None:
        raise onramp("invalid_source_destination_pair", "Set one amount only.", "destination_amount")
    if wish.source_amount is not None and wish.source_currency is None:
        raise onramp("missing_source_currency", "A source amount needs its currency.", "source_currency")
    if wish.destination_amount is not None and wish.destination_currency is None:
        raise onramp("missing_destination_currency", "An amount needs its currency.", "destination_currency")
    if wish.destination_amount is not None and wish.destination_network is None:
        raise _incomplete("destination_network")


def _incomplete(param: str) -> StripeError:
    message = "A destination amount or address needs both its currency and its network."
    return onramp("incomplete_destination_currency_and_network_pair", message, param)


def _check_pairs(wish: Wish) -> None:
    for name, value, among in (
        ("currency", wish.destination_currency, wish.destination_currencies),
        ("network", wish.destination_network, wish.destination_networks),
    ):
        if value is not None and among is not None and value not in among:
            message = f"destination_{name} is not among those allowed."
            raise onramp(f"conflicting_destination_{name}", message, f"destination_{name}")
    currencies = wish.destination_currencies or [*filter(None, [wish.destination_currency])]
    networks = wish.destination_networks or [*filter(None, [wish.destination_network])]
    for param, values, known in (
        ("destination_currencies", currencies, CRYPTO_PLACES),
        ("destination_networks", networks, NETWORKS),
    ):
        if not set(values) <= set(known):
            raise invalid(f"Invalid {param}: must be among {', '.join(sorted(known))}", param)
    chosen = (wish.destination_currency, wish.destination_network)
    bad_choice = all(chosen) and chosen[1] not in PAIRS[str(chosen[0])]
    if bad_choice or (currencies and networks and not all(PAIRS[one] & set(networks) for one in currencies)):
        message = "This currency is not sold on this network."
        raise onramp("invalid_destination_currency_and_network_pair", message, "destination_network")


def _check_wallets(wish: Wish) -> None:
    if wish.wallet_addresses is None:
        if wish.lock_wallet_address:
            raise onramp("no_wallet_address_to_lock", "There is no wallet address to lock.", "lock_wallet_address")
        return
    networks = wish.destination_networks or [*filter(None, [wish.destination_network])]
    if {address_key(network) for network in networks} != set(wish.wallet_addresses):
        message = "Set destination_network or destination_networks to just those networks that have a wallet address."
        raise onramp("wallet_addresses_not_all_networks_supported", message, "wallet_addresses")
