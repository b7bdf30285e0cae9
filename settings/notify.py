"""The settings of notifications."""

# ruff: noqa: RUF009 (each field is declared by a call that gives a dataclass field)

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from providers.addresses import Refused, read_url
from providers.rotation import Secret, rotation
from settings.declared import Group, setting
from settings.providers import Secrets
from settings.values import address, apprise_urls, switch, webhook_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify(Group):
    """Notifications"""

    webhook_url: Secret | None = setting(
        "NOTIFY_WEBHOOK_URL", address("https", "http"), "Your backend's address", example="https://you.example/hooks"
    )
    webhook_secrets: Secrets = setting(
        "NOTIFY_WEBHOOK_SECRETS",
        rotation(webhook_secret),
        "Standard Webhooks secrets; every one that is valid signs",
        example="whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
    )
    apprise_urls: tuple[Secret, ...] | None = setting(
        "NOTIFY_APPRISE_URLS",
        apprise_urls,
        "Apprise addresses that tell people, taken as they are",
        example="mailto://user:password@mail.example",
    )
    allow_private: bool = setting(
        "NOTIFY_ALLOW_PRIVATE", switch, "Permits loopback, private targets and plain http", example="1", default="0"
    )

    @staticmethod
    def disagreements(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """An address needs a secret, and must be one that may be called."""
        told = values.get("webhook_url")
        if told and not values.get("webhook_secrets"):
            yield "NOTIFY_WEBHOOK_SECRETS", "is missing, and NOTIFY_WEBHOOK_URL is set"
        if told:
            try:
                read_url(told.reveal(), allow_private=bool(values.get("allow_private")))
            except Refused as refused:
                yield "NOTIFY_WEBHOOK_URL", f"cannot be used: {refused}; NOTIFY_ALLOW_PRIVATE permits more"
