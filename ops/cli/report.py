"""`rampkeeper report`: what people read in the morning."""

# ruff: noqa: FBT001 (click calls commands by the names of their options)

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from sqlalchemy import Connection

from db import report_figures, reports
from ops.cli.options import INSTANCE, Command, Moment, listing, resolve
from ops.cli.output import print_list
from ops.cli.reach import reading_from
from ops.reports import contents, kept
from ops.reports.cells import column
from ops.reports.daily import FORTNIGHT, midnight
from ops.reports.daily import daily as day_report
from ops.reports.every import Make
from ops.reports.render import FORMATS
from ops.reports.report import Report


@click.group()
def report() -> None:
    """Reports for people: text, json, csv or html."""


_SINCE = click.option("--since", type=Moment(), default=FORTNIGHT, help="How far back figures by day go.")


def _formatted(command: Command) -> Command:
    shown = click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True)
    output = click.option("--output", type=click.File("w", lazy=True), default="-", help="A file; stdout if none.")
    as_json = click.option("--json", "form", flag_value="json", help="The same as --format json.")
    return output(as_json(shown(INSTANCE(command))))


_DATE = click.option(
    "--date", type=click.DateTime(["%Y-%m-%d"]), help="The one kept of that day (UTC), whatever --since says."
)


@report.command("dead-letters")
@_SINCE
@_DATE
@_formatted
def dead_letters(
    form: str, output: Any, since: datetime | timedelta, date: datetime | None, instance: str | None
) -> None:
    """What waits for a person and why, money at risk, and how it went day by day."""
    _write(form, output, instance, _now_or_kept("dead-letters", contents.dead_letters, since, date))


@report.command()
@_SINCE
@_DATE
@_formatted
def reconciliation(
    form: str, output: Any, since: datetime | timedelta, date: datetime | None, instance: str | None
) -> None:
    """Where our records and the providers' differ, and the comparisons made."""
    _write(form, output, instance, _now_or_kept("reconciliation", contents.reconciliation, since, date))


@report.command()
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="Which day, in UTC; today if not said.")
@_formatted
def daily(form: str, output: Any, instance: str | None, date: datetime | None) -> None:
    """What happened on one day: flows, amounts, events, the desk, the ledger. Of a day that was kept, as kept."""

    def made(connection: Connection) -> Report:
        day = date.replace(tzinfo=UTC) if date else report_figures.now(connection).astimezone(UTC)
        return _kept(connection, "daily", day) or day_report(connection, midnight(day))

    _write(form, output, instance, made)


@report.command("kept")
@listing
def list_kept(as_json: bool, limit: int, since: datetime | timedelta | None, instance: str | None) -> None:
    """The reports that are kept, the newest day first. Read one with `report NAME --date DAY`."""
    with reading_from(instance) as connection:
        rows = reports.list_kept(connection, limit=limit + 1, since=resolve(connection, since))
    columns = [column("day"), column("name"), column("made_at", "made")]
    print_list(rows, columns, as_json=as_json, limit=limit, what="kept reports")


def _kept(connection: Connection, name: str, day: datetime) -> Report | None:
    content = reports.find(connection, name, day.date())
    return kept.load(content) if content is not None else None


def _now_or_kept(
    name: str, make: Make, since: datetime | timedelta, day: datetime | None
) -> Callable[[Connection], Report]:
    """The report with its figures by day since then; the one kept of `day`, if a day was asked for."""
    return lambda connection: _must_be_kept(connection, name, day) or make(connection, _from(connection, since))


def _must_be_kept(connection: Connection, name: str, day: datetime | None) -> Report | None:
    """The one of that day; None when no day was asked for. Raises: click.ClickException: none is kept."""
    if day is None:
        return None
    found = _kept(connection, name, day)
    if found is None:
        raise click.ClickException(f"no {name} report of {day.date()} is kept: `rampkeeper report kept` lists them")
    return found


def _write(form: str, output: Any, instance: str | None, made: Callable[[Connection], Report]) -> None:
    with reading_from(instance) as connection:
        done = made(connection)
    output.write(FORMATS[form](done))


def _from(connection: Connection, since: datetime | timedelta) -> datetime:
    moment = resolve(connection, since)
    return moment if moment is not None else report_figures.now(connection) - FORTNIGHT
