"""The demo's report: one page that needs nothing but itself, and keeps what it was told as text."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from db.demo_figures import Compared
from ops.cli.demo import charts, ending, faults, kinds
from ops.cli.demo.latency import Timed
from ops.cli.demo.story import Story
from ops.cli.demo.summary import sentence
from ops.reports.cells import money_text

TEMPLATE: Final = "report.html.j2"
ASKED: Final = "asked of us"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One movement of money as the page shows it; all seconds are since it began. `way` are its states."""

    number: int
    customer: str
    amount: str
    amount_out: str
    state: str
    tone: str
    heard_by: str
    heard_s: float
    attempts: int
    letters: int
    seconds: float | None
    way: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """All of one kind. `legend` are its states in the order of their way, each with its colour."""

    title: str
    legend: Sequence[tuple[str, str]]
    lines: Sequence[Line]


def page(
    summary: Mapping[str, Any],
    story: Story,
    books: Sequence[Compared],
    movements: Sequence[Timed],
) -> str:
    """The page."""
    told = charts.worth_telling(story)
    seconds = [one.finished_s for one in movements if one.finished_s is not None]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(TEMPLATE).render(
        summary=summary,
        sentence=sentence(summary),
        figures=ending.rows(summary),
        began_at=story.began_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        told=list(enumerate(told, start=1)),
        timeline=charts.timeline(story, movements, told),
        histogram=charts.histogram(seconds, [("p50", summary["seconds"]["p50"]), ("p99", summary["seconds"]["p99"])]),
        width=charts.WIDTH,
        tall=charts.TALL,
        colours=(*kinds.TONES, "latency", "blow", "providers", "person"),
        faults=[(words, chance, summary["faults"].get(name, 0)) for name, words, chance in faults.chances()],
        faulty=bool(summary["faults"]),
        books=books,
        chapters=_chapters(movements),
    )


def _chapters(movements: Sequence[Timed]) -> list[Chapter]:
    """Kind by kind, numbered throughout."""
    lines: dict[str, list[Line]] = {}
    for number, one in enumerate(movements, start=1):
        lines.setdefault(one.movement.kind, []).append(_line(number, one))
    return [
        Chapter(
            title=kinds.title(kind),
            legend=[(kinds.plain(state), kinds.tone(kind, state)) for state in kinds.states(kind)],
            lines=found,
        )
        for kind, found in lines.items()
    ]


def _line(number: int, timed: Timed) -> Line:
    one = timed.movement
    parked = one.status == "parked"
    return Line(
        number=number,
        customer=one.customer or "nobody yet",
        amount=money_text(one.amount, one.asset),
        amount_out=money_text(one.amount_out, one.asset_out),
        state="parked" if parked else kinds.plain(one.state),
        tone=kinds.PARKED if parked else kinds.tone(one.kind, one.state),
        heard_by=ASKED if one.heard_by == "asked" else f"by {one.heard_by}",
        heard_s=timed.heard_s,
        attempts=one.attempts,
        letters=len(one.parked),
        seconds=timed.finished_s,
        way=[(kinds.plain(move.state), (move.at - timed.arrived_at).total_seconds()) for move in one.moves],
    )
