"""Bridge's past events, one category a listing. Which way its cursors lead is found out from the events' own times.

Bridge's text calls `starting_after` "forward" here and nowhere else, and says neither which end the first page is of
nor how long an event is kept. So each page is held against the place it was asked from: what leads away from where we
are going is asked for with the other cursor.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from typing import Any, Final, Literal, NamedTuple

from funding.errors import UnexpectedAnswer
from funding.ports.listings import Finding, Page
from providers.bridge import kept
from providers.bridge.adapter import BridgeAdapter
from providers.bridge.interpret import polled
from providers.event_names import digest_of, storable_id
from providers.fields import parse_time

AT_ONCE_US: Final = 5_000_000  # so far the times of events may be out of the order in which they are listed
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OTHER: Final = {"starting_after": "ending_before", "ending_before": "starting_after"}


class _Mark(NamedTuple):
    """An event's place in time, by its microseconds; `number` is Bridge's own, 0 where it shows none."""

    at_us: int
    number: int
    id: str


def _after(one: _Mark, other: _Mark) -> int:
    """Above zero if `one` is later than `other`. Of events that are moments apart only their numbers tell."""
    apart = one.at_us - other.at_us
    if abs(apart) <= AT_ONCE_US and one.number and other.number:
        return one.number - other.number
    return apart


_order = cmp_to_key(_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a walk is: `edge` is the last event on its way, `by` the cursor that leads on.

    `start` is the newest event before the window, from where the next walk may go on. `fresh`: no page was read yet.
    """

    by: str
    to: Literal["newer", "older"]
    edge: _Mark
    start: _Mark | None = None
    fresh: bool = False

    def text(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def read(text: str) -> "_Place":
        told = json.loads(text)
        start = told.pop("start")
        return _Place(**told | {"edge": _Mark(*told["edge"]), "start": _Mark(*start) if start else None})


class EventLog:
    """The past events of one category. `Finding.event_id` is the webhook's own: what has arrived is a duplicate.

    Where the listing begins with its oldest event, a walk ends with the place from which the next one goes on: else
    each would read the whole past again.
    """

    def __init__(self, bridge: BridgeAdapter, *, category: str) -> None:
        self._bridge = bridge
        self._category = category

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Events since then, in either order. Raises: UnexpectedAnswer: no cursor leads on; and as any read."""
        place = _Place.read(cursor) if cursor else None
        if place is None or (place.fresh and place.edge.at_us >= _us(since)):
            return self._first(since)
        rows = self._read(place.by, place.edge)
        if rows and not _leads_on(rows, place):
            place = replace(place, by=_OTHER[place.by])
            rows = self._read(place.by, place.edge)
            if rows and not _leads_on(rows, place):
                raise UnexpectedAnswer("neither of bridge's cursors leads on in its past events", provider="bridge")
        return _taken(rows, place, since)

    def _first(self, since: datetime) -> Page:
        rows = self._bridge.list_events(self._category)
        marks = _marks(rows)
        if not rows:
            return Page(findings=(), next_cursor=None)
        first, last = marks[0], marks[-1]
        way = _after(last, first)
        if way == 0:
            return self._only(rows, last, since)
        to: Literal["newer", "older"] = "newer" if way > 0 else "older"
        return _taken(rows, _Place(by="starting_after", to=to, edge=first), since)

    def _only(self, rows: list[dict[str, Any]], mark: _Mark, since: datetime) -> Page:
        """One event alone shows no direction: there may be others on either side of it."""
        for by in _OTHER:
            others = self._read(by, mark)
            if others:
                to: Literal["newer", "older"] = "newer" if _after(_latest(others), mark) > 0 else "older"
                return _taken([*rows, *others], _Place(by=by, to=to, edge=mark), since)
        return Page(findings=_findings(rows, since), next_cursor=None)

    def _read(self, by: str, edge: _Mark) -> list[dict[str, Any]]:
        return self._bridge.list_events(self._category, by=by, event_id=edge.id)


def _taken(rows: Sequence[dict[str, Any]], place: _Place, since: datetime) -> Page:
    """What a page shows of the window, and where the walk is after it.

    On the way to newer ones only an empty page is the end; to older ones, one that reaches behind the window is too.
    """
    if not rows:
        begin = None
        if place.to == "newer" and place.start is not None:
            begin = replace(place, edge=place.start, fresh=True).text()
        return Page(findings=(), next_cursor=None, next_walk=begin)
    marks, found = _marks(rows), _findings(rows, since)
    if place.to == "older":
        edge = min(marks, key=_order)
        return Page(
            findings=found,
            next_cursor=None if edge.at_us < _us(since) else replace(place, edge=edge, fresh=False).text(),
        )
    before = [mark for mark in (*marks, place.start) if mark is not None and mark.at_us < _us(since)]
    start = max(before, key=_order, default=place.start)
    edge = max(marks, key=_order)
    return Page(findings=found, next_cursor=replace(place, edge=edge, start=start, fresh=False).text())


def _leads_on(rows: Sequence[dict[str, Any]], place: _Place) -> bool:
    """Whether a page shows anything beyond the edge, in the walk's direction."""
    if place.to == "newer":
        return _after(_latest(rows), place.edge) > 0
    return _after(min(_marks(rows), key=_order), place.edge) < 0


def _latest(rows: Sequence[dict[str, Any]]) -> _Mark:
    return max(_marks(rows), key=_order)


def _marks(rows: Sequence[dict[str, Any]]) -> list[_Mark]:
    """The places of the events that can be placed. Raises: UnexpectedAnswer: none of several can."""
    marks = [mark for row in rows if (mark := _mark(row)) is not None]
    if rows and not marks:
        raise UnexpectedAnswer("bridge shows past events without id or time: nothing leads on", provider="bridge")
    return marks


def _mark(row: dict[str, Any]) -> _Mark | None:
    name, number, at = row.get("event_id"), row.get("event_sequence"), _time(row)
    if not isinstance(name, str) or not name or at is None:
        return None
    return _Mark(_us(at), number if isinstance(number, int) else 0, name)


def _findings(rows: Sequence[dict[str, Any]], since: datetime) -> list[Finding]:
    return [_finding(row) for row in rows if (_time(row) or since) >= since]


def _finding(row: dict[str, Any]) -> Finding:
    """An event as the webhook would have told it. One that cannot be read is passed on for ingest to judge.

    Without an id it gets a name of its own: under none a readable one that comes later would count as a duplicate.
    """
    shown, name = kept.kept_event(row), row.get("event_id")
    is_named = isinstance(name, str) and name != ""
    body = polled("event", shown)
    event_id = storable_id(str(name)) if is_named else f"fields:{digest_of(body.decode())}"
    return Finding(
        kind="event",
        id=event_id,
        changed_at=_time(row) or datetime.now(UTC),
        digest_of=event_id,  # an event never changes
        body=body,
        event_id=event_id,
    )


def _time(row: dict[str, Any]) -> datetime | None:
    try:
        return parse_time(str(row.get("event_created_at")))
    except ValueError:
        return None


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
