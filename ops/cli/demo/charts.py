"""The geometry of the report's charts: numbers in, coordinates out; the template draws them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ops.cli.demo import kinds
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
HEADING: Final = 22.0  # above the first row of a kind

Scale = Callable[[float], float]  # a second's place


@dataclass(frozen=True, slots=True)
class Bar:
    """A coloured stretch: `tone` is its colour's name, `title` what it tells when touched."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    title: str


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
class Heading:
    """The name of a kind above its rows."""

    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Each movement of money a row, each state a stretch of it, kind by kind; disturbances across all."""

    height: float
    headings: Sequence[Heading]
    bars: Sequence[Bar]
    marks: Sequence[Mark]
    ticks: Sequence[Tick]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many took how long; `markers` are named seconds."""

    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    markers: Sequence[Tick]


def timeline(story: Story, movements: Sequence[Timed], told: Sequence[Happening]) -> Timeline:
    """The whole demo. `movements` stand kind by kind; `told` are the happenings to mark, numbered from 1."""
    longest = max([story.now_s(), 1.0])
    scale = (WIDTH - 2 * LEFT) / longest

    def x(second: float) -> float:
        return round(LEFT + max(second, 0.0) * scale, 1)

    headings: list[Heading] = []
    bars: list[Bar] = []
    y, kind = TOP, None
    for one in movements:
        if one.movement.kind != kind:
            kind = one.movement.kind
            y += HEADING
            headings.append(Heading(y - 6, kinds.title(kind)))
        bars += _stretches(story, one, y=y, x=x, longest=longest)
        y += ROW
    marks, free = [], 0.0
    for number, done in enumerate(told, start=1):
        left = x(done.at_s)
        width = max(x(done.until_s if done.until_s is not None else done.at_s) - left, 1.0)
        free = max(left, free)
        marks.append(Mark(left, round(width, 1), free, number, str(done.kind), f"{done.title}: {done.outcome}"))
        free += APART
    height = y + BOTTOM
    return Timeline(height, headings, bars, marks, [Tick(x(second), f"{second} s") for second in _axis(longest)])


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
            f"{count} took {place * size:.0f} to {(place + 1) * size:.0f} s",
        )
        for place, count in enumerate(counts)
        if count
    ]
    return Histogram(
        bars,
        [Tick(round(LEFT + second * scale, 1), f"{second} s") for second in _axis(longest)],
        [Tick(round(LEFT + at * scale, 1), f"{name} {at:.1f} s") for name, at in markers if at is not None],
    )


def worth_telling(story: Story) -> list[Happening]:
    """The happenings that stand in the report."""
    return [one for one in story.happenings if one.kind is not Kind.NOTE]


def _stretches(story: Story, timed: Timed, *, y: float, x: Scale, longest: float) -> list[Bar]:
    """A row: from the money's arrival, state by state until it is finished, and over them the times it was parked."""
    one = timed.movement
    end = story.second_of(one.closed_at) if one.closed_at else longest
    starts = [(story.second_of(timed.arrived_at), "not heard of yet", kinds.UNHEARD)]
    starts += [
        (story.second_of(move.at), kinds.plain(move.state), kinds.tone(one.kind, move.state)) for move in one.moves
    ]
    bars = []
    for place, (at, state, tone) in enumerate(starts):
        until = starts[place + 1][0] if place + 1 < len(starts) else max(end, at)
        bars.append(_bar(x, at, until, y, tone, f"{one.customer or 'unknown'}: {state} at {at:.1f} s"))
    for opened, resolved in one.parked:
        bars.append(_parked(story, opened, resolved, y, x=x, longest=longest))
    if one.closed_at:  # the last stretch has no length: a dot says how it ended
        ended = f"{kinds.plain(one.state)} at {end:.1f} s"
        bars.append(Bar(x(end) - 1.5, y, 4.0, ROW - 3, kinds.tone(one.kind, one.state), ended))
    return bars


def _parked(story: Story, opened: datetime, resolved: datetime | None, y: float, *, x: Scale, longest: float) -> Bar:
    at = story.second_of(opened)
    until = story.second_of(resolved) if resolved else longest
    return _bar(x, at, until, y, kinds.PARKED, f"waited for a person from {at:.1f} to {until:.1f} s")


def _bar(x: Scale, at: float, until: float, y: float, tone: str, title: str) -> Bar:
    left = x(at)
    return Bar(left, y, round(max(x(until) - left, 0.5), 1), ROW - 3, tone, title)


def _axis(longest: float) -> range:
    step = next((one for one in STEPS_S if longest / one <= LABELS), STEPS_S[-1])
    return range(0, math.floor(longest) + 1, step)
