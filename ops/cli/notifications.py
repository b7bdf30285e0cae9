"""`rampkeeper notifications`: what the team's backend and its people were told, or were not."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import click
from sqlalchemy import Connection

from db import notification_listings as listings
from db.notifications import Channel
from ops.actions import notifications as actions
from ops.actions.desk import Refused
from ops.cli.options import Acting, acting, listing, reading, resolve
from ops.cli.output import print_fields, print_json, print_list, print_part
from ops.cli.reach import desk_of, reading_from
from ops.reports.cells import column

CHANNELS: Final = ("webhook", "apprise")
COLUMNS: Final = (
    column("id"),
    column("type"),
    column("channel"),
    column("state"),
    column("flow"),
    column("happened_at", "happened"),
    column("due_at", "due"),
    column("attempts", "tries", right=True),
    column("last_status", "last status", right=True),
    column("last_error", "last error"),
)
ATTEMPTS: Final = (
    column("at"),
    column("status", right=True),
    column("took_ms", "ms", right=True),
    column("error"),
    column("answer"),
)


@click.group()
def notifications() -> None:
    """What the team's backend and its people were told."""


@notifications.command("list")
@listing
@click.option("--state", type=click.Choice(["due", "delivered", "exhausted", "held"]))
@click.option("--channel", type=click.Choice(CHANNELS))
@click.option("--flow", help="Only what tells of this flow.")
def list_(as_json: bool, limit: int, since: datetime | timedelta | None, instance: str | None, **filters: Any) -> None:
    """List notifications, the newest first."""
    with reading_from(instance) as connection:
        rows = listings.list_notifications(connection, limit=limit + 1, since=resolve(connection, since), **filters)
    print_list(rows, COLUMNS, as_json=as_json, limit=limit, what="notifications")


@notifications.command()
@click.argument("notification")
@reading
def show(notification: str, as_json: bool, instance: str | None) -> None:
    """Show a notification with every attempt."""
    with reading_from(instance) as connection:
        shown = listings.show_notification(connection, _the_one(connection, notification))
    if shown is None:
        raise Refused(f"there is no notification {notification}")
    if as_json:
        print_json(shown)
        return
    print_fields({name: value for name, value in shown.items() if name != "attempts_made"})
    print_part("Attempts", shown["attempts_made"], ATTEMPTS)


@notifications.command()
@click.argument("notification")
@acting
def resend(notification: str, yes: bool, by: str, instance: str | None) -> None:
    """Send a notification again, under its own id."""
    with desk_of(instance, by=by) as desk:
        with desk.begin() as connection:
            found = _the_one(connection, notification)
        Acting(yes, by).confirm(f"Notification {found} will be sent again.")
        actions.resend(desk, found)
    click.echo(f"notification {found} is due")


@notifications.command()
@click.argument("channel", type=click.Choice(CHANNELS))
@acting
def resume(channel: Channel, yes: bool, by: str, instance: str | None) -> None:
    """Send everything that is held on a channel whose receiver had said it is gone."""
    with desk_of(instance, by=by) as desk:
        Acting(yes, by).confirm(f"Everything held on {channel} will be sent.")
        count = actions.resume(desk, channel)
    click.echo(f"{count} notifications are due")


def _the_one(connection: Connection, start: str) -> UUID:
    """The notification whose id begins so. Raises: Refused: none, or several."""
    found = listings.find_notifications(connection, start)
    if not found:
        raise Refused(f"there is no notification {start}")
    if len(found) > 1:
        raise Refused(f"several notifications begin with {start}: say more of the id")
    return found[0]
