"""What can be seen at a moment of the demo."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import requests
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from db import demo_story
from db.demo_story import Progress
from ops.cli.demo import kinds
from ops.cli.system import PRODUCT, System

NOTHING: Final = Progress(states={}, parked_by_kind={}, finished_by_kind={}, moving=0, letters_open=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The flows, the webhooks by what became of them, and which processes run."""

    flows: Progress = NOTHING
    webhooks: Mapping[str, int]
    faults: Mapping[str, int]
    running: Mapping[str, bool]
    killed: int = 0

    def line(self, flows: int) -> str:
        """All of it in one line."""
        now, hooks = self.flows, self.webhooks
        by_kind = ", ".join(f"{kinds.plain(kind)} {count}" for kind, count in sorted(now.finished_by_kind.items()))
        finished = f"{now.finished} of {flows} finished{f' ({by_kind})' if by_kind else ''}"
        return (
            f"{finished}, {now.moving} moving, {now.parked} parked; webhooks "
            f"{hooks.get('sent', 0)} sent, {hooks.get('dropped', 0)} dropped; {self.killed} processes killed"
        )


def empty() -> Scene:
    """Before anything can be seen."""
    return Scene(webhooks={}, faults={}, running={})


def look(system: System, engine: Engine, before: Scene) -> Scene:
    """What can be seen now; of what is out of reach for a moment, what was seen before."""
    try:
        flows = demo_story.progress(engine)
    except DBAPIError:
        flows = before.flows
    try:
        counts = system.control("GET", "counts")
    except requests.RequestException:
        counts = {"webhooks": before.webhooks, "faults": before.faults}
    return Scene(
        flows=flows,
        webhooks=counts["webhooks"],
        faults=counts["faults"],
        running={name: system.supervisor.pid(name) is not None for name in PRODUCT},
        killed=sum(system.supervisor.counts.killed.values()),
    )
