"""The settings of each provider: a frozen group each, the first line of its docstring heads its documentation."""

# ruff: noqa: RUF009 (each field is declared by a call that gives a dataclass field)

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from funding.chain_addresses import ETHEREUM, TRON
from providers.rotation import Secret, Windowed, rotation
from providers.sources import Source
from settings.declared import Group, setting
from settings.values import (
    base_url,
    choice,
    credential,
    echoed_secret,
    ed25519_public,
    identifier,
    percent,
    rsa_public,
    seconds,
    sources,
    switch,
    word,
)

Secrets = tuple[Windowed[Secret], ...] | None
PublicKeys = tuple[Windowed[bytes], ...] | None
_base_url = base_url  # within a group the name is that of a field
_secrets = rotation(Secret)
_credentials = rotation(credential)  # sent in headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Due(Group):
    """Due"""

    CREDENTIALS = (("DUE_API_KEY",),)

    enabled: bool = setting("DUE_ENABLED", switch, "Takes new flows; unset: true with credentials", example="true")
    base_url: str | None = setting("DUE_BASE_URL", base_url, "Where its API is", example="https://api.due.network")
    api_key: Secrets = setting("DUE_API_KEY", _credentials, "API keys; the next is tried on 401", example="new,old")
    webhook_public_keys: PublicKeys = setting(
        "DUE_WEBHOOK_PUBLIC_KEYS",
        rotation(ed25519_public),
        "The webhook endpoint's Ed25519 keys: base64 of the DER; unset: its webhooks answer 404",
        example="MCowBQYDK2VwAyEAU57W4twH2bexsIXXn1tKxHJ1XfMySQlHb4lKsOy1HHk=@2026-01-01/",
    )
    webhook_endpoint_id: str | None = setting(
        "DUE_WEBHOOK_ENDPOINT_ID", identifier, "Our endpoint's id at Due; unset: found by listing", example="whk_1"
    )
    webhook_tolerance: timedelta | None = setting(
        "DUE_WEBHOOK_TOLERANCE_S", seconds, "Read, and of no effect: Due signs no time", example="300"
    )
    legacy_webhook_secret: Secrets = setting(
        "DUE_LEGACY_WEBHOOK_SECRET", _secrets, "HMAC secrets of /webhooks/due/deposit", example="a-long-random-text"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alpaca(Group):
    """Alpaca"""

    CREDENTIALS = (("ALPACA_KEY_ID", "ALPACA_SECRET", "ALPACA_FIRM_ACCOUNT_ID"),)

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


# The published example of Bridge's own documentation; it stands in ours for its form.
_RSA_EXAMPLE: Final = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtqsEE4eI7EmzhcquGJXtLX9PMK0UH6Kl1WIR21sv8HtueG8BuvvpP3Mi"
    "N7ltzmIhS8KaynCjN4l+620PnXeuxWG+CSnEdkinL9hCqbEid5vv9zl0j9LWiJx3FkKHqADU7cgm46aa8dKUdIQYF2X+O7WmyLkC"
    "4wUM/mWhBPMsIQBznashRMZxx7XJjsVp27ACUE4eNIjEXbVYN6U8jSbUhG++CfL8xXu+GHDqKmFE6Po6HnuURvLFVnCtE3mXXBcV"
    "FlPy+octfx8nOMLT3X8O9UehIigJ34o2yMm/Fq3HUJzg2BsiAiGgtr0vmeoV9Q7upSNj9TuOumAzZFi4pYA+qwIDAQAB"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge(Group):
    """Bridge"""

    CREDENTIALS = (("BRIDGE_API_KEY",),)

    enabled: bool = setting("BRIDGE_ENABLED", switch, "Takes new flows; unset: true with credentials", example="true")
    base_url: str | None = setting("BRIDGE_BASE_URL", base_url, "Where its API is", example="https://api.bridge.xyz")
    api_key: Secrets = setting("BRIDGE_API_KEY", _credentials, "API keys; the next is tried on 401", example="new,old")
    developer_fee_percent: Decimal = setting(
        "BRIDGE_DEVELOPER_FEE_PERCENT", percent, "Our markup, in percent of what comes in", example="0.5", default="0.5"
    )
    webhook_public_keys: PublicKeys = setting(
        "BRIDGE_WEBHOOK_PUBLIC_KEYS",
        rotation(rsa_public),
        "The webhook endpoint's RSA keys: base64 of the DER, a PEM's lines without its first and last; unset: 404",
        example=_RSA_EXAMPLE,
    )
    kyc_webhook_public_keys: PublicKeys = setting(
        "BRIDGE_KYC_WEBHOOK_PUBLIC_KEYS",
        rotation(rsa_public),
        "The keys of /webhooks/bridge/kyc; unset: those above",
        example=_RSA_EXAMPLE,
    )
    deposit_webhook_public_keys: PublicKeys = setting(
        "BRIDGE_DEPOSIT_WEBHOOK_PUBLIC_KEYS",
        rotation(rsa_public),
        "The keys of /webhooks/bridge/deposit; unset: those above",
        example=_RSA_EXAMPLE,
    )
    transfer_webhook_public_keys: PublicKeys = setting(
        "BRIDGE_TRANSFER_WEBHOOK_PUBLIC_KEYS",
        rotation(rsa_public),
        "The keys of /webhooks/bridge/transfer; unset: those above",
        example=_RSA_EXAMPLE,
    )
    webhook_tolerance: timedelta = setting(
        "BRIDGE_WEBHOOK_TOLERANCE_S",
        seconds,
        "Seconds that a webhook's signed time may be away from now, before or after",
        example="600",
        default="600",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ibex(Group):
    """IBEX"""

    CREDENTIALS = (
        ("IBEX_CLIENT_ID", "IBEX_CLIENT_SECRET", "IBEX_AUTH_URL", "IBEX_AUDIENCE"),
        ("IBEX_EMAIL", "IBEX_PASSWORD"),
    )

    enabled: bool = setting("IBEX_ENABLED", switch, "Takes new flows; unset: true with credentials", example="true")
    base_url: str | None = setting(
        "IBEX_BASE_URL", base_url, "Where its API is", example="https://ibexhub-api.poweredbyibex.io"
    )
    client_id: Secrets = setting(
        "IBEX_CLIENT_ID", _secrets, "Client ids; the next pair is tried on 401", example="client"
    )
    client_secret: Secrets = setting(
        "IBEX_CLIENT_SECRET", _secrets, "Secrets, in the order of the client ids", example="s3cr3t"
    )
    auth_url: str | None = setting(
        "IBEX_AUTH_URL", _base_url, "Where clients sign in", example="https://auth.hub.poweredbyibex.io"
    )
    audience: str | None = setting(
        "IBEX_AUDIENCE", word, "What clients sign in for", example="https://ibexhub.ibexmercado.com"
    )
    email: Secrets = setting(
        "IBEX_EMAIL", _secrets, "The older way to sign in, tried after clients, if any", example="ops%40you.example"
    )
    password: Secrets = setting(
        "IBEX_PASSWORD", _secrets, "Passwords, in the order of the e-mail addresses", example="s3cr3t"
    )
    network: str = setting(
        "IBEX_NETWORK", choice(ETHEREUM, TRON), "The chain of new addresses", example="tron", default="tron"
    )
    webhook_secrets: Secrets = setting(
        "IBEX_WEBHOOK_SECRETS",
        rotation(echoed_secret),
        "The secrets that its webhooks repeat in their bodies, 12 characters or more; unset: its webhooks answer 404",
        example="a-long-random-text",
    )
    source_addresses: tuple[Source, ...] | None = setting(
        "IBEX_SOURCE_ADDRESSES",
        sources,
        "Addresses and networks that its webhooks may come from; unset: any. Behind a proxy, see `TRUSTED_PROXIES`",
        example="34.148.92.171,35.196.168.24",
    )
    webhook_tolerance: timedelta | None = setting(
        "IBEX_WEBHOOK_TOLERANCE_S", seconds, "Read, and of no effect: IBEX signs no time", example="300"
    )

    @staticmethod
    def disagreements(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Client ids and secrets are pairs; so are e-mail addresses and passwords."""
        for one, other in (("client_id", "client_secret"), ("email", "password")):
            if len(values.get(one) or ()) != len(values.get(other) or ()):
                yield f"IBEX_{other.upper()}", f"must have as many entries as IBEX_{one.upper()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe(Group):
    """Stripe"""

    CREDENTIALS = (("STRIPE_SECRET_KEY",),)

    enabled: bool = setting("STRIPE_ENABLED", switch, "Takes new flows; unset: true with credentials", example="true")
    base_url: str | None = setting("STRIPE_BASE_URL", base_url, "Where its API is", example="https://api.stripe.com")
    secret_key: Secrets = setting(
        "STRIPE_SECRET_KEY", _credentials, "API keys; the next is tried on 401", example="sk_new,sk_old"
    )
    webhook_secrets: Secrets = setting(
        "STRIPE_WEBHOOK_SECRETS",
        _credentials,
        "The webhook endpoint's signing secrets, whole; unset: its webhooks answer 404",
        example="whsec_new,whsec_old@/2026-12-31",
    )
    webhook_tolerance: timedelta = setting(
        "STRIPE_WEBHOOK_TOLERANCE_S",
        seconds,
        "Seconds that a webhook's signed time may be away from now, before or after",
        example="300",
        default="300",
    )
