"""`rampkeeper up`: the whole system until Ctrl-C."""

import threading

import click

from embedded.private_folder import EmbeddedError
from embedded.supervisor import SupervisorError
from ops.cli.output import print_fields
from ops.cli.signals import INTERRUPTED, ended_by_signals
from ops.cli.system import running_system


@click.command()
@click.option("--no-sandbox", is_flag=True, help="Pretend no provider: every one needs its base URL and credentials.")
@click.option("--seed", default=0, show_default=True, help="Of the pretended providers.")
def up(*, no_sandbox: bool, seed: int) -> None:
    """Run the whole system until Ctrl-C, restarting a process that dies.

    Servers of its own unless DATABASE_URL and REDIS_URL name yours. Providers without a base URL are pretended.
    """
    try:
        with (
            ended_by_signals(),
            running_system("up", pretend=not no_sandbox, seed=seed, say=_say, more={}) as system,
        ):
            print_fields(system.addresses())
            _say("running; Ctrl-C ends it")
            threading.Event().wait()
    except SystemExit as end:  # being asked to stop is how it ends well
        raise SystemExit(0 if end.code == INTERRUPTED else end.code) from None
    except (EmbeddedError, SupervisorError) as error:
        raise click.ClickException(str(error)) from error


def _say(text: str) -> None:
    click.echo(text, err=True)
