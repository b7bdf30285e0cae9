"""`rampkeeper recover`: after a failover or a restore that may have lost commits."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from datetime import datetime, timedelta

import click

from ops.actions import recovery
from ops.cli.options import Acting, Moment, acting, resolve
from ops.cli.reach import desk_of


@click.command()
@click.option(
    "--since", type=Moment(), required=True, help="When the last commit that surely survived was made, or earlier."
)
@acting
def recover(since: datetime | timedelta, yes: bool, by: str, instance: str | None) -> None:
    """Doubt what happened since a time: open flows look before they create, polls and streams read again from it."""
    with desk_of(instance, by=by) as desk:
        with desk.begin() as connection:
            moment = resolve(connection, since)
        if moment is None:
            raise click.UsageError("--since needs a time")
        Acting(yes, by).confirm(f"Open flows will look first, and polls read again from {moment.isoformat()}.")
        done = recovery.recover(desk, moment)
    click.echo(
        f"{done.flows} open flows look first; {done.polls} polls and {done.streams} streams read again from "
        f"{moment.isoformat()}"
    )
    if done.unheard:
        click.echo(
            f"{done.unheard} virtual accounts are in legacy_offramp, where an event alone tells of money: have Due "
            "send its deposit events since then again. What comes twice is paid once."
        )
