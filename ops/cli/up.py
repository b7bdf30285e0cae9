"""`rampkeeper up`: the whole system until Ctrl-C."""

import signal
import threading

import click

from ops.cli.system import running_system


@click.command()
@click.option("--no-sandbox", is_flag=True, help="Pretend no provider: every one needs its base URL and credentials.")
@click.option("--seed", default=0, help="Of the pretended providers.")
def up(*, no_sandbox: bool, seed: int) -> None:
    """Run the whole system until Ctrl-C, restarting a process that dies."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with running_system("up", pretend=not no_sandbox, seed=seed, say=_say, more={}) as system:
        click.echo(f"web      {system.web}")
        if system.sandbox is not None:
            for name in ("control", "due", "alpaca"):
                click.echo(f"{name:8} {system.sandbox[name]}")
        click.echo(f"settings {system.instance.folder / 'env'}")
        click.echo(f"commands bin/rampkeeper --help (instance {system.instance.name})")
        stop.wait()


def _say(text: str) -> None:
    click.echo(text, err=True)
