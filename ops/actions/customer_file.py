"""A file of customers and their links, read whole: every bad line is named, or all of it is good."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from db.customers import Key, NewLink
from ops.actions.desk import Refused
from ops.actions.link_kinds import fault_of_id, fault_of_link

HEADER: Final = ("customer", "level", "provider", "kind", "external_id", "attributes")
HIGHEST_LEVEL: Final = 1_000_000


class BadLines(Refused):
    """A file that cannot be used. `faults` are (line number from 1, reason) in the order of the file."""

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        many = f"{len(faults)} bad line{'s' if len(faults) > 1 else ''}; nothing was imported"
        super().__init__("\n".join([many, *(f"line {number}: {reason}" for number, reason in faults)]))
        self.faults = faults


@dataclass(slots=True)
class CustomerFile:
    """What a file says: the level of each customer (None: not said), the links, and the line each stands on."""

    levels: dict[str, int | None] = field(default_factory=dict)
    links: dict[Key, NewLink] = field(default_factory=dict)
    line_of: dict[Key, int] = field(default_factory=dict)


def read_customers(lines: Iterable[str]) -> CustomerFile:
    """Read a CSV with a header line, one link a line.

    A line whose provider, kind and external_id are empty adds the customer alone. A repeated line is read once.
    Raises: BadLines.
    """
    found = CustomerFile()
    faults: list[tuple[int, str]] = []
    reader = csv.reader(_counted(lines), strict=True)
    header = False
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            break
        except (csv.Error, UnicodeDecodeError) as error:
            reason = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else f"is no CSV: {error}"
            faults.append((max(number, reader.line_num), reason))
            break
        if not header:
            header = True
            if tuple(name.strip() for name in row) != HEADER:
                raise BadLines([(number, f"the header must be {','.join(HEADER)}")])
        elif row:
            fault = _take(found, row, number)
            if fault:
                faults.append((number, fault))
    if not header and not faults:
        faults.append((1, f"the file is empty; the header must be {','.join(HEADER)}"))
    if faults:
        raise BadLines(faults)
    return found


def read_attributes(text: str) -> dict[str, Any] | str:
    """The attributes, a JSON object without fractions; or what is wrong with them. Empty text is no attributes."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text, parse_float=_refuse, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return "attributes are no JSON object, name a key twice, or hold a fraction"
    return value if isinstance(value, dict) else "attributes must be a JSON object"


def _take(found: CustomerFile, row: list[str], number: int) -> str | None:
    """Add one line; what is wrong with it, if anything."""
    if len(row) != len(HEADER):
        return f"has {len(row)} fields instead of {len(HEADER)}"
    customer, level_text, provider, kind, external_id = (field_.strip() for field_ in row[:-1])
    if fault := fault_of_id("customer", customer):
        return fault
    level: int | None = None
    if level_text:
        plain = level_text.isascii() and level_text.isdigit()
        digits = level_text.lstrip("0") or "0"
        if not plain or len(digits) > len(str(HIGHEST_LEVEL)) or int(digits) > HIGHEST_LEVEL:
            return f"level must be a whole number from 0 to {HIGHEST_LEVEL}"
        level = int(digits)
    said = found.levels.get(customer)
    if level is not None and said is not None and level != said:
        return f"gives this customer level {level}; an earlier line says {said}"
    attributes = read_attributes(row[-1])
    if isinstance(attributes, str):
        return attributes
    if provider or kind or external_id or attributes:
        if fault := fault_of_link(provider, kind, external_id, attributes):
            return fault
        link = NewLink(customer=customer, provider=provider, kind=kind, external_id=external_id, attributes=attributes)
        if (known := found.links.get(link.key)) and known != link:
            return f"says something else of the link that line {found.line_of[link.key]} has"
        found.links[link.key] = link
        found.line_of.setdefault(link.key, number)
    found.levels[customer] = said if level is None else level
    return None


def _counted(lines: Iterable[str]) -> Iterator[str]:
    """The lines without a byte order mark; a NUL byte stays and is refused as a control character."""
    for number, line in enumerate(lines):
        yield line.removeprefix("\ufeff") if number == 0 else line


def _refuse(_text: str) -> Any:
    raise ValueError("a fraction")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a key twice")
    return names
