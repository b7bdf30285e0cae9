"""A provider's listing in memory, and a worker with one poll over such listings."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from db.poll_turns import Subject
from db.sealing import Sealer
from funding.ports.listings import Finding, Page
from tests.support.moved_time import MovedTime
from workers.walks import Poll, Polled, Walker

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def thing(name: str, *, at: datetime = NOON, status: str = "new", event_id: str | None = None) -> Finding:
    body = json.dumps({"id": name, "status": status}).encode()
    return Finding(kind="transfer", id=name, changed_at=at, digest_of=status, body=body, event_id=event_id)


class Shelf:
    """A provider's listing in memory, two objects a page; it can be told to fail, or to leave the end out."""

    def __init__(self, *things: Finding, size: int = 2) -> None:
        self.things = list(things)
        self.size = size
        self.calls = 1  # that a page takes
        self.shown: int | None = None
        self.asked: list[tuple[datetime, str | None]] = []
        self.fails: dict[int, Exception] = {}
        self.before_page: Callable[[], object] = lambda: None

    def page(self, *, since: datetime, cursor: str | None) -> Page:
        self.before_page()
        self.asked.append((since, cursor))
        if error := self.fails.pop(len(self.asked), None):
            raise error
        listed = [one for one in self.things if one.changed_at >= since][: self.shown]
        start = int(cursor or 0)
        end = start + self.size
        following = str(end) if end < len(listed) else None
        return Page(findings=listed[start:end], next_cursor=following, calls=self.calls)


class Woken:
    def __init__(self) -> None:
        self.ids: list[int] = []

    def events(self, ids: Sequence[int]) -> None:
        self.ids += ids


class AlwaysOpen:
    def try_enter(self, provider: str) -> bool:
        return True

    def leave(self, provider: str) -> None:
        pass


class House:
    """A worker with one poll over shelves by subject."""

    def __init__(self, time: MovedTime, *, pages: int = 100, **shelves: Shelf) -> None:
        self.time = time
        self.shelves = shelves
        self.woken = Woken()
        self.subjects: list[Subject] = [Subject(name, None) for name in shelves]
        self.walker = Walker(begin=time, wake=self.woken, sealer=Sealer())  # type: ignore[arg-type]
        self.kind = Poll(
            provider="due",
            name="transfers",
            listing=lambda subject: self.shelves[subject],
            subjects=lambda _connection, _limit: self.subjects,
            pages=pages,
            overlap=10 * MINUTE,
            first=timedelta(hours=1),
        )

    def poll(self, keep: Callable[[Connection], bool] = lambda _: True) -> Polled:
        self.time.passes(minutes=1)
        return self.walker.poll(self.kind, keep)

    def inbox(self) -> list[str]:
        with self.time() as connection:
            return list(connection.execute(text("SELECT event_id FROM inbox_events ORDER BY id")).scalars())

    def mark(self, subject: str = "acct") -> datetime | None:
        with self.time() as connection:
            mark: datetime | None = connection.execute(
                text("SELECT high_water_mark FROM poll_marks WHERE subject = :subject"), {"subject": subject}
            ).scalar()
            return mark

    def breaks(self) -> list[tuple[str, str, str]]:
        with self.time() as connection:
            rows = connection.execute(text("SELECT type, subject, status FROM breaks"))
            return [(row.type, row.subject, row.status) for row in rows]
