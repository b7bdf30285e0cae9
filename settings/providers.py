"""The settings of each provider: a frozen group each, the first line of its docstring heads its documentation."""

# ruff: noqa: RUF009 (each field is declared by a call that gives a dataclass field)

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from providers.rotation import Secret, Windowed, rotation
from settings.declared import Group, setting
from settings.values import base_url, credential, ed25519_public, identifier, switch

Secrets = tuple[Windowed[Secret], ...] | None
_secrets = rotation(Secret)
_credentials = rotation(credential)  # sent in headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Due(Group):
    """Due"""

    CREDENTIALS = ("DUE_API_KEY",)

    enabled: bool = setting("DUE_ENABLED", switch, "Takes new flows; unset: true with credentials", example="true")
    base_url: str | None = setting("DUE_BASE_URL", base_url, "Where its API is", example="https://api.due.network")
    api_key: Secrets = setting("DUE_API_KEY", _credentials, "API keys; the next is tried on 401", example="new,old")
    webhook_public_keys: tuple[Windowed[bytes], ...] | None = setting(
        "DUE_WEBHOOK_PUBLIC_KEYS",
        rotation(ed25519_public),
        "The webhook endpoint's Ed25519 keys: base64 of the DER; unset: its webhooks answer 404",
        example="MCowBQYDK2VwAyEAU57W4twH2bexsIXXn1tKxHJ1XfMySQlHb4lKsOy1HHk=@2026-01-01/",
    )
    webhook_endpoint_id: str | None = setting(
        "DUE_WEBHOOK_ENDPOINT_ID", identifier, "Our endpoint's id at Due; unset: found by listing", example="whk_1"
    )
    legacy_webhook_secret: Secrets = setting(
        "DUE_LEGACY_WEBHOOK_SECRET", _secrets, "HMAC secrets of /webhooks/due/deposit", example="a-long-random-text"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alpaca(Group):
    """Alpaca"""

    CREDENTIALS = ("ALPACA_KEY_ID", "ALPACA_SECRET", "ALPACA_FIRM_ACCOUNT_ID")

    enabled: bool = setting("ALPACA_ENABLED", switch, "Takes new flows; unset: true with credentials", example="true")
    base_url: str | None = setting(
        "ALPACA_BASE_URL", base_url, "Where its Broker API is", example="https://broker-api.alpaca.markets"
    )
    key_id: Secrets = setting("ALPACA_KEY_ID", _credentials, "Key ids; the next pair is tried on 401", example="CKNEW")
    secret: Secrets = setting("ALPACA_SECRET", _credentials, "Secrets, in the order of the key ids", example="s3cr3t")
    firm_account_id: str | None = setting(
        "ALPACA_FIRM_ACCOUNT_ID", identifier, "The firm's own account", example="9f0d1c1e-0a52-4c39-9d40-2f6d8a7b1c01"
    )

    @staticmethod
    def disagreements(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Key ids and secrets are pairs."""
        if len(values.get("key_id") or ()) != len(values.get("secret") or ()):
            yield "ALPACA_SECRET", "must have as many entries as ALPACA_KEY_ID"
