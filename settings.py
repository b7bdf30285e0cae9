"""Every setting, declared once: read from the environment at the start, handed down from there.

Only entry points read this module. `load` gives a frozen `Settings` or names everything that is wrong at once;
`markdown` (or `python -m settings`) makes `docs/settings.md` from the same table.
"""

# ruff: noqa: RUF009 (each field is declared by a call that gives a dataclass field)

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from db.sealing import EncryptionKey
from environment import (
    OpsUser,
    address,
    apprise_urls,
    base_url,
    choice,
    credential,
    database_url,
    ed25519_public,
    encryption_keys,
    identifier,
    listening_address,
    ops_users,
    rate,
    redis_url,
    seconds,
    sentry_dsn,
    state_limits,
    switch,
    webhook_secret,
    whole,
)
from providers.addresses import Refused, read_url
from providers.rotation import Malformed, Secret, Windowed, rotation


@dataclass(frozen=True)
class Problem:
    """One bad setting: its name, what is wrong with it, and what a good one looks like."""

    name: str
    reason: str
    example: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}; for example {self.name}={self.example}"


class SettingsError(Exception):
    """The environment cannot be used; `problems` lists every bad setting, in the order of the documentation."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(["these settings must be mended:", *(f"  {problem}" for problem in problems)]))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. `default` is written as in the environment; empty means none."""

    name: str
    read: Callable[[str], Any]
    says: str
    example: str
    default: str
    required: bool


def _setting(
    name: str, read: Callable[[str], Any], says: str, *, example: str, default: str = "", required: bool = False
) -> Any:
    """Declare one setting as a field; its value is None when it is unset and has no default."""
    return dataclasses.field(metadata={"setting": Setting(name, read, says, example, default, required)})


# The table. Each group is a frozen dataclass; the first line of its docstring heads its part of the documentation.

