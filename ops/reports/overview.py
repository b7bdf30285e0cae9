"""How it all stands at one moment: what moves, what waits for people, how the providers fare, what needs a person."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from db import fleet as fleet_figures
from db import overview as figures
from db.page_reading import MOST_MOVING, MOST_WAITING, Rows
from ops.reports.cells import length_text, money_text
from ops.reports.words import provider_name

LATE: Final = timedelta(minutes=1)  # a due row is announced every 15 s: one that waits so long is held up
VERY_LATE: Final = timedelta(minutes=5)  # the alert's own limit, of lag too
ERRORS: Final = (20, 0.05)  # fewer calls say nothing; the alert's own share


@dataclass(frozen=True, slots=True)
class Concern:
    """Something a person should look at: how bad ("warn" or "bad"), a sentence, and the page that shows it."""

    tone: str
    says: str
    page: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Rows as `db.overview` gives them. `lags`: provider to quantile to seconds; `due`: per queue count and age."""

    now: datetime
    workers: int
    clock_leads: bool
    moving: Rows
    parked: Rows
    letters: Rows
    breaks: Rows
    at_risk: tuple[str, ...]
    lags: Mapping[str, Mapping[str, float]]
    due: Rows
    providers: Rows
    concerns: tuple[Concern, ...]

    def total(self, part: str) -> str:
        """How many all groups of "moving", "parked", "letters" or "breaks" stand for."""
        return count_text(self._total(part), MOST_MOVING if part == "moving" else MOST_WAITING)

    def cut(self, part: str) -> bool:
        """Whether there may be more than were counted."""
        return self.total(part).endswith("+")

    def _total(self, part: str) -> int:
        rows: Rows = getattr(self, part)
        return sum(row["flows" if part in {"moving", "parked"} else part] for row in rows)

    @property
    def oldest_moving(self) -> datetime | None:
        """When the oldest moving flow was opened."""
        return min((row["oldest_at"] for row in self.moving), default=None)

    @property
    def slowest_lag(self) -> float | None:
        """The worst provider's 95th percentile from receipt to handled, in seconds."""
        return max((quantiles["0.95"] for quantiles in self.lags.values()), default=None)

    @property
    def longest_due(self) -> dict[str, Any] | None:
        """The queue whose first row has been due longest; None: nothing is due."""
        return max((row for row in self.due if row["due"]), key=lambda row: float(row["seconds"]), default=None)


def overview(connection: Connection, enabled: Mapping[str, bool]) -> Overview:
    """Read it. `enabled` names the providers, and says whether each takes new flows."""
    fleet = figures.fleet(connection)
    parked, letters, breaks = (
        read(connection) for read in (figures.parked_flows, figures.letters_by_cause, figures.open_breaks)
    )
    lags: dict[str, dict[str, float]] = {}
    for provider, quantile, seconds in fleet_figures.read(connection, fleet_figures.LAG):
        lags.setdefault(provider, {})[quantile] = float(seconds)
    oldest = dict(fleet_figures.read(connection, fleet_figures.OLDEST_DUE))
    due = [
        {"queue": queue, "due": count, "seconds": oldest.get(queue, 0)}
        for queue, count in fleet_figures.read(connection, fleet_figures.DUE)
    ]
    providers = [{**row, "enabled": enabled[row["provider"]]} for row in figures.providers(connection, tuple(enabled))]
    risks: dict[str, int] = {}
    for row in breaks:
        if row["asset"] and row["amount"]:
            risks[row["asset"]] = risks.get(row["asset"], 0) + int(row["amount"])
    at_risk = tuple(money_text(amount, asset) for asset, amount in sorted(risks.items()))
    concerns = (
        *_of_fleet(fleet, due, lags),
        *_of_people(parked, letters, breaks, at_risk),
        *(concern for row in providers for concern in _of_provider(row)),
    )
    return Overview(
        now=fleet["now"],
        workers=fleet["workers"],
        clock_leads=fleet["clock_leads"],
        moving=figures.open_flows(connection),
        parked=parked,
        letters=letters,
        breaks=breaks,
        at_risk=at_risk,
        lags=lags,
        due=due,
        providers=providers,
        concerns=concerns,
    )


def count_text(count: int, most: int = MOST_WAITING) -> str:
    """A count as people read it; one that was cut off says so: "2,000+"."""
    return f"{count:,}" if count < most else f"{most:,}+"


def _of_fleet(fleet: Mapping[str, Any], due: Rows, lags: Mapping[str, Mapping[str, float]]) -> Iterator[Concern]:
    if not fleet["workers"]:
        yield Concern("bad", "No worker is alive: nothing moves. Start one with python -m workers.")
    if not fleet["clock_leads"]:
        yield Concern("bad", "No clock leads: no polls, and nothing is announced. Start one with python -m scheduler.")
    for row in due:
        waited = timedelta(seconds=float(row["seconds"]))
        if waited > LATE:
            tone = "bad" if waited > VERY_LATE else "warn"
            yield Concern(tone, f"The {row['queue'].removesuffix('s')} due longest has waited {length_text(waited)}.")
    for provider, quantiles in lags.items():
        if quantiles["0.95"] > LATE.total_seconds():
            length = length_text(timedelta(seconds=quantiles["0.95"]))
            tone = "bad" if quantiles["0.95"] > VERY_LATE.total_seconds() else "warn"
            yield Concern(tone, f"One in twenty of {provider_name(provider)}'s events waited {length} to be handled.")


def _of_people(parked: Rows, letters: Rows, breaks: Rows, at_risk: tuple[str, ...]) -> Iterator[Concern]:
    flows = sum(row["flows"] for row in parked)
    if flows:
        yield Concern("bad", f"{_number(flows, 'flow is', 'flows are')} parked and wait for a person.", "parked")
    quarantined = sum(row["letters"] for row in letters if row["kind"] == "event")
    if quarantined:
        what = _number(quarantined, "event is", "events are")
        yield Concern("bad", f"{what} quarantined: nobody could make sense of them.", "letters")
    found = sum(row["breaks"] for row in breaks)
    if found:
        risk = f", with {' and '.join(at_risk)} at risk" if at_risk else ""
        yield Concern("warn", f"{_number(found, 'break is', 'breaks are')} open{risk}.", "breaks")


def _of_provider(row: Mapping[str, Any]) -> Iterator[Concern]:
    name = provider_name(row["provider"])
    if row["paused"]:
        yield Concern("warn", f"{name} is paused by {row['paused_by']}: {row['paused_reason']}", "providers")
    if row["breaker"] != "closed":
        yield Concern("warn", f"{name} failed too often: its breaker is {row['breaker']}.", "providers")
    least, share = ERRORS
    if row["calls"] >= least and row["errors"] > share * row["calls"]:
        yield Concern("warn", f"{row['errors']} of {row['calls']} steps at {name} failed within the hour.", "providers")


def _number(count: int, one: str, many: str) -> str:
    return f"{count_text(count)} {one if count == 1 else many}"
