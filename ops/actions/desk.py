"""What every action has: a transaction, a name to put in the audit log, and someone to tell when it is done."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection

from db import audit
from db.engine import UnitOfWork
from db.flows import Due


class Refused(Exception):
    """An action that cannot be done as asked; the message says why and what to do. Nothing was changed."""


class Waker(Protocol):
    """Tells workers what is due now: a hint, never needed (the dispatcher finds it within seconds)."""

    def flows(self, due: Sequence[Due]) -> object:
        """Announce flows."""

    def events(self, ids: Sequence[int]) -> None:
        """Announce inbox events."""


class Nobody:
    """Tells nobody: for when the queue is out of reach."""

    def flows(self, due: Sequence[Due]) -> None:
        """Left to the dispatcher."""

    def events(self, ids: Sequence[int]) -> None:
        """Left to the dispatcher."""


@dataclass(slots=True)
class Sheet:
    """One transaction of an action, with what is to be audited and announced at its end."""

    connection: Connection
    acts: list[audit.Act] = field(default_factory=list)
    due: list[Due] = field(default_factory=list)
    events: list[int] = field(default_factory=list)

    def note(self, action: str, subject: str, **detail: Any) -> None:
        """Write down what was done to what: a line of the audit log, in this transaction."""
        self.acts.append(audit.Act(action, subject, detail))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where operators act. `by` is recorded as said, never believed."""

    begin: UnitOfWork
    by: str
    waker: Waker = Nobody()  # noqa: RUF009 -- without state of its own

    @contextmanager
    def sheet(self) -> Iterator[Sheet]:
        """One transaction: what the block does, its audit lines, then the commit; after it the announcements."""
        with self.begin() as connection:
            sheet = Sheet(connection)
            yield sheet
            audit.append(connection, self.by, sheet.acts)
        if sheet.due:
            self.waker.flows(sheet.due)
        if sheet.events:
            self.waker.events(sheet.events)
