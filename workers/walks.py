"""Walk a listing: what is new or changed enters the inbox by the one door, and the walk's place is kept with it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from db import breaks, inbox, polls, standing_breaks
from db.engine import UnitOfWork
from db.inbox import Arrival
from db.poll_turns import Subject
from db.polls import News, Walk
from db.sealing import Sealer
from dispatch.wake import Wake
from funding.errors import ProviderError, ProviderRejected, ProviderThrottled, UnexpectedAnswer
from funding.outcomes import BreakFound
from funding.ports.listings import Listing, Page

LOOK_PAGES: Final = 20  # of a look, which keeps no place
LOOK_BACK: Final = timedelta(days=1)
OWN_LIMIT_WAITS: Final = 6  # in all well below the lease of a tick
OWN_LIMIT_WAIT: Final = timedelta(seconds=5)
TRUNCATED: Final = "listing_truncated"
NAMED_AT_MOST: Final = 5  # objects in a break's text

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """A listing that is polled: one for all customers, or one a subject.

    `pages`: calls it may make in a tick. `subjects` says whose listings are next, at most so many. `first`: how far
    back the very first walk goes. `covers`: how far before its window's start the listing shows objects too, None:
    they leave it again.
    """

    provider: str
    name: str
    listing: Callable[[str], Listing]
    subjects: Callable[[Connection, int], Sequence[Subject]]
    pages: int
    overlap: timedelta
    first: timedelta
    covers: timedelta | None = timedelta(0)


@dataclass(frozen=True, slots=True)
class Polled:
    """What a tick of a poll came to. `pages`: the calls they took, one each but where a listing says otherwise."""

    pages: int = 0
    findings: int = 0
    news: int = 0
    unfinished: int = 0
    refused: int = 0

    def __str__(self) -> str:
        text = f"{self.news} news of {self.findings} findings on {self.pages} pages"
        unfinished = f", {self.unfinished} walks unfinished" if self.unfinished else ""
        return text + unfinished + (f", {self.refused} listings refused" if self.refused else "")


class Superseded(Exception):
    """The hold on this tick or walk is another's by now: stop, nothing is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walker:
    """Walks listings for this process."""

    begin: UnitOfWork
    wake: Wake
    sealer: Sealer
    sleep: Callable[[float], None] = time.sleep

    def poll(self, poll: Poll, keep: Callable[[Connection], bool]) -> Polled:
        """Walk the poll's listings until they end or its pages are used up; what is left goes on at the next tick.

        `keep` renews the caller's hold, in each page's transaction. Raises: Superseded, and what a read raises; what
        was walked before that is kept.
        """
        with self.begin() as connection:
            subjects = poll.subjects(connection, poll.pages)
        total = Polled()
        for subject in subjects:
            if total.pages >= poll.pages:
                break
            total = self._walk(poll, subject, total, keep)
        return total

    def look(self, provider: str, name: str, subject: str, listing: Listing, *, at: datetime) -> int:
        """Read a listing of one object or account from its beginning; how much was news. Raises: what a read raises."""
        cursor, news = None, 0
        for _ in range(LOOK_PAGES):
            page = listing.page(since=at - LOOK_BACK, cursor=cursor)
            with self.begin() as connection:
                found = polls.note_seen(connection, provider, name, subject, page.findings)
                ids = self._take_in(connection, provider, found)
            self.wake.events(ids)
            news += len(found)
            if page.next_cursor is None:
                return news
            cursor = page.next_cursor
        raise UnexpectedAnswer(f"{provider} shows more than {LOOK_PAGES} pages of {name}", provider=provider)

    def _walk(self, poll: Poll, subject: Subject, total: Polled, keep: Callable[[Connection], bool]) -> Polled:
        with self.begin() as connection:
            walk: Walk | None = polls.begin_walk(
                connection,
                poll.provider,
                poll.name,
                subject.name,
                overlap=poll.overlap,
                first=poll.first,
                reach=subject.working_since,
            )
        listing = poll.listing(subject.name)
        while walk is not None:
            if total.pages >= poll.pages:
                return replace(total, unfinished=total.unfinished + 1)
            page = self._read(listing, walk)
            if page is None:
                return replace(total, pages=total.pages + 1, refused=total.refused + 1)
            walk, news = self._take_page(poll, walk, page, keep)
            total = replace(
                total,
                pages=total.pages + page.calls,
                findings=total.findings + len(page.findings),
                news=total.news + news,
            )
        return total

    def _read(self, listing: Listing, walk: Walk) -> Page | None:
        """The page at the walk's place; None when the provider refused this very listing, so that the next is walked.

        Raises: ProviderUnavailable, Misconfigured: no other listing of that provider would fare better.
        """
        try:
            page = self._patiently(lambda: listing.page(since=walk.since, cursor=walk.cursor))
        except (ProviderRejected, UnexpectedAnswer) as error:
            # Its place may be the cause: the next walk of this listing begins at the mark again, when its turn comes.
            self._note(walk, error, over=True)
            return None
        except ProviderError as error:
            self._note(walk, error, over=False)
            raise
        if page.next_cursor is not None and page.next_cursor == walk.cursor:
            endless = UnexpectedAnswer("the listing leads to the same page again", provider=walk.provider)
            self._note(walk, endless, over=True)
            return None
        return page

    def _patiently(self, read: Callable[[], Page]) -> Page:
        """Wait for our own limit, which flows spend too: a tick given up for it leaves its other accounts unread."""
        for _ in range(OWN_LIMIT_WAITS):
            try:
                return read()
            except ProviderThrottled as error:
                if error.status is not None or error.retry_after is None:
                    raise  # the provider's own word
                self.sleep(min(error.retry_after, OWN_LIMIT_WAIT).total_seconds())
        return read()

    def _note(self, walk: Walk, error: ProviderError, *, over: bool) -> None:
        with self.begin() as connection:
            polls.note_failure(connection, walk, f"{type(error).__name__}: {error}", over=over)
        log.warning("poll.failed", provider=walk.provider, poll=walk.poll, error=type(error).__name__, gave_up=over)

    def _take_page(
        self, poll: Poll, walk: Walk, page: Page, keep: Callable[[Connection], bool]
    ) -> tuple[Walk | None, int]:
        """One transaction a page: the walk's place, the objects seen and their events. The walk on, None at its end."""
        found = len(page.findings)
        with self.begin() as connection:
            if not keep(connection):
                raise Superseded
            following = None
            news = polls.note_seen(connection, walk.provider, walk.poll, walk.subject, page.findings, walk=walk)
            if page.next_cursor is not None:
                following = polls.advance(connection, walk, next_cursor=page.next_cursor, found=found)
                if following is None:
                    raise Superseded
            else:
                ended = polls.end_walk(connection, walk, covers=poll.covers, found=found, begin=page.next_walk)
                if ended is None:
                    raise Superseded
                _tell_truncation(connection, walk, ended.missing)
            ids = self._take_in(connection, walk.provider, news)
        self.wake.events(ids)
        return following, len(news)

    def _take_in(self, connection: Connection, provider: str, news: Sequence[News]) -> list[int]:
        """The events of what is news; the ids of those the inbox did not have."""
        arrivals = [
            Arrival(
                provider=provider,
                event_id=one.event_id,
                route=provider,
                type=None,
                source="poll",
                body=one.finding.body,
            )
            for one in news
        ]
        if not arrivals:
            return []
        stored = inbox.insert_events(connection, arrivals, sealer=self.sealer)
        return [one.id for one in stored if not one.duplicate]


def _tell_truncation(connection: Connection, walk: Walk, missing: Sequence[str]) -> None:
    """A listing that left out what it had shown before was cut short; once it shows all again the break closes."""
    subject = f"{walk.poll} {walk.subject}".strip()
    if not missing:
        standing_breaks.close(connection, walk.provider, TRUNCATED, subject, note="the listing shows everything again")
        return
    named = ", ".join(missing[:NAMED_AT_MOST]) + (" ..." if len(missing) > NAMED_AT_MOST else "")
    found = BreakFound(
        provider=walk.provider,
        type=TRUNCATED,
        subject=subject,
        ours=f"{len(missing)} seen before: {named}",
        theirs="not listed",
        suggested_action=f"ask {walk.provider} why its listing leaves them out; the window is read again until then",
    )
    breaks.open_break(connection, found, found_by="sweep")
    log.warning("poll.truncated", provider=walk.provider, poll=walk.poll, missing=len(missing))
