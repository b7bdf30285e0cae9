"""`rampkeeper events`: the inbox, shown and sent again."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from datetime import datetime, timedelta
from typing import Any

import click

from db import listings
from ops.actions import events as actions
from ops.actions.desk import Refused
from ops.cli.options import Acting, acting, listing, reading, resolve
from ops.cli.output import print_fields, print_json, print_list, print_part
from ops.cli.reach import desk_of, reading_from
from ops.reports.cells import column

COLUMNS = (
    column("id", right=True),
    column("provider"),
    column("type"),
    column("source"),
    column("state"),
    column("flow"),
    column("received_at", "received"),
    column("handled_at", "handled"),
    column("attempts", "tries", right=True),
    column("event_id", "event id"),
    column("last_error", "last error"),
)
LETTERS = (column("id"), column("status"), column("error"), column("message"))


@click.group()
def events() -> None:
    """The inbox: what providers told us."""


@events.command("list")
@listing
@click.option("--kind", help="The type, in the provider's words.")
@click.option("--state", type=click.Choice(["received", "handled", "ignored", "deferred", "dead"]))
@click.option("--provider")
@click.option("--source", type=click.Choice(["webhook", "poll", "stream", "replay"]))
def list_(as_json: bool, limit: int, since: datetime | timedelta | None, instance: str | None, **filters: Any) -> None:
    """List events, the newest first."""
    with reading_from(instance) as connection:
        rows = listings.list_events(connection, limit=limit + 1, since=resolve(connection, since), **filters)
    print_list(rows, COLUMNS, as_json=as_json, limit=limit, what="events")


@events.command()
@click.argument("event", type=click.IntRange(1))
@reading
def show(event: int, as_json: bool, instance: str | None) -> None:
    """Show an event, without its body: that may hold personal data."""
    with reading_from(instance) as connection:
        shown = listings.show_event(connection, event)
    if shown is None:
        raise Refused(f"there is no event {event}")
    if as_json:
        print_json(shown)
        return
    print_fields({name: value for name, value in shown.items() if name != "dead_letters"})
    print_part("Dead letters", shown["dead_letters"], LETTERS)


@events.command()
@click.argument("event", type=click.IntRange(1))
@acting
def replay(event: int, yes: bool, by: str, instance: str | None) -> None:
    """Write a new event with the same bytes, which takes the ordinary path from there."""
    with desk_of(instance, by=by) as desk:
        Acting(yes, by).confirm(f"Event {event} will enter the inbox again.")
        new, event_id = actions.replay_event(desk, event)
    click.echo(f"event {new} ({event_id}) is in the inbox")
