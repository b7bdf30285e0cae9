"""`rampkeeper dead-letters runs` and `run`, and the watching that `replay --run` and `--resume` do."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import click
from sqlalchemy import Connection

from db import replay_run_listings
from db.replay_runs import Counts
from ops.actions.desk import Desk, Refused
from ops.actions.replay_runs import Watch
from ops.cli.options import LIMIT, reading
from ops.cli.output import print_fields, print_json, print_list, print_part, progress
from ops.cli.reach import reading_from
from ops.cli.signals import ended_by_signals
from ops.reports.cells import column

RUNS = (
    column("id", "run"),
    column("status"),
    column("by"),
    column("filter"),
    column("letters", right=True),
    column("waiting", right=True),
    column("trying", right=True),
    column("resolved", right=True),
    column("came_back", right=True),
    column("held_back", right=True),
    column("abandoned", right=True),
    column("started_at", "started"),
    column("finished_at", "finished"),
)
RESULTS = (
    column("number", "", right=True),
    column("letter"),
    column("flow"),
    column("event"),
    column("customer"),
    column("result"),
    column("answer"),
    column("error"),
    column("answered_at", "released"),
    column("ended_at", "ended"),
)


@click.command("runs")
@reading
@LIMIT
def runs(as_json: bool, limit: int, instance: str | None) -> None:  # noqa: FBT001 -- click's own
    """List replays that were watched, the newest first."""
    with reading_from(instance) as connection:
        rows = replay_run_listings.list_runs(connection, limit=limit + 1)
    print_list(rows, RUNS, as_json=as_json, limit=limit, what="runs")


@click.command("run")
@click.argument("run")
@reading
def run_(run: str, as_json: bool, instance: str | None) -> None:  # noqa: FBT001 -- click's own
    """Show a watched replay, a result for each letter. RUN is its id or the beginning of it."""
    with reading_from(instance) as connection:
        shown = _shown(connection, find_run(connection, run))
    _print(shown, as_json=as_json)


def watch(desk: Desk, watching: Watch, *, as_json: bool) -> bool:
    """Watch a run to its end, then print it; whether all its letters were resolved.

    Interrupted, by Ctrl-C too, it says how to go on and leaves with the signal's exit code.
    """
    with desk.begin() as connection:
        total = _shown(connection, watching.run)["letters"]
    click.echo(f"replay run {watching.run}: {total} letters", err=True)
    try:
        with ended_by_signals(), progress("replaying", total) as done:
            counts = watching.to_the_end(rest=_rest, progress=lambda counts: done(_ended(counts)))
    except SystemExit:
        click.echo(f"interrupted; to go on: rampkeeper dead-letters replay --resume {watching.run} --yes", err=True)
        raise
    with desk.begin() as connection:
        _print(_shown(connection, watching.run), as_json=as_json)
    return counts.resolved == counts.letters


def find_run(connection: Connection, said: str) -> UUID:
    """The run whose id begins so. Raises: Refused: none does, or several."""
    found = replay_run_listings.runs_by_start(connection, said)
    if len(found) != 1:
        several = f"several replay runs begin with {said!r}: say more of it"
        raise Refused(several if found else f"there is no replay run {said!r}")
    return found[0]


def _shown(connection: Connection, run: UUID) -> dict[str, Any]:
    shown = replay_run_listings.show_run(connection, run)
    if shown is None:
        raise Refused(f"there is no replay run {run}")
    return shown


def _print(shown: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    print_fields({name: value for name, value in shown.items() if name != "results"})
    print_part("letters", shown["results"], RESULTS)


def _ended(counts: Counts) -> int:
    return counts.letters - counts.waiting - counts.trying


def _rest(length: timedelta) -> None:
    time.sleep(length.total_seconds())
