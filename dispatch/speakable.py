"""What may be said of an error in a log or to Sentry: where it happened and of what kind, never the data it met.

The text of a library's error often quotes what it stumbled over: a row's values, a header, a part of a body.
"""

import traceback
from collections.abc import Iterator
from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError

from funding.errors import ProviderError

_OURS: Final = frozenset(
    {
        "db",
        "dispatch",
        "embedded",
        "environment",
        "funding",
        "migrations",
        "ops",
        "providers",
        "scheduler",
        "settings",
        "web",
    }
    | {"workers"}
)
# Python's own words about code, not about data.
_ABOUT_CODE: Final = (AttributeError, NameError, ImportError, TypeError, RecursionError, NotImplementedError)
_MOST_CAUSES: Final = 10


def speakable(error: BaseException) -> str:
    """What may be said of an error besides its class; empty when that is nothing."""
    if isinstance(error, DBAPIError):
        return "" if error.orig is None else f"{type(error.orig).__name__} {speakable(error.orig)}".rstrip()
    if isinstance(error, psycopg.Error):
        constraint = error.diag.constraint_name
        return " ".join(part for part in (error.sqlstate, constraint) if part)
    if isinstance(error, ProviderError):  # a provider's own words may name a person
        parts = (error.provider, error.status, error.code, error.request_id)
        return " ".join(str(part) for part in parts if part is not None)
    if isinstance(error, OSError):
        return error.strerror or ""
    if isinstance(error, _ABOUT_CODE) or type(error).__module__.partition(".")[0] in _OURS:
        return str(error)
    return ""


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, then what it came from, and so on."""
    found: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if found is None:
            return
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def told(error: BaseException) -> str:
    """The whole story of an error, what it came from last: classes, files, lines, and what may be said."""
    parts = []
    for one in causes(error):
        said = speakable(one)
        frames = "".join(traceback.format_tb(one.__traceback__))
        parts.append(f"{frames}{type(one).__qualname__}{f': {said}' if said else ''}")
    return "\nwhich came from\n".join(parts)
