"""Alpaca's listings, as polls walk them. Every finding enters by the one door, in a body `interpret` reads."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from funding.errors import UnexpectedAnswer
from funding.ports.listings import Finding, Page
from providers.alpaca import wire
from providers.alpaca.adapter import AlpacaAdapter
from providers.alpaca.interpret import polled
from providers.event_names import storable_id
from providers.fields import parse_time


class JournalDays:
    """Cash journals, one day a page: the listing knows no page token. The cursor is the next day, as YYYY-MM-DD."""

    def __init__(self, alpaca: AlpacaAdapter) -> None:
        self._alpaca = alpaca

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Journals of one day, from the day `since` lies in, there and in New York. Raises: as any read."""
        day = since.astimezone(UTC).date() - timedelta(days=1) if cursor is None else date.fromisoformat(cursor)
        findings = [_finding("journal", one, _day(one, day)) for one in self._alpaca.list_journals(day, day)]
        following = day + timedelta(days=1)
        return Page(findings=findings, next_cursor=following.isoformat() if following <= self._alpaca.today() else None)


class FirmActivities:
    """Cash of the firm's own account that no journal of ours moved. The cursor is the last id seen."""

    def __init__(self, alpaca: AlpacaAdapter) -> None:
        self._alpaca = alpaca

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """A page of activities since then; the walk ends at an empty one, so a short page hides nothing."""
        shown = self._alpaca.list_activities(since=since, cursor=cursor)
        if not shown:
            return Page(findings=(), next_cursor=None)
        last = shown[-1].get("id")
        if not isinstance(last, str) or not last or last == cursor:
            raise UnexpectedAnswer("an activities page leads nowhere: it would never end", provider="alpaca")
        return Page(findings=[_finding("activity", one, _moment(one, since)) for one in shown], next_cursor=last)


def _finding(kind: str, shown: dict[str, Any], changed_at: datetime) -> Finding:
    return Finding(
        kind=kind,
        id=storable_id(str(shown.get("id"))),
        changed_at=changed_at,
        digest_of=wire.digest_of(shown),
        body=polled(kind, shown),
    )


def _day(journal: dict[str, Any], asked: date) -> datetime:
    """A journal bears a date, no time: the start of that day."""
    try:
        day = date.fromisoformat(str(journal.get("system_date")))
    except ValueError:
        day = asked
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _moment(activity: dict[str, Any], since: datetime) -> datetime:
    for text in (activity.get("created_at"), f"{activity.get('date')}T00:00:00Z"):
        try:
            return parse_time(str(text))
        except ValueError:
            continue
    return since
