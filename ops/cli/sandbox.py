"""`rampkeeper sandbox`: the pretended providers, a program of their own."""

import os
import sys

import click


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["-h"]})
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the control API and page; 0: any.")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def sandbox(port: int, more: tuple[str, ...]) -> None:
    """Run the pretended providers until Ctrl-C; control at /_control. MORE goes to `python -m sandbox` as it is."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "sandbox", "--port", str(port), *more])  # noqa: S606 -- our own program
