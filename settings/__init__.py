"""Every setting, declared once: read from the environment at the start, handed down from there.

Only entry points read this package. `load` gives a frozen `Settings` or names everything that is wrong at once;
`python -m settings` makes `docs/settings.md` from the same declarations.
"""

# ruff: noqa: RUF009 (each field is declared by a call that gives a dataclass field)

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any, Final

from db.sealing import EncryptionKey
from providers.rotation import Malformed, Secret
from providers.sources import Source
from settings.declared import Group, Problem, Setting, SettingsError, setting, table
from settings.notify import Notify
from settings.providers import Alpaca, Bridge, Due, Ibex, Stripe
from settings.values import (
    OpsUser,
    choice,
    credential,
    database_url,
    encryption_keys,
    listening_address,
    ops_users,
    rate,
    redis_url,
    seconds,
    sentry_dsn,
    sources,
    state_limits,
    whole,
)

__all__ = ["GROUPS", "Group", "Problem", "Setting", "Settings", "SettingsError", "load", "table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Group):
    """General"""

    database_url: Secret = setting(
        "DATABASE_URL",
        database_url,
        "The Postgres primary",
        example="postgresql://user:password@host:5432/rampkeeper",
        required=True,
    )
    database_pooler: str = setting(
        "DATABASE_POOLER",
        choice("none", "transaction"),
        "`transaction` behind a pooler in transaction mode: server-side prepares are off",
        example="transaction",
        default="none",
    )
    database_pool: int = setting(
        "DATABASE_POOL", whole(2, 500), "Connections a web process may hold", example="10", default="10"
    )
    redis_url: Secret = setting(
        "REDIS_URL",
        redis_url,
        "Redis or Valkey: announcements and shared limits, never the truth",
        example="redis://host:6379/0",
        required=True,
    )
    sentry_dsn: Secret | None = setting(
        "SENTRY_DSN", sentry_dsn, "Where errors are reported, scrubbed", example="https://key@host/1"
    )
    log_level: str = setting(
        "LOG_LEVEL", choice("debug", "info", "warning", "error"), "Least level logged", example="info", default="info"
    )
    web_host: str = setting(
        "WEB_HOST",
        listening_address,
        "Address the web process listens on",
        example="127.0.0.1",
        default="0.0.0.0",  # noqa: S104 (a platform's router must reach it)
    )
    port: int = setting("PORT", whole(1, 65535), "Port of the web process", example="8000", default="8000")
    web_threads: int = setting(
        "WEB_THREADS", whole(2, 256), "Requests one web process serves at a time", example="64", default="64"
    )
    worker_threads: int = setting(
        "WORKER_THREADS", whole(2, 64), "Steps one worker process runs at a time", example="8", default="8"
    )
    metrics_port: int | None = setting(
        "METRICS_PORT", whole(1, 65535), "Port where worker and clock serve their metrics", example="9100"
    )
    metrics_token: Secret | None = setting(
        "METRICS_TOKEN", credential, "Bearer token that /metrics asks for", example="a-long-random-text"
    )
    encryption_keys: tuple[EncryptionKey, ...] | None = setting(
        "ENCRYPTION_KEYS",
        encryption_keys,
        "AES-256 keys of stored bodies, `id:base64`; the first seals, all open",
        example="2026a:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
    )
    receiver_rate_per_source: str | None = setting(
        "RECEIVER_RATE_PER_SOURCE", rate, "Webhooks one address may send to one process", example="100/second"
    )
    trusted_proxies: tuple[Source, ...] | None = setting(
        "TRUSTED_PROXIES",
        sources,
        "Addresses and networks of our own proxies, whose `X-Forwarded-For` is believed",
        example="10.0.0.0/8",
    )
    poll: timedelta = setting("POLL_S", seconds, "Seconds between polls of a provider", example="60", default="60")
    retry_first: timedelta = setting(
        "RETRY_FIRST_S", seconds, "Seconds before the first repeat of a failed step", example="60", default="60"
    )
    retry_tries: int = setting(
        "RETRY_TRIES", whole(1, 20), "Tries of a step before its dead letter", example="3", default="3"
    )
    state_limits: Mapping[str, timedelta] | None = setting(
        "STATE_LIMITS",
        state_limits,
        "How long a state may last before it is stuck",
        example="due_deposit.received=24h",
    )
    ops_users: tuple[OpsUser, ...] | None = setting(
        "OPS_USERS",
        ops_users,
        "Who may sign in at /ops, `name:role:hash`; roles viewer, operator, approver; hash: `rampkeeper password-hash`",
        example="ana:approver:scrypt.15.8.1.3QeZD4NV3nIW1oeH5Z-gfA.QgvHB-UJQEJ2zxX8zGR6ZcXierwyU7uEIp819ANsllo",
    )
    notify: Notify
    due: Due
    alpaca: Alpaca
    bridge: Bridge
    ibex: Ibex
    stripe: Stripe


GROUPS: Final[tuple[tuple[str, type[Group]], ...]] = (
    ("notify", Notify),
    ("due", Due),
    ("alpaca", Alpaca),
    ("bridge", Bridge),
    ("ibex", Ibex),
    ("stripe", Stripe),
)


def load(environ: Mapping[str, str]) -> Settings:
    """Read every setting; what is set but empty counts as unset.

    Every process reads all of them, so that a bad one stops all at the start and not one of them later.
    Raises: SettingsError: names every bad setting; values are never in it.
    """
    problems: dict[str, Problem] = {}

    def read(group: type[Group]) -> dict[str, Any]:
        values = {}
        for name, one in table(group):
            text = environ.get(one.name, "").strip() or one.default
            if not text and one.required:
                problems[one.name] = Problem(one.name, "is missing", one.example)
            try:
                values[name] = one.read(text) if text else None
            except Malformed as error:
                problems[one.name] = Problem(one.name, str(error), one.example)
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
        if not group.CREDENTIALS:
            continue
        begun = [way for way in group.CREDENTIALS if any(environ.get(one, "").strip() for one in way)]
        if groups[name].get("enabled") is None:
            groups[name]["enabled"] = bool(begun)
        if not begun and not groups[name]["enabled"]:
            continue
        for one in (*chain(*(begun or group.CREDENTIALS[:1])), f"{name.upper()}_BASE_URL"):
            if not environ.get(one, "").strip():
                yield one, f"is missing, and {name.upper()} is {'configured' if begun else 'enabled'}"
    for name, group in GROUPS:
        yield from group.disagreements(groups[name])
