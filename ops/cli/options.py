"""Options that many commands share."""

import getpass
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import click
from sqlalchemy import Connection, text

Command = TypeVar("Command", bound=Callable[..., Any])

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LISTED: Final = 100  # rows a list shows unless asked for more


class Moment(click.ParamType[datetime | timedelta]):
    """A time: `2026-11-21`, `2026-11-21T09:30:00Z`, or a length ago such as `24h`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime | timedelta:
        """An aware datetime, or how long ago."""
        if isinstance(value, datetime | timedelta):
            return value
        matched = re.fullmatch(r"([0-9]{1,6})([smhdw])", value)
        try:
            if matched:
                return timedelta(**{UNITS[matched[2]]: int(matched[1])})
            moment = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            self.fail("say a time such as 2026-11-21T09:30:00Z, a date, or a length ago such as 24h", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def resolve(connection: Connection, moment: datetime | timedelta | None) -> datetime | None:
    """The time meant, by the database's clock where it is a length ago."""
    if isinstance(moment, timedelta):
        found: datetime = connection.execute(text("SELECT rk_now() - :ago"), {"ago": moment}).scalar_one()
        return found
    return moment


@dataclass(frozen=True, slots=True)
class Acting:
    """How an acting command was called."""

    yes: bool
    by: str

    def confirm(self, what: str) -> None:
        """Ask on a terminal; elsewhere only --yes will do. Raises: click.UsageError (exit 2), click.Abort."""
        if self.yes:
            return
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise click.UsageError(f"{what} Nothing was done: there is no terminal to ask on. Add --yes to do it.")
        click.confirm(f"{what} Go on?", abort=True)


def reading(command: Command) -> Command:
    """`--json` and `--instance`, as every reading command takes them."""
    return _with(command, _JSON, INSTANCE)


def listing(command: Command) -> Command:
    """The same, and `--limit` and `--since`."""
    return _with(command, _JSON, LIMIT, SINCE, INSTANCE)


def acting(command: Command) -> Command:
    """`--yes`, `--by` and `--instance`, as every acting command takes them; see `Acting`."""
    return _with(command, _YES, _BY, INSTANCE)


def _with(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _named_before() -> str | None:
    """`rampkeeper --instance NAME flows list`: said before the command instead of after it."""
    context = click.get_current_context(silent=True)
    return context.find_root().params.get("instance") if context else None


INSTANCE: Final = click.option(
    "--instance",
    metavar="NAME",
    default=_named_before,
    help="Which running instance of this checkout, where several run.",
)
SINCE: Final = click.option("--since", type=Moment(), help="Only what is newer: a time, or a length ago such as 24h.")
LIMIT: Final = click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=LISTED, show_default=True, help="Show at most so many."
)
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else.")
_YES: Final = click.option("--yes", is_flag=True, help="Do it without asking.")
_BY: Final = click.option("--by", metavar="NAME", default=_login, help="Who does it, for the audit log.")
