"""The demo's report: one page that needs nothing but itself, and keeps what it was told as text."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from db.demo_figures import Compared
from ops.cli.demo import charts, ending, faults
from ops.cli.demo.latency import Timed
from ops.cli.demo.scene import STATES
from ops.cli.demo.story import Story
from ops.cli.demo.summary import sentence
from ops.reports.cells import money_text

TEMPLATE: Final = "report.html.j2"
SHOWN: Final = (charts.UNHEARD, *STATES, "parked")  # every colour of the timeline, in the order of a deposit's life


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One deposit as the page shows it; all seconds are since its money arrived. `way` are its states."""

    number: int
    customer: str
    amount: str
    amount_out: str
    state: str
    heard_by: str
    heard_s: float
    attempts: int
    letters: int
    seconds: float | None
    way: Sequence[tuple[str, float]]


def page(
    summary: Mapping[str, Any],
    story: Story,
    books: Sequence[Compared],
    deposits: Sequence[Timed],
) -> str:
    """The page."""
    told = charts.worth_telling(story)
    lines = [_line(number, deposit) for number, deposit in enumerate(deposits, start=1)]
    seconds = [line.seconds for line in lines if line.seconds is not None]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["css"] = charts.css
    return environment.get_template(TEMPLATE).render(
        summary=summary,
        sentence=sentence(summary),
        figures=ending.rows(summary),
        began_at=story.began_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        told=list(enumerate(told, start=1)),
        timeline=charts.timeline(story, deposits, told),
        histogram=charts.histogram(seconds, [("p50", summary["seconds"]["p50"]), ("p99", summary["seconds"]["p99"])]),
        width=charts.WIDTH,
        tall=charts.TALL,
        states=SHOWN,
        colours=(*SHOWN, "latency", "blow", "providers", "person"),
        faults=[(words, chance, summary["faults"].get(name, 0)) for name, words, chance in faults.chances()],
        faulty=bool(summary["faults"]),
        books=books,
        deposits=lines,
    )


def _line(number: int, timed: Timed) -> Line:
    deposit = timed.deposit
    return Line(
        number=number,
        customer=deposit.customer or "nobody yet",
        amount=money_text(deposit.amount, deposit.asset),
        amount_out=money_text(deposit.amount_out, deposit.asset_out),
        state="parked" if deposit.status == "parked" else deposit.state,
        heard_by=deposit.heard_by,
        heard_s=timed.heard_s,
        attempts=deposit.attempts,
        letters=len(deposit.parked),
        seconds=timed.finished_s,
        way=[(move.state, (move.at - timed.arrived_at).total_seconds()) for move in deposit.moves],
    )
