"""How a command asks a provider: by the settings in force, through the fleet's one gate."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from db import sessions
from db.engine import UnitOfWork, unit_of_work
from db.gates import GateRows
from db.receiver_keys import noting
from ops.cli.reach import NothingNamed, database, environment
from ops.configured import providers_config
from providers.registry import Providers, Surroundings, build
from settings import Settings, SettingsError, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A database and the providers that its settings configure."""

    begin: UnitOfWork
    settings: Settings
    providers: Providers


@contextmanager
def asking(instance: str | None) -> Iterator[Asking]:
    """Reach both, and let go of both at the end. Raises: CannotReach, NothingNamed."""
    log_errors_only()
    found = environment(instance)
    try:
        settings = load(found)
    except SettingsError as error:
        raise NothingNamed(str(error)) from error
    with database(found) as engine:
        begin = unit_of_work(engine)

        def live() -> int:
            with begin() as connection:
                return sessions.live(connection)

        around = Surroundings(gate_store=GateRows(begin), live_sessions=live, key_used=noting(begin))
        providers = build(providers_config(settings, threads=settings.worker_threads), around)
        try:
            yield Asking(begin=begin, settings=settings, providers=providers)
        finally:
            providers.close()


def log_errors_only() -> None:
    """On stderr, so that stdout holds nothing but the answer; what waits and why is told by the command itself."""
    from dispatch import logs  # noqa: PLC0415 -- slow to import: for commands that work long only

    logs.configure("error", stream=sys.__stderr__)


def not_configured(provider: str) -> click.UsageError:
    """What to say of a provider without credentials."""
    return click.UsageError(f"{provider} has no credentials here: set {provider.upper()}_BASE_URL and its keys")
