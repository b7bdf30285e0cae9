"""A file of a provider's records, where its API is too slow: every bad line is named, or all of it is compared."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from funding.money import Money, NotMoney
from funding.reconcile.books import BOOKS, Book
from funding.reconcile.records import Record
from ops.actions.customer_file import BadLines
from ops.actions.desk import Refused
from providers.fields import is_id, parse_time

REQUIRED: Final = ("provider", "kind", "id", "state", "time", "asset", "amount")
OPTIONAL: Final = ("asset_out", "amount_out", "fee", "account", "reference")
LONGEST: Final = 1_024  # characters of a field

Line = dict[str, str]


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A file that has been read once and is good. `since` and `until` take in every record."""

    path: Path
    book: Book
    lines: int
    since: datetime
    until: datetime

    def records(self) -> Iterator[Record]:
        """Its records, read again line by line: a file of any size fits. Raises: Refused: it changed meanwhile."""
        for number, line in _lines(self.path):
            record = line if isinstance(line, str) else _record(line, self.book)
            if isinstance(record, str):
                raise Refused(f"the file changed while it was read: line {number}: {record}")
            yield record


def check(path: Path) -> RecordFile:
    """Read a CSV whole, one record a line, its columns named by its header, in any order. Raises: BadLines."""
    faults: list[tuple[int, str]] = []
    book: Book | None = None
    times: set[datetime] = set()
    seen: set[int] = set()
    lines = 0
    for number, line in _lines(path):
        if isinstance(line, str):
            faults.append((number, line))
            continue
        book = book or _book(line)
        record = _record(line, book)
        if isinstance(record, str):
            faults.append((number, record))
        elif hash(record.id) in seen:
            faults.append((number, "names an id that an earlier line has"))
        else:
            seen.add(hash(record.id))
            times = {min(times | {record.at}), max(times | {record.at})}
            lines += 1
    if book is None or not lines:
        faults = faults or [(1, "the file holds no record")]
    if faults or book is None:
        raise BadLines(faults)
    return RecordFile(path, book, lines, min(times), max(times) + timedelta(microseconds=1))


def _lines(path: Path) -> Iterator[tuple[int, Line | str]]:
    """Each line with its number from 1, by column; or what is wrong with it. Raises: BadLines: there is no header."""
    with path.open("rb") as raw:
        reader = csv.reader(_texts(raw), strict=True)
        header: list[str] | None = None
        while True:
            try:
                row = next(reader)
            except StopIteration:
                break
            except UnicodeDecodeError:
                yield reader.line_num + 1, "is not UTF-8"
                return
            except csv.Error as error:
                yield reader.line_num, f"is no CSV: {error}"
                return
            if header is None:
                header = _header(row)
            elif len(row) != len(header):
                if row:
                    yield reader.line_num, f"has {len(row)} fields instead of {len(header)}"
            else:
                yield reader.line_num, dict(zip(header, map(str.strip, row), strict=True))
        if header is None:
            raise BadLines([(1, f"the file is empty; the header must name {','.join(REQUIRED)}")])


def _texts(raw: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(raw):
        yield line.decode("utf-8-sig" if number == 0 else "utf-8")


def _header(row: list[str]) -> list[str]:
    names = [name.strip() for name in row]
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in REQUIRED + OPTIONAL]
    if missing or unknown or len(set(names)) != len(names):
        raise BadLines(
            [(1, f"the header must name {','.join(REQUIRED)} once each, and may name {','.join(OPTIONAL)}, no other")]
        )
    return names


def _record(line: Line, book: Book | None) -> Record | str:
    """A line as a record; or what is wrong with it."""
    if book is None or line["provider"] != book.provider:
        return f"names another provider than {book.provider}" if book else _unknown(line)
    if line["kind"] != book.kind:
        return f"kind must be {book.kind}"
    if not is_id(line["id"]):
        return "id is no id"
    if not line["state"]:
        return "state is missing"
    if any(len(text) > LONGEST or not text.isprintable() for text in line.values()):
        return f"has a field of more than {LONGEST} characters, or with control characters"
    try:
        at = parse_time(line["time"])
    except ValueError:
        return "time is no RFC 3339 time, such as 2026-11-21T09:30:00Z"
    try:
        came = _money(line, "amount", "asset")
        went = _money(line, "amount_out", "asset_out")
        fee = Money.parse(line["fee"], went.asset) if line.get("fee") and went else None
    except NotMoney as error:
        return f"an amount cannot be read: {error}"
    if came is None:
        return "amount and asset are missing"
    if book.whole_days:  # a journal has one amount: what reached the customer
        at, came, went = at.replace(hour=0, minute=0, second=0, microsecond=0), None, came
    return Record(
        kind=book.kind,
        id=line["id"],
        status=line["state"].lower(),
        at=at,
        asset=came.asset if came else None,
        amount=came.minor if came else None,
        asset_out=went.asset if went else None,
        amount_out=went.minor if went else None,
        fee=fee.minor if fee else None,
        account=line.get("account") or None,
        reference=_reference(line.get("reference") or "", book),
    )


def _book(line: Line) -> Book | None:
    return next((book for book in BOOKS.get(line["provider"], ()) if book.kind == line["kind"]), None)


def _unknown(line: Line) -> str:
    books = BOOKS.get(line["provider"])
    if books is None:
        return f"provider must be {' or '.join(BOOKS)}"
    return f"kind must be {' or '.join(book.kind for book in books)}"


def _reference(text: str, book: Book) -> str | None:
    """What several records of one movement of money share; of a journal, the flow that its description begins with."""
    if not book.made_by_us:
        return text or None
    try:
        return str(UUID(text.partition(" ")[0]))
    except ValueError:
        return None


def _money(line: Line, amount: str, asset: str) -> Money | None:
    """None where the file says neither. Raises: NotMoney: one without the other, negative, or no amount."""
    if not line.get(amount) and not line.get(asset):
        return None
    money = Money.parse(line.get(amount) or "", (line.get(asset) or "").upper())
    if money.minor < 0:
        raise NotMoney("it is negative")
    return money
