"""`rampkeeper report`: what people read in the morning."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from sqlalchemy import Connection

from db import report_figures
from ops.cli.options import INSTANCE, Command, Moment, resolve
from ops.cli.reach import reading_from
from ops.reports import contents
from ops.reports.daily import daily as day_report
from ops.reports.render import FORMATS
from ops.reports.report import Report

FORTNIGHT = timedelta(days=14)


@click.group()
def report() -> None:
    """Reports for people: text, json, csv or html."""


_SINCE = click.option("--since", type=Moment(), default=FORTNIGHT, help="How far back figures by day go.")


def _formatted(command: Command) -> Command:
    shown = click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True)
    output = click.option("--output", type=click.File("w", lazy=True), default="-", help="A file; stdout if none.")
    as_json = click.option("--json", "form", flag_value="json", help="The same as --format json.")
    return output(as_json(shown(INSTANCE(command))))


@report.command("dead-letters")
@_SINCE
@_formatted
def dead_letters(form: str, output: Any, since: datetime | timedelta, instance: str | None) -> None:
    """What waits for a person and why, money at risk, and how it went day by day."""
    _write(form, output, instance, lambda connection: contents.dead_letters(connection, _from(connection, since)))


@report.command()
@_SINCE
@_formatted
def reconciliation(form: str, output: Any, since: datetime | timedelta, instance: str | None) -> None:
    """Where our records and the providers' differ, and the comparisons made."""
    _write(form, output, instance, lambda connection: contents.reconciliation(connection, _from(connection, since)))


@report.command()
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="Which day, in UTC; today if not said.")
@_formatted
def daily(form: str, output: Any, instance: str | None, date: datetime | None) -> None:
    """What happened on one day: flows, amounts, events, the desk, the ledger."""

    def made(connection: Connection) -> Report:
        day = date.replace(tzinfo=UTC) if date else report_figures.now(connection).astimezone(UTC)
        return day_report(connection, day.replace(hour=0, minute=0, second=0, microsecond=0))

    _write(form, output, instance, made)


def _write(form: str, output: Any, instance: str | None, made: Callable[[Connection], Report]) -> None:
    with reading_from(instance) as connection:
        done = made(connection)
    output.write(FORMATS[form](done))


def _from(connection: Connection, since: datetime | timedelta) -> datetime:
    moment = resolve(connection, since)
    return moment if moment is not None else report_figures.now(connection) - FORTNIGHT
