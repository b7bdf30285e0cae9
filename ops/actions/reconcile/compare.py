"""A comparison from its beginning to its end: read the provider, join both sides, name what differs, open and close."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection

from db import reconcile_records, reconcile_runs, report_figures
from db.engine import UnitOfWork
from db.reconcile_records import Counts
from db.reconcile_runs import Begun
from funding.errors import ProviderError
from funding.reconcile import rules
from funding.reconcile.books import BOOKS, Book
from funding.reconcile.records import Finding, Record, Window
from ops.actions import firm_cash, token_balances
from ops.actions.desk import Refused
from ops.actions.reconcile.reading import Reading, Surroundings
from providers.provider import Records
from providers.registry import Providers

COPIED_AT_ONCE: Final = 50_000  # records of a file
WRITTEN_AT_ONCE: Final = 1_000  # findings

Item = TypeVar("Item")
log = structlog.get_logger(__name__)


class RunFailed(Refused):
    """A comparison that ended early, because of `error`: the run says so, and nothing was opened or closed."""

    def __init__(self, run: UUID, reason: str, error: ProviderError) -> None:
        super().__init__(f"comparison {run} failed: {reason}. No break was opened or closed.")
        self.run = run
        self.error = error


class GivenUp(Refused):
    """Somebody marked the run as lost, because it had not said for minutes that it goes on."""

    def __init__(self) -> None:
        super().__init__("the run was given up for lost: it had been silent for minutes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to compare: a provider's objects made from `since`, before `until` (None: now)."""

    provider: str
    since: datetime
    until: datetime | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparer:
    """Compares for one process.

    `grace`: how long news of a provider takes to arrive here. `keep` is called every few seconds and raises when this
    run is not wanted any more; `say` is told how far it is.
    """

    begin: UnitOfWork
    grace: timedelta
    keep: Callable[[], None] = lambda: None
    say: Callable[[str], None] = lambda _text: None
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def with_provider(
        self,
        wanted: Wanted,
        records: Records,
        *,
        balance: Callable[[], str] | None = None,
    ) -> UUID:
        """Compare with what the provider shows now, one kind of object after the other; the run's id.

        `records` is given the accounts we know of.

        `balance` compares its own balance with our books, where it shows one, and says what that came to.
        Raises: Refused: the window is none; RunFailed: the provider could not be read; what `keep` raises.
        """
        books = BOOKS[wanted.provider]
        run = self._begun(wanted, books, "listing")
        with self._failing(run, wanted.provider):
            with self.begin() as connection:
                known = reconcile_runs.accounts(connection, wanted.provider, _account_parts(books))
            sources = records(known)
            around = Surroundings(
                begin=self.begin,
                alive=lambda: self._alive(run),
                say=self.say,
                sleep=self.sleep,
                monotonic=self.monotonic,
            )
            read = []
            for book in books:
                reading = Reading(around, run, sources[book.kind])
                reading.load_all()
                read.append(Compared(book, *reading.ask_again(book, self._window(run))))
            said = {"balance": reading.patiently(balance)} if balance else {}
            self._conclude(run, wanted.provider, read, said)
        return run.id

    def with_records(self, wanted: Wanted, book: Book, records: Iterable[Record]) -> UUID:
        """Compare with records of one kind from elsewhere, all that the window holds; the run's id. Raises: Refused."""
        run = self._begun(wanted, [book], "file")
        with self._failing(run, book.provider):
            copied = 0
            for some in _chunks(records, COPIED_AT_ONCE):
                with self.begin() as connection:
                    reconcile_records.add(connection, run.id, some)
                copied += len(some)
                self._alive(run)
                self.say(f"{copied} records copied")
            self._conclude(run, book.provider, [Compared(book, replace(self._window(run), from_file=True))])
        return run.id

    def _begun(self, wanted: Wanted, books: Sequence[Book], source: str) -> Begun:
        with self.begin() as connection:
            now = report_figures.now(connection)
            until = min(wanted.until or now, now)
            since = wanted.since
            if any(book.whole_days for book in books):
                since = since.replace(hour=0, minute=0, second=0, microsecond=0)
            if since >= until:
                raise Refused("--since must lie before --until, and before now")
            run = reconcile_runs.begin(
                connection, uuid4(), wanted.provider, since=since, until=until, source=source, asked_by=wanted.by
            )
            reconcile_records.forget_lost(connection)
        return run

    def _window(self, run: Begun) -> Window:
        return Window(since=run.since, until=run.until, now=run.at, grace=self.grace)

    def _alive(self, run: Begun) -> None:
        self.keep()
        with self.begin() as connection:
            if not reconcile_runs.keep_alive(connection, run.id):
                raise GivenUp

    def _conclude(
        self,
        run: Begun,
        provider: str,
        read: Sequence["Compared"],
        said: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Judge everything and write it in one transaction: a report is whole or not there."""
        self.say("comparing")
        report = _Report(run)
        with self.begin() as connection:
            reconcile_runs.lock(connection, provider)
            reconcile_records.prepare(connection)
            counts = [self._judge(connection, run, one, report) for one in read]
            # What a listing left out may be what an open break is about.
            kinds = [one.book.kind for one in read if not one.truncated]
            whole = all(one.window.from_file for one in read)
            came_to = {
                "theirs": sum(one.theirs for one in counts),
                "ours": sum(one.ours for one in counts),
                **report.counts(),
                "closed": reconcile_runs.close_others(connection, run, provider, kinds, whole=whole),
                **said,
            }
            if not reconcile_runs.finish(connection, run.id, came_to):
                raise GivenUp
        log.info("comparison.finished", provider=provider, run=str(run.id), **came_to)

    def _judge(self, connection: Connection, run: Begun, read: "Compared", report: "_Report") -> Counts:
        """Write down all that is wrong with objects of one kind."""
        book = read.book
        report.write(connection, read.truncated)
        shared = reconcile_records.duplicates(connection, run.id, book)
        report.write(connection, [rules.duplicate(book, one.reference, one.records, one.flow) for one in shared])
        window = replace(read.window, shared=frozenset(one.reference for one in shared))
        pairs = reconcile_records.suspicious(connection, run.id, book, window, read_at=run.at)
        judged = (rules.judge(pair, book, window) for pair in pairs)
        for some in _chunks((one for one in judged if one is not None), WRITTEN_AT_ONCE):
            report.write(connection, some)
        return reconcile_records.count(connection, run.id, book, window)

    @contextmanager
    def _failing(self, run: Begun, provider: str) -> Iterator[None]:
        """Whatever ends the block early fails the run, in a sentence; its records go in any case."""
        try:
            yield
        except ProviderError as error:
            reason = f"{provider} could not be read: {error}"
            self._fail(run, reason)
            raise RunFailed(run.id, reason, error) from error
        except BaseException as error:
            self._fail(run, str(error) if isinstance(error, Refused) else f"it ended early: {type(error).__name__}")
            raise
        finally:
            with self.begin() as connection:
                reconcile_records.forget(connection, run.id)

    def _fail(self, run: Begun, reason: str) -> None:
        with self.begin() as connection:
            reconcile_runs.fail(connection, run.id, reason)
        log.warning("comparison.failed", run=str(run.id), reason=reason)


@dataclass(frozen=True, slots=True)
class Compared:
    """One kind of object as it was read: the window that knows what was asked again, and which listings leave out."""

    book: Book
    window: Window
    truncated: Sequence[Finding] = ()


@dataclass(slots=True)
class _Report:
    """What a run has found so far, line by line."""

    run: Begun
    lines: int = 0
    opened: int = 0
    reopened: int = 0
    by_type: dict[str, int] = field(default_factory=dict)

    def write(self, connection: Connection, findings: Sequence[Finding]) -> None:
        """Add lines, and open their breaks."""
        written = reconcile_runs.write(connection, self.run.id, findings, first=self.lines + 1)
        self.lines += len(findings)
        self.opened += written.opened
        self.reopened += written.reopened
        for one in findings:
            self.by_type[one.found.type] = self.by_type.get(one.found.type, 0) + 1

    def counts(self) -> dict[str, Any]:
        """In the words of a run."""
        return {"findings": dict(sorted(self.by_type.items())), "opened": self.opened, "reopened": self.reopened}


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    going = iter(items)
    while some := list(islice(going, size)):
        yield some


def _account_parts(books: Sequence[Book]) -> dict[str, list[str]]:
    """By kind of flow, the data that name accounts which have a listing of their own."""
    return {
        one.flow_kind: list(one.account)
        for book in books
        if not book.one_listing
        for one in book.followers
        if one.account
    }


def source_of(providers: Providers, provider: str) -> Records | None:
    """What reads a provider's records, given the accounts we know of; None: it has no credentials here."""
    found = providers.connected.get(provider)
    return found.records if found else None


def balance_of(begin: UnitOfWork, providers: Providers, provider: str) -> Callable[[], str] | None:
    """What compares a provider's own balance with our books; None: it shows none."""
    port = providers.ports().get(provider)
    if port is None:
        return None
    match provider:
        case "alpaca":
            return lambda: firm_cash.compare(begin, port)
        case "ibex":
            return lambda: token_balances.compare(begin, port)
        case _:
            return None
