"""Polls: how far each listing has been walked, and what it showed. Tables `poll_marks`, `polled_objects`."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from funding.ports.listings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A walk through a listing's window, and its place: where the next page begins."""

    provider: str
    poll: str
    subject: str
    since: datetime
    started_at: datetime
    cursor: str | None


@dataclass(frozen=True, slots=True)
class News:
    """A finding that differs from what was seen of its object before, and the version that makes it."""

    finding: Finding
    version: int

    @property
    def event_id(self) -> str:
        """The provider's own id of the event, if the finding is one; else a name that this version alone has."""
        return self.finding.event_id or f"poll:{self.finding.kind}:{self.finding.id}:{self.version}"


@dataclass(frozen=True, slots=True)
class Ended:
    """A walk that reached its end. `missing` are objects of its window seen before and not listed this time."""

    missing: tuple[str, ...]


# Walks ----------------------------------------------------------------------------------------------------------------

# The inbox is looked into for the very first walk of a listing that spans all customers, and never again.
_BEGIN = text("""
    INSERT INTO poll_marks AS m (provider, poll, subject, walk_since, walk_started_at)
    VALUES (:provider, :poll, :subject,
            least(rk_now() - CAST(:first AS interval),
                  CASE WHEN :subject = '' AND NOT EXISTS (
                         SELECT FROM poll_marks WHERE provider = :provider AND poll = :poll AND subject = '')
                       THEN (SELECT received_at - CAST(:overlap AS interval) FROM inbox_events
                              WHERE provider = :provider ORDER BY id LIMIT 1) END),
            rk_now())
    ON CONFLICT (provider, poll, subject) DO UPDATE
       SET walk_since = CASE WHEN m.walk_started_at IS NOT NULL THEN m.walk_since
                             ELSE least(coalesce(m.high_water_mark - CAST(:overlap AS interval), excluded.walk_since),
                                        m.walk_since, CAST(:reach AS timestamptz)) END,
           walk_started_at = coalesce(m.walk_started_at, rk_now())
    RETURNING walk_since, walk_started_at, walk_cursor
""")

_AT_ITS_PLACE = """provider = :provider AND poll = :poll AND subject = :subject
       AND walk_started_at = :started_at AND walk_cursor IS NOT DISTINCT FROM CAST(:cursor AS text)"""

_ADVANCE = text(f"""
    UPDATE poll_marks SET walk_cursor = :next, findings = findings + :found, last_error = NULL WHERE {_AT_ITS_PLACE}
""")  # noqa: S608 -- built from the constant above

# The mark moves to when the walk began, by our clock: what changed at the provider since then is the next walk's.
_END = text(f"""
    UPDATE poll_marks
       SET walk_since = NULL, walk_started_at = NULL, walk_cursor = :begin, finished_at = rk_now(), last_error = NULL,
           findings = findings + :found,
           high_water_mark = CASE WHEN :hold AND coalesce(high_water_mark, walk_since) > rk_now() - interval '1 day'
                                  THEN coalesce(high_water_mark, walk_since)
                                  ELSE greatest(high_water_mark, walk_started_at) END
     WHERE {_AT_ITS_PLACE}
""")  # noqa: S608 -- built from the constant above

_MISSING = text("""
    SELECT kind || ' ' || external_id AS named FROM polled_objects
     WHERE provider = :provider AND poll = :poll AND subject = :subject AND changed_at > :listed_from
       AND changed_at < :started_at AND seen_at < :started_at
     ORDER BY changed_at, named LIMIT 100
""")

# A first walk given up has no mark to begin at again: where it began is kept, as an hour back is later by then.
_FAILED = text("""
    UPDATE poll_marks SET last_error = :error,
           walk_since = CASE WHEN :over AND high_water_mark IS NOT NULL THEN NULL ELSE walk_since END,
           walk_started_at = CASE WHEN :over THEN NULL ELSE walk_started_at END,
           walk_cursor = CASE WHEN :over THEN NULL ELSE walk_cursor END,
           finished_at = CASE WHEN :over THEN rk_now() ELSE finished_at END
     WHERE provider = :provider AND poll = :poll AND subject = :subject AND walk_started_at = :started_at
""")


def begin_walk(
    connection: Connection,
    provider: str,
    poll: str,
    subject: str,
    *,
    overlap: timedelta,
    first: timedelta,
    reach: datetime | None = None,
) -> Walk:
    """Go on with the walk under way, or begin one at the mark less the overlap; `first`: how far back the very first.

    `reach` is a moment the window must take in, such as when the oldest open work began. A first walk for everybody
    takes in all since the provider's first event came, however late polls began. One row by primary key; the first
    walk only, the provider's first event by theirs, or by ix_inbox_events_digest where it has few.
    """
    named = {"provider": provider, "poll": poll, "subject": subject}
    row = connection.execute(_BEGIN, {**named, "overlap": overlap, "first": first, "reach": reach}).one()
    return Walk(
        provider=provider,
        poll=poll,
        subject=subject,
        since=row.walk_since,
        started_at=row.walk_started_at,
        cursor=row.walk_cursor,
    )


