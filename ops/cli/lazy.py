"""Commands that are imported only when they are called, so that each starts quickly."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is, as `module:name`, and the line that tells of it in the list."""

    target: str
    help: str


class LazyGroup(click.Group):
    """A group whose commands are named in a table."""

    def __init__(self, *, places: Mapping[str, Place], **options: Any) -> None:
        super().__init__(**options)
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's own shape
        """Every command, in the order of the table."""
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's own
        """The command of that name, imported now."""
        place = self._places.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.target.partition(":")
        try:
            command: click.Command = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise click.ClickException(f"`{cmd_name}` is not part of this checkout: {module} is missing") from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- the same
        """The list of commands, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.help) for name, place in self._places.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was called; an error that can be told in a line or two is told so."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            from ops.cli.faults import told  # noqa: PLC0415 -- needs what commands without a fault need not import

            plain = told(error)
            if plain is None:
                raise
            raise plain from error
