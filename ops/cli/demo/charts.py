"""The geometry of the report's charts: numbers in, coordinates out; the template draws them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ops.cli.demo.latency import Timed
from ops.cli.demo.story import Happening, Kind, Story

WIDTH: Final = 960.0
LEFT: Final = 8.0
ROW: Final = 9.0
TOP: Final = 46.0
BOTTOM: Final = 22.0
TALL: Final = 150.0
BINS: Final = 24
STEPS_S: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600)
LABELS: Final = 8  # at most so many along an axis
APART: Final = 16.0  # between two numbers over the timeline
UNHEARD: Final = "not heard of yet"

Scale = Callable[[float], float]  # a second's place


@dataclass(frozen=True, slots=True)
class Bar:
    """A coloured stretch: `name` is its state or kind, `title` what it tells when touched."""

    x: float
    y: float
    width: float
    height: float
    name: str
    title: str

    @property
    def css(self) -> str:
        """The class of its colour."""
        return css(self.name)


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across the chart, numbered as in the table beside it; the number stands at `label_x`."""

    x: float
    width: float
    label_x: float
    number: int
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on the axis and its words."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Each deposit a row, each state a stretch of it; disturbances across all."""

    height: float
    bars: Sequence[Bar]
    marks: Sequence[Mark]
    ticks: Sequence[Tick]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many deposits took how long; `markers` are named seconds."""

    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    markers: Sequence[Tick]


def timeline(story: Story, deposits: Sequence[Timed], told: Sequence[Happening]) -> Timeline:
    """The whole demo. `told` are the happenings to mark, in order; they are numbered from 1."""
    longest = max([story.now_s(), 1.0])
    scale = (WIDTH - 2 * LEFT) / longest

    def x(second: float) -> float:
        return round(LEFT + max(second, 0.0) * scale, 1)

    bars = [
        bar
        for row, deposit in enumerate(deposits)
        for bar in _stretches(story, deposit, y=TOP + row * ROW, x=x, longest=longest)
    ]
    marks, free = [], 0.0
    for number, one in enumerate(told, start=1):
        left = x(one.at_s)
        width = max(x(one.until_s if one.until_s is not None else one.at_s) - left, 1.0)
        free = max(left, free)
        marks.append(Mark(left, round(width, 1), free, number, str(one.kind), f"{one.title}: {one.outcome}"))
        free += APART
    height = TOP + len(deposits) * ROW + BOTTOM
    return Timeline(height, bars, marks, [Tick(x(second), f"{second} s") for second in _axis(longest)])


def histogram(seconds: Sequence[float], markers: Sequence[tuple[str, float | None]]) -> Histogram:
    """The distribution of `seconds`, with a line at each of the named ones."""
    if not seconds:
        return Histogram([], [], [])
    longest = max(*seconds, 1.0)
    size = longest / BINS
    counts = [0] * BINS
    for one in seconds:
        counts[min(int(one / size), BINS - 1)] += 1
    scale = (WIDTH - 2 * LEFT) / longest
    unit = TALL / max(counts)
    bars = [
        Bar(
            round(LEFT + place * size * scale + 1, 1),
            round(TALL - count * unit, 1),
            round(size * scale - 2, 1),
            round(count * unit, 1),
            "latency",
            f"{count} deposits took {place * size:.0f} to {(place + 1) * size:.0f} s",
        )
        for place, count in enumerate(counts)
        if count
    ]
    return Histogram(
        bars,
        [Tick(round(LEFT + second * scale, 1), f"{second} s") for second in _axis(longest)],
        [Tick(round(LEFT + at * scale, 1), f"{name} {at:.1f} s") for name, at in markers if at is not None],
    )


def css(name: str) -> str:
    """A name as a class in the page's styles."""
    return name.replace(" ", "-").replace("_", "-")


def worth_telling(story: Story) -> list[Happening]:
    """The happenings that stand in the report."""
    return [one for one in story.happenings if one.kind is not Kind.NOTE]


def _stretches(story: Story, timed: Timed, *, y: float, x: Scale, longest: float) -> list[Bar]:
    """A row: from the money's arrival, state by state until it is finished, and over them the times it was parked."""
    deposit = timed.deposit
    end = story.second_of(deposit.closed_at) if deposit.closed_at else longest
    starts = [(story.second_of(timed.arrived_at), UNHEARD)]
    starts += [(story.second_of(move.at), move.state) for move in deposit.moves]
    bars = []
    for place, (at, state) in enumerate(starts):
        until = starts[place + 1][0] if place + 1 < len(starts) else max(end, at)
        bars.append(_bar(x, at, until, y, state, f"{deposit.customer or 'unknown'}: {state} at {at:.1f} s"))
    for opened, resolved in deposit.parked:
        bars.append(_parked(story, opened, resolved, y, x=x, longest=longest))
    if deposit.closed_at:  # the last stretch has no length: a dot says how it ended
        bars.append(Bar(x(end) - 1.5, y, 4.0, ROW - 3, deposit.state, f"{deposit.state} at {end:.1f} s"))
    return bars


def _parked(story: Story, opened: datetime, resolved: datetime | None, y: float, *, x: Scale, longest: float) -> Bar:
    at = story.second_of(opened)
    until = story.second_of(resolved) if resolved else longest
    return _bar(x, at, until, y, "parked", f"waited for a person from {at:.1f} to {until:.1f} s")


def _bar(x: Scale, at: float, until: float, y: float, name: str, title: str) -> Bar:
    left = x(at)
    return Bar(left, y, round(max(x(until) - left, 0.5), 1), ROW - 3, name, title)


def _axis(longest: float) -> range:
    step = next((one for one in STEPS_S if longest / one <= LABELS), STEPS_S[-1])
    return range(0, math.floor(longest) + 1, step)
