"""How values read in templates: escaped by Jinja, cleaned of what would turn a line around, times with their age."""

from datetime import UTC, datetime, timedelta
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from ops.reports.cells import cell, length_text, money_text
from ops.reports.overview import count_text
from ops.reports.words import capital, outcome_text, plain, provider_name, went_well, without_money


def teach(environment: Environment) -> None:
    """Give the templates these words."""
    environment.finalize = _clean
    environment.filters.update(
        plain=plain,
        capital=capital,
        provider=provider_name,
        count=count_text,
        share=lambda part, whole: f"{100 * part / whole:.1f} %" if whole else "none asked",
        seconds=_seconds,
        moment=_moment,
        ago=_ago,
        short=lambda id_: str(id_)[:8],
    )
    environment.globals.update(
        money=money_text,
        outcome=outcome_text,
        without_money=without_money,
        went_well=went_well,
        is_time=lambda value: isinstance(value, datetime),
    )


def _clean(value: Any) -> Any:
    """What a template puts into the page: markup as it is, all else one line of text without control characters."""
    return value if isinstance(value, Markup) else cell(value)


def _seconds(length: float) -> str:
    """A length in seconds: milliseconds when it is less than one, else its two largest units."""
    return f"{length * 1000:.0f} ms" if length < 1 else length_text(timedelta(seconds=length))


def _moment(moment: datetime | None, now: datetime) -> Markup:
    """A time in UTC: only the clock's when it is of today; the whole of it is in the element."""
    if moment is None:
        return Markup('<span class="none">never</span>')
    at, today = moment.astimezone(UTC), now.astimezone(UTC)
    said = f"{at:%H:%M:%S}" if at.date() == today.date() else f"{at:%d %b %H:%M}"
    if at.year != today.year:
        said = f"{at:%Y-%m-%d %H:%M}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", cell(at), said)


def _ago(moment: datetime | None, now: datetime) -> str:
    """How long ago it was, or how soon it will be."""
    if moment is None:
        return ""
    length = now - moment
    if abs(length) < timedelta(seconds=1):
        return "now"
    return f"in {length_text(-length)}" if length < timedelta(0) else f"{length_text(length)} ago"
