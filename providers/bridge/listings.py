"""Bridge's listings, as polls walk them: newest first, nothing tells that there is no more but an empty page.

Every finding enters by the one door, in a body `interpret` reads. Its moment is when the object was made, for that is
the listings' order. Past events are in `event_log`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from funding.errors import NotFound, UnexpectedAnswer
from funding.ports.listings import Finding, Page
from providers.bridge import adapter, kept
from providers.bridge.adapter import BridgeAdapter
from providers.bridge.interpret import polled
from providers.event_names import digest_of, storable_id
from providers.fields import parse_time

# A payment changes long after it was made. What changes later still is found by its event, and by its flow.
LATE: Final = timedelta(days=7)

Rows = Sequence[Mapping[str, Any]]


class DepositHistory:
    """What happened on every virtual account: one entry for each stage of a deposit, never edited afterwards."""

    def __init__(self, bridge: BridgeAdapter) -> None:
        self._bridge = bridge

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Entries since then, newest first. Raises: as any read."""
        rows = self._bridge.list_history(since=since, after=cursor)
        return _page(rows, _stage, cursor, since=since, back_to=since)


class AccountHistory:
    """What happened on one virtual account, for an event that named it without saying enough.

    `customers` are those it may be of; unknown at Bridge: nothing found. The cursor is "<customer>|<entry>".
    """

    def __init__(self, bridge: BridgeAdapter, *, customers: Sequence[str], virtual_account: str) -> None:
        self._bridge = bridge
        self._customers = customers
        self._account = virtual_account

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Entries since then, newest first. Raises: as any read."""
        known, _, after = (cursor or "").partition("|")
        for customer in [known] if known else self._customers:
            try:
                rows = self._bridge.list_history(since=since, after=after or None, of=(customer, self._account))
            except NotFound:
                continue
            return _page(rows, _stage, after or None, since=since, back_to=since, way=f"{customer}|")
        return Page(findings=(), next_cursor=None)


class Transfers:
    """Every transfer that was made or changed.

    Bridge shows what changed since a moment on one page and without cursors: so that is read first, and then the
    listing from its newest on, back to the window's start; further back where the first page was full, for then it
    left older ones out that changed. The cursor is "<how far>|<transfer>".
    """

    def __init__(self, bridge: BridgeAdapter) -> None:
        self._bridge = bridge

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Transfers made or changed since then, newest first. Raises: as any read."""
        if cursor is None:
            rows = self._bridge.list_transfers(changed_since=since)
            way = "far|" if len(rows) >= adapter.PAGE else "near|"
            return Page(findings=_findings(rows, _transfer, since), next_cursor=way)
        way, _, after = cursor.partition("|")
        rows = self._bridge.list_transfers(after=after or None)
        back_to = since - LATE if way == "far" else since
        return _page(rows, _transfer, after or None, since=since, back_to=back_to, way=f"{way}|")


class Drains:
    """What came to liquidation addresses, as far back as one may still change: no filter of times is documented."""

    def __init__(self, bridge: BridgeAdapter) -> None:
        self._bridge = bridge

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        """Drains made or changed since then, newest first. Raises: as any read."""
        rows = self._bridge.list_drains(after=cursor)
        return _page(rows, _drain, cursor, since=since, back_to=since - LATE)


def _page(
    rows: Rows,
    finding: Callable[[Mapping[str, Any]], Finding],
    after: str | None,
    *,
    since: datetime,
    back_to: datetime,
    way: str = "",
) -> Page:
    """What a page shows of the window; it is the last if it is empty, or all on it was made before `back_to`.

    Raises: UnexpectedAnswer: it leads to the same page again, or nothing on it can lead on.
    """
    found = _findings(rows, finding, since)
    if all((_made_at(row) or back_to) < back_to for row in rows):
        return Page(findings=found, next_cursor=None)
    last = next((row["id"] for row in reversed(rows) if isinstance(row.get("id"), str) and row["id"]), None)
    if last is None or last == after:
        raise UnexpectedAnswer("bridge's listing leads no further: it would never end", provider="bridge")
    return Page(findings=found, next_cursor=f"{way}{last}")


def _findings(rows: Rows, finding: Callable[[Mapping[str, Any]], Finding], since: datetime) -> list[Finding]:
    """Of those made or changed in the window, and of those whose time cannot be read."""
    return [finding(row) for row in rows if (_time(row, "updated_at") or _made_at(row) or since) >= since]


def _stage(row: Mapping[str, Any]) -> Finding:
    return _finding("deposit_stage", kept.kept_stage(row), row)


def _transfer(row: Mapping[str, Any]) -> Finding:
    return _finding("transfer", kept.kept_payment(row), row)


def _drain(row: Mapping[str, Any]) -> Finding:
    return _finding("drain", kept.kept_payment(row), row)


def _finding(kind: str, shown: kept.Kept, row: Mapping[str, Any]) -> Finding:
    """An object as a listing showed it, well-formed or not: ingest judges it, once for each digest."""
    name, news = row.get("id"), kept.digest_of(shown)
    is_named = isinstance(name, str) and name != ""
    return Finding(
        kind=kind,
        id=storable_id(str(name)) if is_named else f"fields:{digest_of(news)}",
        changed_at=_made_at(row) or datetime.now(UTC),
        digest_of=news,
        body=polled(kind, shown),
    )


def _made_at(row: Mapping[str, Any]) -> datetime | None:
    return _time(row, "created_at")


def _time(row: Mapping[str, Any], name: str) -> datetime | None:
    try:
        return parse_time(str(row.get(name)))
    except ValueError:
        return None
