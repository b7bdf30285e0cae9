"""What the demo says of kinds of flows and of their states: taken from their tables, so that it tells of every kind."""

from collections.abc import Sequence
from typing import Final

from funding.flow import OPEN
from funding.flows.table import FLOWS

STAGES: Final = 4  # colours for the open states on the way of one that goes well
DONE, UNDONE, FAILED, ASIDE, PARKED, UNHEARD = "done", "undone", "failed", "aside", "parked", "unheard"
TONES: Final = (UNHEARD, *(f"stage-{number}" for number in range(STAGES)), ASIDE, PARKED, DONE, UNDONE, FAILED)


def title(kind: str) -> str:
    """Its name as a heading: "Due deposit"."""
    return plain(kind).capitalize()


def plain(name: str) -> str:
    """A kind's or a state's name in plain letters."""
    return name.replace("_", " ")


def done(kind: str) -> str:
    """The state in which one that goes well has finished."""
    return FLOWS[kind].way[-1]


def states(kind: str) -> Sequence[str]:
    """All of a kind: those on the way of one that goes well first, then where else it may be."""
    flow = FLOWS[kind]
    return list(
        dict.fromkeys([*map(str, flow.way), *map(str, flow.open), *map(str, flow.resting), *map(str, flow.closed)])
    )


def tone(kind: str, state: str) -> str:
    """What the colour of a state says, the same in every kind."""
    flow = FLOWS[kind]
    if state == done(kind):
        return DONE
    if flow.status_of(state) != OPEN:
        return FAILED if state == FAILED else UNDONE
    return f"stage-{min(flow.way.index(state), STAGES - 1)}" if state in flow.way else ASIDE
