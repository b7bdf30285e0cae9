"""The demo's report: one page that needs nothing but itself, and keeps what it was told as text."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from db.demo_figures import Compared
from db.demo_story import Deposit
from ops.cli.demo import charts, ending
from ops.cli.demo.faults import SAID
from ops.cli.demo.scene import STATES
from ops.cli.demo.story import Story
from ops.cli.demo.summary import sentence
from ops.reports.cells import money_text

TEMPLATE: Final = "report.html.j2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One deposit as the page shows it; `way` are its states with the seconds since it was first heard of."""

    number: int
    customer: str
    amount: str
    amount_out: str
    state: str
    heard_by: str
    attempts: int
    letters: int
    seconds: float | None
    way: Sequence[tuple[str, float]]


def page(
    summary: Mapping[str, Any],
    story: Story,
    books: Sequence[Compared],
    deposits: Sequence[Deposit],
    *,
    runs: Mapping[str, Any] | None,
) -> str:
    """The page. `runs`: each provider's reconciliation as its command told it, None where there was none."""
    told = charts.worth_telling(story)
    lines = [_line(number, deposit) for number, deposit in enumerate(deposits, start=1)]
    seconds = [line.seconds for line in lines if line.seconds is not None]
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
        timeline=charts.timeline(story, deposits, told),
        histogram=charts.histogram(seconds, [("p50", summary["seconds"]["p50"]), ("p99", summary["seconds"]["p99"])]),
        width=charts.WIDTH,
        tall=charts.TALL,
        states=(*STATES, "parked"),
        colours=(*STATES, "parked", "latency", "blow", "providers", "person"),
        faults=[(SAID.get(name, name.replace("_", " ")), count) for name, count in sorted(summary["faults"].items())],
        books=books,
        runs=runs,
        deposits=lines,
    )


def _line(number: int, deposit: Deposit) -> Line:
    began = deposit.moves[0].at
    return Line(
        number=number,
        customer=deposit.customer or "nobody yet",
        amount=money_text(deposit.amount, deposit.asset),
        amount_out=money_text(deposit.amount_out, deposit.asset_out),
        state="parked" if deposit.status == "parked" else deposit.state,
        heard_by=deposit.heard_by,
        attempts=deposit.attempts,
        letters=len(deposit.parked),
        seconds=(deposit.closed_at - began).total_seconds() if deposit.closed_at else None,
        way=[(move.state, (move.at - began).total_seconds()) for move in deposit.moves],
    )
