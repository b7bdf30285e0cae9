"""Moments as the providers write and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))?)?",
)


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def rfc3339(moment: datetime, digits: int = 9) -> str:
    """UTC text with up to `digits` fractional digits, zeros at the end left off as Go does.

    Digits past the sixth are invented from the moment itself, so that the same moment always reads the same.
    """
    nanoseconds = moment.microsecond * 1000 + (moment.microsecond * 7 + 13) % 1000 if moment.microsecond else 0
    fraction = f"{nanoseconds:09d}"[:digits].rstrip("0")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + "Z"


def milliseconds(moment: datetime) -> str:
    """UTC text with exactly three fractional digits, as Alpaca writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse(text: str) -> datetime:
    """An aware moment from a date or RFC 3339 text; without an offset it is UTC. Raises: ValueError."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a date or RFC 3339 time: {text[:40]!r}")
    year, month, day, hour, minute, second, fraction, _, sign, off_hours, off_minutes = found.groups()
    offset = timedelta(hours=int(off_hours or 0), minutes=int(off_minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)
    micro = int((fraction or "").ljust(9, "0")[:6])
    moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), micro, zone)
    return moment.astimezone(UTC)