def advance(connection: Connection, walk: Walk, *, next_cursor: str, found: int) -> Walk | None:
    """A page has been taken in: the walk at its next place; None when somebody else has walked on meanwhile."""
    if connection.execute(_ADVANCE, {**_place(walk), "next": next_cursor, "found": found}).rowcount == 0:
        return None
    return Walk(
        provider=walk.provider,
        poll=walk.poll,
        subject=walk.subject,
        since=walk.since,
        started_at=walk.started_at,
        cursor=next_cursor,
    )


def end_walk(
    connection: Connection, walk: Walk, *, covers: timedelta | None, found: int, begin: str | None = None
) -> Ended | None:
    """The last page has been taken in: move the mark; None when somebody else has walked on meanwhile.

    `begin` is where the next walk begins, if not at the listing's beginning; a walk given up forgets it. `covers` is
    how far before the window's start the listing shows objects too; None: nothing that it leaves out is missed. A
    listing that left out what it showed before was cut short: then the mark stays for up to a day, so that the next
    walk reads the window again.
    Served by ix_polled_objects_window.
    """
    missing: tuple[str, ...] = ()
    if covers is not None:
        window = {**_place(walk), "listed_from": walk.since - covers + timedelta(seconds=1)}
        missing = tuple(connection.execute(_MISSING, window).scalars())
    if connection.execute(_END, {**_place(walk), "begin": begin, "found": found, "hold": bool(missing)}).rowcount == 0:
        return None
    return Ended(missing)


def note_failure(connection: Connection, walk: Walk, error: str, *, over: bool) -> None:
    """Say why a walk stopped; `over`: it is given up, and when its turn comes again it begins where this one did."""
    connection.execute(_FAILED, {**_place(walk), "error": error, "over": over})


def _place(walk: Walk) -> dict[str, object]:
    return {
        "provider": walk.provider,
        "poll": walk.poll,
        "subject": walk.subject,
        "started_at": walk.started_at,
        "cursor": walk.cursor,
    }


# What was seen --------------------------------------------------------------------------------------------------------

_SEEN = """unnest(CAST(:kinds AS text[]), CAST(:ids AS text[]), CAST(:digests AS bytea[]),
                   CAST(:changed AS timestamptz[])) AS u(kind, external_id, digest, changed_at)"""

_NEWS = text(f"""
    INSERT INTO polled_objects AS o (provider, kind, external_id, digest, poll, subject, changed_at)
    SELECT :provider, kind, external_id, digest, :poll, :subject, changed_at FROM {_SEEN} ORDER BY kind, external_id
    ON CONFLICT (provider, kind, external_id) DO UPDATE
       SET digest = excluded.digest, version = o.version + 1, seen_at = rk_now(), changed_at = excluded.changed_at
     WHERE o.digest <> excluded.digest
    RETURNING kind, external_id, version
""")  # noqa: S608 -- built from the constant above

_SEEN_AGAIN = text(f"""
    UPDATE polled_objects o SET seen_at = rk_now(), poll = :poll, subject = :subject
      FROM {_SEEN}
     WHERE o.provider = :provider AND o.kind = u.kind AND o.external_id = u.external_id
       AND (o.seen_at < :started_at OR (o.poll, o.subject) <> (:poll, :subject))
""")  # noqa: S608 -- built from the constant above


def note_seen(
    connection: Connection,
    provider: str,
    poll: str,
    subject: str,
    findings: Sequence[Finding],
    *,
    walk: Walk | None = None,
) -> list[News]:
    """Keep what a page showed; the findings that are news, in the page's order.

    News is an object never seen, or one whose digest changed: only that raises its version. A `walk` also notes
    that it saw the others, so that one left out later is missed. Locks the rows it writes, in key order.
    """
    last = {(finding.kind, finding.id): finding for finding in findings}
    if not last:
        return []
    ordered = [last[key] for key in sorted(last)]
    values = {
        "provider": provider,
        "poll": poll,
        "subject": subject,
        "kinds": [f.kind for f in ordered],
        "ids": [f.id for f in ordered],
        "digests": [hashlib.sha256(f.digest_of.encode()).digest() for f in ordered],
        "changed": [f.changed_at for f in ordered],
    }
    news = {(row.kind, row.external_id): row.version for row in connection.execute(_NEWS, values)}
    if walk is not None:
        connection.execute(_SEEN_AGAIN, {**values, "started_at": walk.started_at})
    return [News(finding, news[key]) for key, finding in last.items() if key in news]
