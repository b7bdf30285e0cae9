"""What the demo says at its end: one sentence, the figures, and what is wrong if anything is."""

import json
from collections.abc import Mapping
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.cli.demo import kinds
from ops.cli.demo.summary import sentence
from ops.cli.output import on_terminal


def show(summary: Mapping[str, Any], *, as_json: bool) -> None:
    """The summary for a program, as one line, or for people."""
    if as_json:
        click.echo(json.dumps(summary))
        return
    if on_terminal():
        _rich(summary)
    else:
        _plain(summary)
    for trouble in summary["troubles"]:
        click.echo(f"WRONG: {trouble}")
    click.echo(f"\n{sentence(summary)}")
    click.echo(f"report: {summary['report']}")


def rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The figures in words, most important first."""
    effects, letters, hooks = summary["provider_effects"], summary["dead_letters"], summary["webhooks"]
    ledger, found, seconds = summary["ledger"], summary["reconciliation"], summary["seconds"]
    differing = len(ledger["clearing_differences"]) + len(ledger["customer_differences"])
    webhooks = [f"{hooks[name]} {name}" for name in ("sent", "dropped", "duplicated", "reordered")]
    books = f"{'balanced' if ledger['balanced'] else 'NOT BALANCED'}, {ledger['entries']} entries"
    return [
        *((kinds.title(kind), _ends(summary["flows"], kind)) for kind in summary["flows"]["started"]),
        *((f"{what}, counted there", _effects(one)) for what, one in effects["by_kind"].items()),
        ("webhooks", ", ".join(webhooks)),
        ("first heard of by polling", f"{summary['recovered_by_polling']} flows"),
        ("processes", f"{summary['processes']['killed']} killed, {summary['processes']['restarted']} started again"),
        ("dead letters", ", ".join(f"{letters[name]} {name}" for name in ("opened", "replayed", "open"))),
        ("ledger", f"{books}, {differing} differences from the providers' own balances"),
        (
            "reconciliation",
            f"{found['runs']} runs, {found['breaks_opened']} breaks opened, {found['breaks_open']} open",
        ),
        ("seconds", f"half within {seconds['p50']}, 99 % within {seconds['p99']}; {seconds['total']} in all"),
    ]


def _ends(flows: Mapping[str, Mapping[str, Any]], kind: str) -> str:
    ended = flows["ended"].get(kind, {})
    said = [f"{flows['started'][kind]} begun"]
    said += [f"{ended[state]} {kinds.plain(state)}" for state in kinds.states(kind) if ended.get(state)]
    said += [f"{flows[name][kind]} {name}" for name in ("parked", "unfinished") if flows[name].get(kind)]
    return ", ".join(said)


def _effects(one: Mapping[str, int]) -> str:
    return f"{one['intended']} intended, {one['made']} made, {one['duplicates']} doubled"


def _plain(summary: Mapping[str, Any]) -> None:
    shown = rows(summary)
    width = max(len(name) for name, _ in shown)
    click.echo("\n".join(f"{name.ljust(width)}  {text}" for name, text in shown))


def _rich(summary: Mapping[str, Any]) -> None:
    table = Table(box=SIMPLE_HEAD, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, text in rows(summary):
        table.add_row(name, Text(text))
    Console(highlight=False).print(table)
