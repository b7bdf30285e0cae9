"""The way of a flow through its states: those behind it, where it is, and those that should come."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from db.story import Story
from funding.flow import Flow


@dataclass(frozen=True, slots=True)
class Stage:
    """One state: "done", "here" or "ahead", and when it was first come to."""

    state: str
    standing: str
    at: datetime | None


def stages(story: Story, machine: Flow | None) -> list[Stage]:
    """The states in their order; a flow that ended early shows only those it saw."""
    reached: dict[str, datetime] = {}
    for row in story.transitions:
        reached.setdefault(row["to_state"], row["recorded_at"])
    here = story.flow["state"]
    return list(_stages([*_way(reached, here, machine)], here, reached, over=story.flow["final"]))


def _way(reached: dict[str, datetime], here: str, machine: Flow | None) -> Iterator[str]:
    usual = [str(state) for state in machine.way] if machine else []
    if here in usual:
        yield from usual
    else:
        yield from (state for state in reached if state != here)
        yield here


def _stages(way: list[str], here: str, reached: dict[str, datetime], *, over: bool) -> Iterator[Stage]:
    place = way.index(here)
    for number, state in enumerate(way):
        if number == place:
            yield Stage(state, "done" if over else "here", reached.get(state))
        else:
            yield Stage(state, "done" if number < place else "ahead", reached.get(state) if number < place else None)
