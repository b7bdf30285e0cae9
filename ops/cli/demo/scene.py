"""What can be seen at a moment of the demo."""

from collections.abc import Mapping
from dataclasses import dataclass

import requests
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from db import demo_story
from db.demo_story import Progress
from ops.cli.system import PRODUCT, System

STATES = (
    "received",
    "off_ramp_initiated",
    "off_ramp_completed",
    "broker_funding_initiated",
    "broker_funded",
    "returned",
    "failed",
)
NOTHING = Progress(states={}, finished=0, parked=0, moving=0, letters_open=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The deposits, the webhooks by what became of them, and which processes run."""

    deposits: Progress = NOTHING
    sent: int = 0
    webhooks: Mapping[str, int]
    faults: Mapping[str, int]
    running: Mapping[str, bool]
    killed: int = 0

    def line(self, flows: int) -> str:
        """All of it in one line."""
        now = self.deposits
        hooks = self.webhooks
        return (
            f"{now.finished} of {flows} finished, {now.moving} moving, {now.parked} parked; webhooks "
            f"{hooks.get('sent', 0)} sent, {hooks.get('dropped', 0)} dropped; {self.killed} processes killed"
        )


def empty() -> Scene:
    """Before anything can be seen."""
    return Scene(webhooks={}, faults={}, running={})


def look(system: System, engine: Engine, before: Scene) -> Scene:
    """What can be seen now; of what is out of reach for a moment, what was seen before."""
    try:
        deposits = demo_story.progress(engine)
    except DBAPIError:
        deposits = before.deposits
    try:
        counts = system.control("GET", "counts")
    except requests.RequestException:
        counts = {"webhooks": before.webhooks, "faults": before.faults, "transfers": before.sent}
    return Scene(
        deposits=deposits,
        sent=counts["transfers"],
        webhooks=counts["webhooks"],
        faults=counts["faults"],
        running={name: system.supervisor.pid(name) is not None for name in PRODUCT},
        killed=sum(system.supervisor.counts.killed.values()),
    )
