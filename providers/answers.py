"""What an HTTP answer means for the caller: an error named for what to do next, and a message safe to show."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from funding.errors import (
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)

LONGEST_WAIT: Final = timedelta(hours=1)  # whatever a provider says, we look again within the hour
LONGEST_MESSAGE: Final = 200
_REQUEST_IDS: Final = ("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray")
_SHOULD_RETRY: Final = "stripe-should-retry"  # no other provider of ours says so
_UNIX_SECONDS: Final = 1_000_000_000  # smaller numbers in X-RateLimit-Reset are seconds from now, not a date
_EMAIL: Final = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")
# Account, card and phone numbers, also when written in groups; a UUID tells nothing of a person, whatever its digits.
_DIGITS: Final = re.compile(r"(?P<uuid>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b)|\d(?:[ -]?\d){5,}")
_CODE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_PLAIN_ID: Final = re.compile(r"[!-~]{1,100}")

# A provider's own reading of a status and code, when the general rule is wrong for it.
Classify = Callable[[int, str | None], type[ProviderError] | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. `headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is of the 2xx class."""
        return 200 <= self.status < 300  # noqa: PLR2004 -- the success class of HTTP

    @property
    def request_id(self) -> str | None:
        """The provider's own id of the call, from the usual headers."""
        found = (self.headers.get(name) for name in _REQUEST_IDS)
        return next((value for value in found if value and _PLAIN_ID.fullmatch(value)), None)


def error_for(
    answer: Answer,
    *,
    provider: str,
    creates: bool,
    now: datetime,
    classify: Classify | None = None,
    secrets: Iterable[str] = (),
    read_problem: Callable[[bytes], tuple[str | None, str | None]] | None = None,
) -> ProviderError:
    """The error that an answer other than 2xx stands for.

    On a call that creates, whatever leaves room for an effect is OutcomeUnknown: 3xx, 408, 409 (a key in use, unless
    `classify` knows the code for a refusal), 5xx, and a refusal whose headers ask for the same again. A read has no
    effect to doubt: there it is ProviderUnavailable, also when `classify` says OutcomeUnknown.
    """
    code, said = (read_problem or problem)(answer.body)
    message = f"{provider} answered {answer.status}" + (f" {code}" if code else "")
    if said:
        message += f": {safe(said, secrets)}"
    kind = (classify(answer.status, code) if classify else None) or _kind(answer.status, creates=creates)
    if issubclass(kind, ProviderRejected) and answer.headers.get(_SHOULD_RETRY) == "true":
        kind = OutcomeUnknown
    if kind is OutcomeUnknown and not creates:
        kind = ProviderUnavailable
    common: dict[str, Any] = {
        "provider": provider,
        "request_id": answer.request_id,
        "status": answer.status,
        "code": code,
    }
    if issubclass(kind, ProviderUnavailable):
        return kind(message, retry_after=retry_after(answer.headers, now), **common)
    return kind(message, **common)


_KINDS: Final[dict[int, type[ProviderError]]] = {
    401: Misconfigured,
    403: Misconfigured,
    404: NotFound,
    429: ProviderThrottled,
}
_KINDS_CREATING: Final[dict[int, type[ProviderError]]] = {**_KINDS, 408: OutcomeUnknown, 409: OutcomeUnknown}
_KINDS_READING: Final[dict[int, type[ProviderError]]] = {**_KINDS, 408: ProviderUnavailable}


def _kind(status: int, *, creates: bool) -> type[ProviderError]:
    known = (_KINDS_CREATING if creates else _KINDS_READING).get(status)
    if known is not None:
        return known
    if 400 <= status < 500:  # noqa: PLR2004 -- the class of refusals
        return ProviderRejected
    if creates:
        return OutcomeUnknown
    # A redirect means that the base URL is not the API's.
    return Misconfigured if status < 400 else ProviderUnavailable  # noqa: PLR2004 -- the first error class


def problem(body: bytes) -> tuple[str | None, str | None]:
    """The provider's code and message in an error's body, from the usual fields; None for what is not there."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(found, dict):
        return None, None
    inner = found.get("error")
    if isinstance(inner, dict):  # Stripe: all of it one level down, and often no code, only a type
        found = {**inner, "code": inner.get("code") or inner.get("type")}
    codes = (found.get("error_code"), found.get("code"))
    code = next((str(value) for value in codes if isinstance(value, (str, int)) and _CODE.fullmatch(str(value))), None)
    texts = (found.get("message"), found.get("error"))
    return code, next((value for value in texts if isinstance(value, str) and value), None)


def safe(text: str, secrets: Iterable[str] = ()) -> str:
    """A provider's message without our secrets, addresses and long numbers, printable, at most 200 characters."""
    text = text[: 20 * LONGEST_MESSAGE]  # enough to redact whole words at the edge, little enough to be quick
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[redacted]")
    return " ".join(redacted(text).split())[:LONGEST_MESSAGE]


def redacted(text: str) -> str:
    """A text without addresses of people and long numbers, printable."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return _DIGITS.sub(lambda found: found["uuid"] or "[redacted]", _EMAIL.sub("[redacted]", text))


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long we are asked to wait: Retry-After (seconds or a date), else X-RateLimit-Reset; at most an hour."""
    wait = _retry_after(headers.get("Retry-After"), now)
    if wait is None:
        wait = _reset(headers.get("X-RateLimit-Reset"), now)
    return None if wait is None else min(max(wait, timedelta(0)), LONGEST_WAIT)


def _retry_after(text: str | None, now: datetime) -> timedelta | None:
    if text is None:
        return None
    seconds = _seconds(text)
    if seconds is not None:
        return seconds
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) - now


def _reset(text: str | None, now: datetime) -> timedelta | None:
    seconds = None if text is None else _seconds(text)
    if seconds is None or seconds < timedelta(seconds=_UNIX_SECONDS):
        return seconds
    return seconds - timedelta(seconds=now.timestamp())


def _seconds(text: str) -> timedelta | None:
    """A plain number of seconds, fractions allowed."""
    plain = text.strip()
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", plain):
        return None
    return timedelta(seconds=float(plain))
