"""What has happened so far: told on the way, kept for the report."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from sqlalchemy.exc import DBAPIError

LOOK_EVERY_S: Final = 0.2


class Kind(StrEnum):
    """Who did it."""

    BLOW = "blow"  # we killed, emptied or restarted something
    PROVIDERS = "providers"  # the pretended providers changed their ways
    PERSON = "person"  # what somebody on call does, by the command line
    NOTE = "note"  # told, and not worth a line in the report


@dataclass(slots=True)
class Happening:
    """One thing that happened: from `at_s` to `until_s` after the beginning; None while it lasts."""

    kind: Kind
    title: str
    at_s: float
    until_s: float | None = None
    outcome: str = ""

    @property
    def lasted_s(self) -> float:
        """How long it took."""
        return 0.0 if self.until_s is None else self.until_s - self.at_s


class Teller(Protocol):
    """Who is told each line."""

    def __call__(self, text: str, *, kind: Kind) -> None:
        """Tell it."""
        ...


class Stopped(Exception):
    """The demo was asked to end before its end."""


@dataclass
class Story:
    """Shared by the threads of the demo. `troubles` are sentences about what went wrong; none means all is well.

    `arrivals` are the moments at which money came to a provider, by the provider's id of it.
    """

    tell: Teller
    happenings: list[Happening] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    stop: threading.Event = field(default_factory=threading.Event)
    arrivals: dict[str, datetime] = field(default_factory=dict)

    def now_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def second_of(self, at: datetime) -> float:
        """The same of a moment of the wall clock, which is the database's too."""
        return (at - self.began_at) / timedelta(seconds=1)

    def note(self, text: str) -> None:
        """Say something in passing."""
        self.tell(text, kind=Kind.NOTE)

    def arrives(self, external_id: str) -> None:
        """Money is at a provider now."""
        self.arrivals[external_id] = datetime.now(UTC)

    def begin(self, kind: Kind, title: str) -> Happening:
        """Something begins."""
        happening = Happening(kind, title, self.now_s())
        self.happenings.append(happening)
        self.tell(title, kind=kind)
        return happening

    def end(self, happening: Happening, outcome: str) -> None:
        """It is over, and how it went."""
        happening.until_s = self.now_s()
        happening.outcome = outcome
        self.tell(outcome, kind=happening.kind)

    def trouble(self, text: str) -> None:
        """Something went wrong that must not: the demo has failed."""
        self.troubles.append(text)
        self.tell(text, kind=Kind.NOTE)

    def pause(self, seconds: float) -> None:
        """Wait. Raises: Stopped."""
        if self.stop.wait(seconds):
            raise Stopped

    def wait_for(self, fact: Callable[[], bool], *, within_s: float) -> bool:
        """Whether it comes true in time; a database out of reach is no yes. Raises: Stopped."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            try:
                if fact():
                    return True
            except DBAPIError:
                pass
            self.pause(LOOK_EVERY_S)
        return False
