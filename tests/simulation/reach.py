"""How the pretended providers of a world are reached: the configuration of each, out of the world's own keys."""

from collections.abc import Collection
from typing import Final

from flask import Flask

from providers.alpaca.provider import AlpacaConfig
from providers.bridge.provider import BridgeConfig
from providers.due.provider import DueConfig
from providers.ibex.provider import IbexConfig
from providers.provider import Config
from providers.stripe.provider import StripeConfig
from sandbox.server import APPS
from sandbox.world import World

EVERYBODY: Final = tuple(APPS)


def apps_of(world: World, names: Collection[str] = EVERYBODY) -> dict[str, Flask]:
    """The app of each of these providers."""
    return {name: APPS[name](world) for name in names}


def configs_of(world: World, names: Collection[str] = EVERYBODY) -> tuple[Config, ...]:
    """What a client of each needs; the host is its name."""
    keys = world.config
    every: tuple[Config, ...] = (
        DueConfig(base_url="http://due.test", api_keys=[keys.due_api_keys[0]]),
        AlpacaConfig(
            base_url="http://alpaca.test", keys=[keys.alpaca_keys[0]], firm_account=world.alpaca.firm_account_id
        ),
        BridgeConfig(base_url="http://bridge.test", api_keys=keys.bridge_api_keys),
        IbexConfig(
            base_url="http://ibex.test",
            auth_url="http://ibex.test",
            audience=keys.ibex_audience,
            clients=keys.ibex_clients,
        ),
        StripeConfig(base_url="http://stripe.test", secret_keys=keys.stripe_secret_keys),
    )
    return tuple(one for one in every if one.provider in names)
