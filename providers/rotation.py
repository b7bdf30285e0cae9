"""Secrets and keys that are replaced while both the old and the new one are in use."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Generic, TypeVar
from urllib.parse import unquote

T = TypeVar("T")


class Malformed(ValueError):
    """A value that cannot be read. The message says what is expected and never quotes the value."""


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text that must not be shown; `reveal` is the one way to read it."""

    _text: str

    def reveal(self) -> str:
        """The text itself: for the call that needs it, never for a log."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(hidden)"


@dataclass(frozen=True, slots=True)
class Windowed(Generic[T]):
    """One entry of a rotation list, usable from `not_before` until just before `not_after` (None: no bound)."""

    value: T
    not_before: datetime | None = None
    not_after: datetime | None = None

    def is_early(self, now: datetime) -> bool:
        """Not valid yet at `now`."""
        return self.not_before is not None and now < self.not_before

    def is_late(self, now: datetime) -> bool:
        """Valid no more at `now`."""
        return self.not_after is not None and now >= self.not_after

    def is_open(self, now: datetime) -> bool:
        """Valid at `now`."""
        return not self.is_early(now) and not self.is_late(now)


def entries(text: str) -> list[str]:
    """The entries of a comma-separated list, trimmed, empty ones left out."""
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def rotation(read: Callable[[str], T]) -> Callable[[str], tuple[Windowed[T], ...]]:
    """A reader of lists, newest first, whose entries may carry a window: `value@not_before/not_after`.

    The window follows the last `@`; `,`, `@` and `%` inside a value are percent-encoded.
    Raises: Malformed, without quoting the entry.
    """

    def read_entry(entry: str) -> Windowed[T]:
        value, at, window = entry.rpartition("@")
        if not at:
            return Windowed(read(unquote(entry)))
        start, slash, end = window.partition("/")
        if not slash or not value:
            raise Malformed("after the last @ comes a window not_before/not_after; write @ in a value as %40")
        not_before, not_after = _moment(start, end_of_day=False), _moment(end, end_of_day=True)
        if not_before and not_after and not_before >= not_after:
            raise Malformed("a window must begin before it ends")
        return Windowed(read(unquote(value)), not_before, not_after)

    return lambda text: tuple(map(read_entry, entries(text)))


def read_base64(text: str) -> bytes:
    """The bytes of a standard base64 text. Raises: Malformed, without quoting it."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("an entry is not base64") from None


def _moment(text: str, *, end_of_day: bool) -> datetime | None:
    """One bound of a window. A date means its whole day in UTC; a moment without an offset is UTC."""
    if not text:
        return None
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            midnight = datetime.combine(date.fromisoformat(text), time(), UTC)
            return midnight + timedelta(days=1) if end_of_day else midnight
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise Malformed("a window must be two ISO dates or moments; either may be empty") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
