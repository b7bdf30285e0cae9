"""What commands print: rich tables on a terminal, aligned plain text in a pipe, or one JSON document."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

from ops.reports.cells import Column, Row, cell, to_json
from ops.reports.render import aligned

ID_LENGTH: Final = 36  # characters of a UUID


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(to_json(value))


def print_list(
    rows: Sequence[Row], columns: Sequence[Column], *, as_json: bool, limit: int | None = None, what: str = "rows"
) -> None:
    """A list as JSON, or as a table. With `limit`, one more row was asked for, to tell whether some are left out."""
    left_out = limit is not None and len(rows) > limit
    rows = rows[:limit] if limit is not None else rows
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, columns)
    else:
        click.echo(f"no {what}", err=True)
    if left_out:
        click.echo(f"only the first {limit} {what} are shown; --limit takes more", err=True)


def print_table(rows: Sequence[Row], columns: Sequence[Column]) -> None:
    """A table: rich on a terminal, else columns aligned with spaces, without control codes."""
    if on_terminal():
        _rich_table([[cell(column.of(row)) for column in columns] for row in rows], columns)
    else:
        click.echo("\n".join(aligned(rows, columns)))


def print_fields(fields: Mapping[str, Any]) -> None:
    """Names and values, one a line."""
    width = max(map(len, fields))
    for name, value in fields.items():
        click.echo(f"{name.replace('_', ' ').ljust(width)}  {cell(value)}".rstrip())


def print_part(title: str, rows: Sequence[Row], columns: Sequence[Column]) -> None:
    """A titled table within a longer answer; nothing when there are no rows."""
    if rows:
        click.echo(f"\n{title}")
        print_table(rows, columns)


def on_terminal() -> bool:
    """Whether people read stdout."""
    return sys.stdout.isatty()


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while long work goes on, where that is a terminal; yields what takes the number done."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415 -- slow to import, and pipes need none of it
    from rich.progress import Progress  # noqa: PLC0415 -- the same

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def status_line(what: str) -> Iterator[Callable[[str], None]]:
    """A line on stderr that says how far long work is, where that is a terminal; yields what takes the words."""
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console  # noqa: PLC0415 -- slow to import, and pipes need none of it

    with Console(stderr=True).status(what) as line:
        yield lambda text: line.update(f"{what}: {text}")


def _rich_table(cells: list[list[str]], columns: Sequence[Column]) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 -- slow to import, and pipes need none of it
    from rich.console import Console  # noqa: PLC0415 -- the same
    from rich.table import Table  # noqa: PLC0415 -- the same
    from rich.text import Text  # noqa: PLC0415 -- the same

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        ids = all(len(line[place]) in {0, ID_LENGTH} for line in cells)  # people copy ids: keep them on one line
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold", no_wrap=ids)
    for line in cells:
        table.add_row(*(Text(text) for text in line))  # plain text: what a provider said is no markup
    Console(highlight=False).print(table)
