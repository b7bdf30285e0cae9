"""Reads a provider for one comparison: patiently, and no faster than leaves room for flows and polls."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from db import reconcile_records, report_figures
from db.engine import UnitOfWork
from db.reconcile_runs import Begun
from funding.errors import ProviderUnavailable
from funding.reconcile import rules
from funding.reconcile.books import Book
from funding.reconcile.records import Finding, Record, RecordPage, RecordSource, Window

ASKED_AT_MOST: Final = 500  # objects read one by one, because what the listing said of them looks wrong
PATIENCE: Final = timedelta(minutes=5)  # a provider that cannot be asked for so long fails the run
LONGEST_WAIT: Final = timedelta(minutes=1)
SLICE: Final = timedelta(seconds=10)  # of a wait, after which the run says that it is alive
CALLS_A_MINUTE: Final = 300  # a quarter of what the policies assume: flows and polls come first
AT_ONCE: Final = 60  # calls before that pace is kept

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a run is connected to. `alive` is called every few seconds and raises when nobody wants the run any more."""

    begin: UnitOfWork
    alive: Callable[[], None]
    say: Callable[[str], None]
    sleep: Callable[[float], None]
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Doubt:
    """An object to be read by itself. `listed`: whether the listing showed it."""

    id: str
    account: str | None
    listed: bool


class Reading:
    """The provider's side of one run. No transaction is open while the provider is asked."""

    def __init__(self, around: Surroundings, run: Begun, source: RecordSource) -> None:
        self._around = around
        self._run = run
        self._source = source
        self._began = around.monotonic()
        self._calls = 0

    def load_all(self) -> None:
        """Walk the listing to its end, and copy each page in, in a transaction of its own. Raises: ProviderError."""
        cursor: str | None = None
        loaded = 0
        while True:
            page = self.patiently(self._page_at(cursor))
            with self._around.begin() as connection:
                reconcile_records.add(connection, self._run.id, page.records)
            loaded += len(page.records)
            self._around.alive()
            self._around.say(f"{loaded} records read")
            cursor = page.next_cursor
            if cursor is None:
                return

    def ask_again(self, book: Book, window: Window) -> tuple[Window, list[Finding]]:
        """Nothing is called a break on a listing's word alone: what looks wrong is read once more, one by one.

        The window that knows what was asked, and a finding for each listing that had left something out.
        """
        doubts, asked_at = self._doubts(book, window)
        found: list[Record] = []
        unlisted: dict[str | None, list[str]] = {}
        for number, doubt in enumerate(doubts, start=1):
            record = self.patiently(self._one(doubt))
            self._around.alive()
            self._around.say(f"{number} of {len(doubts)} read again")
            if record is None or record.kind != book.kind:
                continue
            found.append(record)
            if not doubt.listed and window.since <= record.at < window.until:
                unlisted.setdefault(book.listing_of(record.account), []).append(record.id)
        asked = [doubt.id for doubt in doubts]
        with self._around.begin() as connection:
            reconcile_records.replace(connection, self._run.id, book.kind, asked, found)
        window = replace(window, asked=frozenset(asked), asked_at=asked_at, cut_short=frozenset(unlisted))
        truncated = [
            rules.listing_truncated(book, account, unlisted[account], window)
            for account in sorted(unlisted, key=lambda name: name or "")
        ]
        return window, truncated

    def _doubts(self, book: Book, window: Window) -> tuple[list[_Doubt], datetime]:
        """What to read again, duplicates first, and the time just before."""
        doubts: dict[str, _Doubt] = {}
        with self._around.begin() as connection:
            reconcile_records.prepare(connection)
            for shared in reconcile_records.duplicates(connection, self._run.id, book):
                doubts |= {one.id: _Doubt(one.id, one.account, listed=True) for one in shared.records}
            for pair in reconcile_records.suspicious(connection, self._run.id, book, window, read_at=self._run.at):
                if len(doubts) >= ASKED_AT_MOST:
                    break
                if rules.judge(pair, book, window) is None:
                    continue
                account = pair.theirs.account if pair.theirs else pair.ours.account if pair.ours else None
                doubts.setdefault(pair.id, _Doubt(pair.id, account, listed=pair.theirs is not None))
            asked_at = report_figures.now(connection)
        return list(doubts.values())[:ASKED_AT_MOST], asked_at

    def _page_at(self, cursor: str | None) -> Callable[[], RecordPage]:
        return lambda: self._source.page(since=self._run.since, until=self._run.until, cursor=cursor)

    def _one(self, doubt: _Doubt) -> Callable[[], Record | None]:
        return lambda: self._source.one(doubt.id, account=doubt.account)

    def patiently(self, read: Callable[[], Answer]) -> Answer:
        """Read; while the provider cannot be asked, or our own limit is used up, wait and try again."""
        waited, next_wait = timedelta(0), timedelta(seconds=1)
        while True:
            self._pace()
            try:
                return read()
            except ProviderUnavailable as error:
                wait = error.retry_after or next_wait
                if waited + wait > PATIENCE:
                    raise
            waited += wait
            next_wait = min(next_wait * 2, LONGEST_WAIT)
            self._wait(wait)

    def _pace(self) -> None:
        self._calls += 1
        due = timedelta(minutes=max(self._calls - AT_ONCE, 0) / CALLS_A_MINUTE)
        self._wait(due - timedelta(seconds=self._around.monotonic() - self._began))

    def _wait(self, length: timedelta) -> None:
        while length > timedelta(0):
            self._around.sleep(min(length, SLICE).total_seconds())
            length -= SLICE
            self._around.alive()
