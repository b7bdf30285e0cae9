"""`rampkeeper demo`: money through the whole system, with faults and kills, and the truth at the end."""

import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

import click
from sqlalchemy import Engine

from db import demo_figures, demo_story
from db.engine import make_engine
from embedded.private_folder import EmbeddedError
from embedded.supervisor import SupervisorError
from ops.cli.demo import ending, orders, report
from ops.cli.demo.latency import timed
from ops.cli.demo.play import Play
from ops.cli.demo.scene import empty, look
from ops.cli.demo.screen import Screen
from ops.cli.demo.story import Story
from ops.cli.demo.summary import summarize
from ops.cli.signals import ended_by_signals
from ops.cli.system import PRETENDED, SETTINGS, System, running_system

KEPT_SETTINGS: Final = {"DATABASE_URL", "DATABASE_POOLER", "REDIS_URL", "LOG_LEVEL"}
FASTER: Final = {"POLL_S": "5", "RETRY_FIRST_S": "2"}  # the demo has minutes where production has hours
LOOK_EVERY_S: Final = 0.5


@click.command()
@click.option(
    "--flows",
    type=click.IntRange(1, 10_000),
    default=60,
    show_default=True,
    help="How many movements of money, of every kind.",
)
@click.option("--seed", default=1, show_default=True, help="Of the faults, the amounts and the ids.")
@click.option("--no-faults", is_flag=True, help="Let the providers behave and nobody die.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON line, the last of stdout.")
@click.option("--keep", is_flag=True, help="Leave it running at the end, until Ctrl-C.")
def demo(*, flows: int, seed: int, no_faults: bool, as_json: bool, keep: bool) -> None:
    """Send money of every kind through the whole system while providers misbehave and processes die.

    Exit 0 only if nothing is lost, doubled or unexplained.
    """
    given = _environment()
    screen = Screen(orders.counts(flows))
    try:
        with (
            ended_by_signals(),
            running_system("demo", pretend=True, seed=seed, say=screen.tell, more=FASTER, environ=given) as system,
        ):
            engine = make_engine(system.environment["DATABASE_URL"])
            _refuse_what_is_in_use(engine)
            story = Story(tell=screen.tell)
            play = Play(system, engine, story, flows=flows, seed=seed, faulty=not no_faults)
            _watch(system, engine, story, play, screen)
            summary = _finish(system, engine, story, play)
            ending.show(summary, as_json=as_json)
            if keep:
                _stay(system, screen)
    except (EmbeddedError, SupervisorError) as error:
        raise click.ClickException(str(error)) from error
    raise click.exceptions.Exit(1 if summary["troubles"] else 0)


def _environment() -> dict[str, str]:
    """What is set outside, less the settings that would reach somebody real. Raises: click.UsageError."""
    for provider in PRETENDED:
        name = f"{provider.upper()}_BASE_URL"
        if os.environ.get(name, "").strip():
            raise click.UsageError(f"{name} is set, and a demo pretends every provider: unset it")
    return {name: value for name, value in os.environ.items() if name not in SETTINGS - KEPT_SETTINGS}


def _refuse_what_is_in_use(engine: Engine) -> None:
    """A database with flows in it is somebody's. Raises: click.UsageError."""
    now = demo_story.progress(engine)
    if now.moving or now.parked or now.finished:
        raise click.UsageError("DATABASE_URL names a database that holds flows: give the demo an empty one")


def _watch(system: System, engine: Engine, story: Story, play: Play, screen: Screen) -> None:
    """Show the play until it is over."""
    scene = empty()
    with ThreadPoolExecutor(1, "play") as stage, screen.alive():
        playing = stage.submit(play.run)
        try:
            while not playing.done():
                scene = look(system, engine, scene)
                screen.show(scene)
                story.stop.wait(LOOK_EVERY_S)
            screen.show(look(system, engine, scene))
        finally:
            story.stop.set()
        playing.result()


def _finish(system: System, engine: Engine, story: Story, play: Play) -> dict[str, Any]:
    """Count, write the report, and keep the logs of what went wrong."""
    books = demo_figures.compare_books(engine, system.control("GET", "balances"))
    movements = timed(demo_story.movements(engine), story.arrivals)
    summary = summarize(system, engine, story, play, books=books, movements=movements)
    kept = system.instance.kept
    kept.mkdir()
    summary["report"] = str(kept / "report.html")
    page = report.page(summary, story, books, movements)
    (kept / "report.html").write_text(page, encoding="utf-8")
    (kept / "summary.json").write_text(json.dumps(summary, indent=2), encoding="utf-8")
    if summary["troubles"]:
        shutil.copytree(system.instance.folder / "logs", kept / "logs")
    return summary


def _stay(system: System, screen: Screen) -> None:
    """Until Ctrl-C; the verdict stays the exit code."""
    screen.tell("still running; Ctrl-C ends it")
    for name, address in system.addresses().items():
        click.echo(f"{name:18} {address}", err=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
