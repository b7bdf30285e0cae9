"""`rampkeeper providers`: each provider as we see it, paused and resumed."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from collections.abc import Mapping
from typing import Any, Final

import click

from db import pulse
from ops.actions import providers as actions
from ops.cli.options import Acting, acting, reading
from ops.cli.output import print_list
from ops.cli.reach import desk_of, environment, reading_from
from ops.reports.cells import Column, column
from settings import GROUPS, SettingsError, load

NAMES: Final = tuple(name for name, group in GROUPS if hasattr(group, "CREDENTIALS"))
COLUMNS: Final = (
    column("provider"),
    column("enabled"),
    Column("paused", lambda row: f"by {row['paused_by']}: {row['paused_reason']}" if row["paused"] else "no"),
    column("breaker"),
    column("last_event_at", "last event"),
    column("last_poll_at", "last poll"),
    column("mark", "read up to"),
    Column("errors of 1h", lambda row: f"{row['errors']} of {row['calls']}", right=True),
    Column("keys used", lambda row: ", ".join(f"{key['fingerprint']} {key['last_used_at']}" for key in row["keys"])),
)


@click.group()
def providers() -> None:
    """Each provider as we see it; pause and resume."""


@providers.command("list")
@reading
def list_(as_json: bool, instance: str | None) -> None:
    """List providers: enabled, paused, breaker, last event and poll, errors of the last hour, receiving keys."""
    enabled = _enabled(environment(instance))
    with reading_from(instance) as connection:
        rows = [_row(row, enabled) for row in pulse.providers(connection, NAMES)]
    print_list(rows, COLUMNS, as_json=as_json, what="providers")


@providers.command()
@click.argument("provider", type=click.Choice(NAMES))
@click.option("--reason", required=True, help="Why; shown until it is resumed.")
@acting
def pause(provider: str, reason: str, yes: bool, by: str, instance: str | None) -> None:
    """Stop asking a provider anything. Its webhooks are taken in as before; flows wait."""
    with desk_of(instance, by=by) as desk:
        Acting(yes, by).confirm(f"{provider} will not be asked anything until it is resumed.")
        actions.pause(desk, provider, reason=reason)
    click.echo(f"{provider} is paused")


@providers.command()
@click.argument("provider", type=click.Choice(NAMES))
@acting
def resume(provider: str, yes: bool, by: str, instance: str | None) -> None:
    """Ask a provider again; what waited for it goes on within seconds."""
    with desk_of(instance, by=by) as desk:
        Acting(yes, by).confirm(f"{provider} will be asked again.")
        actions.resume(desk, provider)
    click.echo(f"{provider} is asked again")


def _row(row: dict[str, Any], enabled: Mapping[str, bool]) -> dict[str, Any]:
    calls = row["calls"]
    return {
        "provider": row["provider"],
        "enabled": enabled.get(row["provider"]),
        **{name: value for name, value in row.items() if name != "provider"},
        "error_rate": round(row["errors"] / calls, 4) if calls else None,
    }


def _enabled(settings: Mapping[str, str]) -> dict[str, bool]:
    """Which providers take new flows; nothing where the settings at hand are not those of a whole process."""
    try:
        read = load(settings)
    except SettingsError:
        return {}
    return {name: getattr(read, name).enabled for name in NAMES}
