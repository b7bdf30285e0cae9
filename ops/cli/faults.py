"""Errors that can be told in a line or two, with what to do about them."""

import click
from sqlalchemy.exc import DBAPIError

from funding.money import NotMoney
from funding.refusals import Refusal
from ops.actions.desk import Refused


def told(error: Exception) -> click.ClickException | None:
    """The error as a plain message with its exit code; None when it is a bug of ours, or click's own."""
    match error:
        case Refused():
            return click.ClickException(str(error))
        case Refusal():
            return click.ClickException(f"{error.text} [{error.code}]" + (f" {error.detail}" if error.detail else ""))
        case NotMoney():
            return click.UsageError(f"--amount: {error}")
        case DBAPIError():
            reason = type(error.orig).__name__ if error.orig else type(error).__name__
            return click.ClickException(
                f"the database answered with an error ({reason}); nothing was changed. Try again, or run "
                "`rampkeeper doctor`."
            )
        case _:
            return None