Secrets = tuple[Windowed[Secret], ...] | None
_secrets = rotation(Secret)
_credentials = rotation(credential)  # sent in headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Due"""

    CREDENTIALS = ("DUE_API_KEY",)

    enabled: bool = _setting("DUE_ENABLED", switch, "Takes new flows; unset: true with credentials", example="true")
    base_url: str | None = _setting("DUE_BASE_URL", base_url, "Where its API is", example="https://api.due.network")
    api_key: Secrets = _setting("DUE_API_KEY", _credentials, "API keys; the next is tried on 401", example="new,old")
    webhook_public_keys: tuple[Windowed[bytes], ...] | None = _setting(
        "DUE_WEBHOOK_PUBLIC_KEYS",
        rotation(ed25519_public),
        "The webhook endpoint's Ed25519 keys: base64 of the DER; unset: its webhooks answer 404",
        example="MCowBQYDK2VwAyEAU57W4twH2bexsIXXn1tKxHJ1XfMySQlHb4lKsOy1HHk=@2026-01-01/",
    )
    webhook_endpoint_id: str | None = _setting(
        "DUE_WEBHOOK_ENDPOINT_ID", identifier, "Our endpoint's id at Due; unset: found by listing", example="whk_1"
    )
    legacy_webhook_secret: Secrets = _setting(
        "DUE_LEGACY_WEBHOOK_SECRET", _secrets, "HMAC secrets of /webhooks/due/deposit", example="a-long-random-text"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alpaca:
    """Alpaca"""

    CREDENTIALS = ("ALPACA_KEY_ID", "ALPACA_SECRET", "ALPACA_FIRM_ACCOUNT_ID")

    enabled: bool = _setting("ALPACA_ENABLED", switch, "Takes new flows; unset: true with credentials", example="true")
    base_url: str | None = _setting(
        "ALPACA_BASE_URL", base_url, "Where its Broker API is", example="https://broker-api.alpaca.markets"
    )
    key_id: Secrets = _setting("ALPACA_KEY_ID", _credentials, "Key ids; the next pair is tried on 401", example="CKNEW")
    secret: Secrets = _setting("ALPACA_SECRET", _credentials, "Secrets, in the order of the key ids", example="s3cr3t")
    firm_account_id: str | None = _setting(
        "ALPACA_FIRM_ACCOUNT_ID", identifier, "The firm's own account", example="9f0d1c1e-0a52-4c39-9d40-2f6d8a7b1c01"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Notifications"""

    webhook_url: Secret | None = _setting(
        "NOTIFY_WEBHOOK_URL", address("https", "http"), "Your backend's address", example="https://you.example/hooks"
    )
    webhook_secrets: Secrets = _setting(
        "NOTIFY_WEBHOOK_SECRETS",
        rotation(webhook_secret),
        "Standard Webhooks secrets; every one that is valid signs",
        example="whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
    )
    apprise_urls: tuple[Secret, ...] | None = _setting(
        "NOTIFY_APPRISE_URLS",
        apprise_urls,
        "Apprise addresses that tell people, taken as they are",
        example="mailto://user:password@mail.example",
    )
    allow_private: bool = _setting(
        "NOTIFY_ALLOW_PRIVATE", switch, "Permits loopback, private targets and plain http", example="1", default="0"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """General"""

    database_url: Secret = _setting(
        "DATABASE_URL",
        database_url,
        "The Postgres primary",
        example="postgresql://user:password@host:5432/rampkeeper",
        required=True,
    )
    database_pooler: str = _setting(
        "DATABASE_POOLER",
        choice("none", "transaction"),
        "`transaction` behind a pooler in transaction mode: server-side prepares are off",
        example="transaction",
        default="none",
    )
    database_pool: int = _setting(
        "DATABASE_POOL", whole(2, 500), "Connections a web process may hold", example="10", default="10"
    )
    redis_url: Secret = _setting(
        "REDIS_URL",
        redis_url,
        "Redis or Valkey: announcements and shared limits, never the truth",
        example="redis://host:6379/0",
        required=True,
    )
    sentry_dsn: Secret | None = _setting(
        "SENTRY_DSN", sentry_dsn, "Where errors are reported, scrubbed", example="https://key@host/1"
    )
    log_level: str = _setting(
        "LOG_LEVEL", choice("debug", "info", "warning", "error"), "Least level logged", example="info", default="info"
    )
    web_host: str = _setting(
        "WEB_HOST",
        listening_address,
        "Address the web process listens on",
        example="127.0.0.1",
        default="0.0.0.0",  # noqa: S104 (a platform's router must reach it)
    )
    port: int = _setting("PORT", whole(1, 65535), "Port of the web process", example="8000", default="8000")
    web_threads: int = _setting(
        "WEB_THREADS", whole(2, 256), "Requests one web process serves at a time", example="32", default="32"
    )
    worker_threads: int = _setting(
        "WORKER_THREADS", whole(2, 64), "Steps one worker process runs at a time", example="8", default="8"
    )
    metrics_port: int | None = _setting(
        "METRICS_PORT", whole(1, 65535), "Port where worker and clock serve their metrics", example="9100"
    )
    metrics_token: Secret | None = _setting(
        "METRICS_TOKEN", credential, "Bearer token that /metrics asks for", example="a-long-random-text"
    )
    encryption_keys: tuple[EncryptionKey, ...] | None = _setting(
        "ENCRYPTION_KEYS",
        encryption_keys,
        "AES-256 keys of stored bodies, `id:base64`; the first seals, all open",
        example="2026a:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
    )
    receiver_rate_per_source: str | None = _setting(
        "RECEIVER_RATE_PER_SOURCE", rate, "Webhooks one address may send to one process", example="100/second"
    )
    poll: timedelta = _setting("POLL_S", seconds, "Seconds between polls of a provider", example="60", default="60")
    retry_first: timedelta = _setting(
        "RETRY_FIRST_S", seconds, "Seconds before the first repeat of a failed step", example="60", default="60"
    )
    retry_tries: int = _setting(
        "RETRY_TRIES", whole(1, 20), "Tries of a step before its dead letter", example="3", default="3"
    )
    state_limits: Mapping[str, timedelta] | None = _setting(
        "STATE_LIMITS",
        state_limits,
        "How long a state may last before it is stuck",
        example="due_deposit.received=24h",
    )
    ops_users: tuple[OpsUser, ...] | None = _setting(
        "OPS_USERS",
        ops_users,
        "Who may sign in at /ops, `name:role:hash`; roles viewer, operator, approver; hash: `rampkeeper password-hash`",
        example="ana:approver:scrypt.15.8.1.3QeZD4NV3nIW1oeH5Z-gfA.QgvHB-UJQEJ2zxX8zGR6ZcXierwyU7uEIp819ANsllo",
    )
    notify: Notify
    due: Due
    alpaca: Alpaca


GROUPS: Final[tuple[tuple[str, type[Any]], ...]] = (("notify", Notify), ("due", Due), ("alpaca", Alpaca))


def table(group: type[Any]) -> Iterator[tuple[str, Setting]]:
    """The settings of one group, each with the name of its field, in the order of the documentation."""
    for declared in dataclasses.fields(group):
        if "setting" in declared.metadata:
            yield declared.name, declared.metadata["setting"]


def load(environ: Mapping[str, str]) -> Settings:
    """Read every setting; what is set but empty counts as unset.

    Every process reads all of them, so that a bad one stops all at the start and not one of them later.
    Raises: SettingsError: names every bad setting; values are never in it.
    """
    problems: dict[str, Problem] = {}

    def read(group: type[Any]) -> dict[str, Any]:
        values = {}
        for name, setting in table(group):
            text = environ.get(setting.name, "").strip() or setting.default
            if not text and setting.required:
                problems[setting.name] = Problem(setting.name, "is missing", setting.example)
            try:
                values[name] = setting.read(text) if text else None
            except Malformed as error:
                problems[setting.name] = Problem(setting.name, str(error), setting.example)
        return values

    general = read(Settings)
    groups = {name: read(group) for name, group in GROUPS}
    for name, reason in _disagreements(environ, groups):
        example = next(s.example for _, group in GROUPS for _, s in table(group) if s.name == name)
        problems.setdefault(name, Problem(name, reason, example))
    if problems:
        raise SettingsError(tuple(problems.values()))
    for name, group in GROUPS:
        general[name] = group(**groups[name])
    return Settings(**general)


def _disagreements(environ: Mapping[str, str], groups: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """What each setting allows and another forbids, by name and reason. Fills in each provider's `enabled`."""
    for name, group in GROUPS:
        credentials: tuple[str, ...] = getattr(group, "CREDENTIALS", ())
        if not credentials:
            continue
        present = [setting for setting in credentials if environ.get(setting, "").strip()]
        if groups[name].get("enabled") is None:
            groups[name]["enabled"] = bool(present)
        if not present and not groups[name]["enabled"]:
            continue
        for setting in (*credentials, f"{name.upper()}_BASE_URL"):
            if not environ.get(setting, "").strip():
                yield setting, f"is missing, and {name.upper()} is {'enabled' if not present else 'configured'}"
    alpaca, notify = groups["alpaca"], groups["notify"]
    if len(alpaca.get("key_id") or ()) != len(alpaca.get("secret") or ()):
        yield "ALPACA_SECRET", "must have as many entries as ALPACA_KEY_ID"
    yield from _notify_disagreements(notify)


def _notify_disagreements(notify: dict[str, Any]) -> Iterator[tuple[str, str]]:
    address = notify.get("webhook_url")
    if address and not notify.get("webhook_secrets"):
        yield "NOTIFY_WEBHOOK_SECRETS", "is missing, and NOTIFY_WEBHOOK_URL is set"
    if address:
        try:
            read_url(address.reveal(), allow_private=bool(notify.get("allow_private")))
        except Refused as refused:
            yield "NOTIFY_WEBHOOK_URL", f"cannot be used: {refused}; NOTIFY_ALLOW_PRIVATE permits more"


def markdown() -> str:
    """The documentation of every setting, as the committed `docs/settings.md`."""
    lines = [
        "# Settings",
        "",
        "Made from the code by `python -m settings`; edit `settings.py`, not this page. All settings come from the",
        "environment. One that is set but empty counts as unset. A missing or malformed one stops the start of every",
        "process with its name, the reason and an example; values are never printed.",
        "",
        "Keys and secrets may be lists for rotation, newest first, separated by commas. An entry may carry a window,",
        "`value@not_before/not_after`, in ISO dates (whole days, UTC) or moments; either may be empty. Write `,`, `@`",
        "and `%` inside a value as `%2C`, `%40` and `%25`.",
        "",
        "`RECEIVER_RATE_PER_SOURCE` counts by the address that opened the connection. No forwarding header is trusted,",
        "so behind a proxy every sender is the proxy: set the limit there instead.",
    ]
    groups: list[type[Any]] = [Settings, *(group for _, group in GROUPS)]
    for group in groups:
        lines += ["", f"## {(group.__doc__ or '').splitlines()[0]}", "", "| setting | says | default | example |"]
        lines.append("|--|--|--|--|")
        for _, setting in table(group):
            default = f"`{setting.default}`" if setting.default else "**required**" if setting.required else "unset"
            lines.append(f"| `{setting.name}` | {setting.says} | {default} | `{setting.example}` |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
