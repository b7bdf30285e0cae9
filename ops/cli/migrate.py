"""`rampkeeper migrate`: the schema to this checkout's newest."""

import click
from sqlalchemy.exc import DBAPIError, OperationalError

from ops.cli.options import INSTANCE
from ops.cli.reach import CannotReach, NothingNamed, check_address, environment, unreachable


@click.command()
@INSTANCE
def migrate(instance: str | None) -> None:
    """Bring the database's schema to this checkout's newest; doing it again changes nothing.

    It needs a direct connection to the primary: a pooler in transaction mode would lose its lock.
    """
    from migrations.run import head, upgrade  # noqa: PLC0415 -- slow to import

    settings = environment(instance)
    if settings.get("DATABASE_POOLER", "").lower() == "transaction":
        raise NothingNamed(
            "migrations need a direct connection: run this with DATABASE_URL of the primary itself and "
            "DATABASE_POOLER unset"
        )
    url = settings["DATABASE_URL"].strip()
    check_address(url)
    try:
        upgrade(url)
    except OperationalError as error:
        raise CannotReach(unreachable(url, error)) from None
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise CannotReach(
            f"the migration stopped: {reason}\nThe schema is as it was; mend that and run it again."
        ) from None
    click.echo(f"the schema is at {head()}")
