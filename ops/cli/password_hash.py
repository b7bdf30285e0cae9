"""`rampkeeper password-hash`: what to put in OPS_USERS."""

import sys

import click

from ops.actions.passwords import WeakPassword, hash_password


@click.command("password-hash")
def password_hash() -> None:
    """Ask for a password, unseen, and print its hash; in a pipe it is read from stdin."""
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    try:
        click.echo(hash_password(password))
    except WeakPassword as weak:
        raise click.UsageError(str(weak)) from weak
