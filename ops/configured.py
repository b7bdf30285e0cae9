"""What entry points make of the settings: the providers that are configured, and which take new work."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from providers.alpaca.provider import AlpacaConfig
from providers.due.provider import DueConfig
from providers.provider import Config
from providers.registry import ProvidersConfig
from settings import Settings


def enabled(settings: Settings) -> Mapping[str, bool]:
    """Whether each provider takes new flows."""
    return {"due": settings.due.enabled, "alpaca": settings.alpaca.enabled}


def providers_config(settings: Settings, *, threads: int) -> ProvidersConfig:
    """The providers that have credentials, whether enabled or not: flows under way go on. `threads`: that call them."""
    return ProvidersConfig(each=tuple(_configs(settings)), threads=threads, redis_url=settings.redis_url.reveal())


def _configs(settings: Settings) -> Iterator[Config]:
    now = datetime.now(UTC)
    due, alpaca = settings.due, settings.alpaca
    keys = [key.value.reveal() for key in due.api_key or () if not key.is_late(now)]
    if due.base_url and keys:
        yield DueConfig(base_url=due.base_url, api_keys=keys, webhook_endpoint=due.webhook_endpoint_id)
    pairs = [
        (user.value.reveal(), secret.value.reveal())
        for user, secret in zip(alpaca.key_id or (), alpaca.secret or (), strict=True)
        if not secret.is_late(now)
    ]
    if alpaca.base_url and pairs and alpaca.firm_account_id:
        yield AlpacaConfig(base_url=alpaca.base_url, keys=pairs, firm_account=alpaca.firm_account_id)
