"""What entry points make of the settings: the providers that are configured, and which take new work."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from providers.alpaca.provider import AlpacaConfig
from providers.bridge.provider import BridgeConfig
from providers.due.provider import DueConfig
from providers.ibex.provider import IbexConfig
from providers.provider import Config
from providers.registry import PROVIDERS, ProvidersConfig
from providers.rotation import Secret, Windowed
from providers.stripe.provider import StripeConfig
from settings import Settings


def enabled(settings: Settings) -> Mapping[str, bool]:
    """Whether each provider takes new flows."""
    return {name: getattr(settings, name).enabled for name in PROVIDERS}


def providers_config(settings: Settings, *, threads: int) -> ProvidersConfig:
    """The providers that have credentials, whether enabled or not: flows under way go on. `threads`: that call them."""
    return ProvidersConfig(each=tuple(_configs(settings)), threads=threads, redis_url=settings.redis_url.reveal())


def _configs(settings: Settings) -> Iterator[Config]:
    now = datetime.now(UTC)
    due, alpaca, bridge, ibex, stripe = settings.due, settings.alpaca, settings.bridge, settings.ibex, settings.stripe
    if due.base_url and (keys := _usable(due.api_key, now)):
        yield DueConfig(base_url=due.base_url, api_keys=keys, webhook_endpoint=due.webhook_endpoint_id)
    pairs = _usable_pairs(alpaca.key_id, alpaca.secret, now)
    if alpaca.base_url and pairs and alpaca.firm_account_id:
        yield AlpacaConfig(base_url=alpaca.base_url, keys=pairs, firm_account=alpaca.firm_account_id)
    if bridge.base_url and (keys := _usable(bridge.api_key, now)):
        yield BridgeConfig(base_url=bridge.base_url, api_keys=keys)
    clients = _usable_pairs(ibex.client_id, ibex.client_secret, now)
    logins = _usable_pairs(ibex.email, ibex.password, now)
    if ibex.base_url and (clients or logins):
        yield IbexConfig(
            base_url=ibex.base_url,
            auth_url=ibex.auth_url or "",
            audience=ibex.audience or "",
            clients=clients,
            logins=logins,
        )
    if stripe.base_url and (keys := _usable(stripe.secret_key, now)):
        yield StripeConfig(base_url=stripe.base_url, secret_keys=keys)


def _usable(keys: Sequence[Windowed[Secret]] | None, now: datetime) -> list[str]:
    """Those whose window has not ended. One that the provider does not take yet costs a 401, and the next is tried."""
    return [key.value.reveal() for key in keys or () if not key.is_late(now)]


def _usable_pairs(
    names: Sequence[Windowed[Secret]] | None, secrets: Sequence[Windowed[Secret]] | None, now: datetime
) -> list[tuple[str, str]]:
    """Names with their secrets, by the windows of the secrets."""
    return [
        (name.value.reveal(), secret.value.reveal())
        for name, secret in zip(names or (), secrets or (), strict=True)
        if not secret.is_late(now)
    ]
