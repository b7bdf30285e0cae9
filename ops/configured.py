"""What entry points make of the settings: the providers that are configured."""

from datetime import UTC, datetime

from providers.registry import AlpacaConfig, DueConfig, ProvidersConfig
from settings import Settings


def providers_config(settings: Settings) -> ProvidersConfig:
    """The providers that have credentials, whether enabled or not: flows under way go on."""
    now = datetime.now(UTC)
    due = alpaca = None
    if settings.due.base_url and settings.due.api_key:
        keys = [key.value.reveal() for key in settings.due.api_key if key.is_open(now)]
        due = DueConfig(
            base_url=settings.due.base_url, api_keys=keys, webhook_endpoint=settings.due.webhook_endpoint_id
        )
    pairs = zip(settings.alpaca.key_id or (), settings.alpaca.secret or (), strict=True)
    keys_of_alpaca = [(user.value.reveal(), secret.value.reveal()) for user, secret in pairs if secret.is_open(now)]
    if settings.alpaca.base_url and keys_of_alpaca and settings.alpaca.firm_account_id:
        alpaca = AlpacaConfig(
            base_url=settings.alpaca.base_url,
            keys=keys_of_alpaca,
            firm_account=settings.alpaca.firm_account_id,
        )
    return ProvidersConfig(
        due=due, alpaca=alpaca, threads=settings.worker_threads, redis_url=settings.redis_url.reveal()
    )
