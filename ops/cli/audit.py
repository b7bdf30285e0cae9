"""`rampkeeper audit`: what was done by whom, and whether that record is whole."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from datetime import datetime, timedelta
from typing import Any

import click

from db import audit as log
from db.audit import Line
from ops.cli.options import INSTANCE, listing, reading, resolve
from ops.cli.output import print_json, print_list
from ops.cli.reach import reading_from
from ops.reports.cells import column, to_json

COLUMNS = (
    column("id", right=True),
    column("at"),
    column("actor"),
    column("action"),
    column("subject"),
    column("detail"),
)


@click.group()
def audit() -> None:
    """What was done by whom."""


@audit.command("list")
@listing
@click.option("--kind", "action", help="The action, such as dead_letter.replay.")
@click.option("--by", "actor", help="Who said they did it.")
def list_(
    as_json: bool,
    limit: int,
    since: datetime | timedelta | None,
    instance: str | None,
    action: str | None,
    actor: str | None,
) -> None:
    """List what was done, the newest first."""
    with reading_from(instance) as connection:
        since = resolve(connection, since)
        lines = log.newest(connection, limit=limit + 1, action=action, actor=actor, since=since)
    print_list([_row(line) for line in lines], COLUMNS, as_json=as_json, limit=limit, what="lines")


@audit.command()
@reading
def verify(as_json: bool, instance: str | None) -> None:
    """Walk the chain from its first line; exit 1 and the first broken line if it does not hold.

    Keep the head that is printed somewhere else: a log cut short and resealed shows only there.
    """
    with reading_from(instance) as connection:
        verdict = log.verify(connection)
    whole = verdict.broken is None
    if as_json:
        print_json(
            {
                "whole": whole,
                "lines": verdict.lines,
                "head": verdict.head.hex(),
                "broken": str(verdict.broken) if verdict.broken is not None else None,
                "reason": verdict.reason,
            }
        )
    elif whole:
        click.echo(f"the chain is whole: {verdict.lines} lines, head {verdict.head.hex()}")
    else:
        click.echo(f"THE CHAIN IS BROKEN at line {verdict.broken}: {verdict.reason}")
    if not whole:
        raise click.exceptions.Exit(1)


@audit.command()
@click.option("--output", type=click.File("w", lazy=True), default="-", help="A file; stdout if none.")
@INSTANCE
def export(output: Any, instance: str | None) -> None:
    """Write every line as JSON, one a line, the oldest first, with its hashes."""
    with reading_from(instance) as connection:
        for line in log.lines(connection):
            output.write(to_json({**_row(line), "previous": line.previous, "hash": line.hash}, indent=None) + "\n")


def _row(line: Line) -> dict[str, Any]:
    return {
        "id": str(line.id),
        "at": line.at,
        "actor": line.actor,
        "action": line.action,
        "subject": line.subject,
        "detail": line.detail,
    }
