"""What people write: settings, files to import, amounts."""

import io
import string
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

from funding.money import SCALES, Money, NotMoney
from ops.actions.customer_file import BadLines, read_customers
from ops.actions.reconcile.record_file import check
from settings import GROUPS, Settings, SettingsError, load, table
from tests.fuzz.told import told

GROUPED: Final[list[type[Any]]] = [Settings, *(group for _, group in GROUPS)]
WHOLE: Final[Mapping[str, str]] = {row.name: row.example for group in GROUPED for _, row in table(group)} | {
    "ALPACA_KEY_ID": "CKNEW",
    "ALPACA_SECRET": "s3cr3t",
}

EXAMPLES: Final = "\n".join(f"{name}={value}" for name, value in WHOLE.items())


def settings(data: bytes) -> None:
    """`NAME=value` a line: values, or each fault by name; a value is never told."""
    given = {}
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        name, _, value = line.partition("=")
        if name in WHOLE:
            given[name] = value
    try:
        load({**WHOLE, **given})
    except SettingsError as error:
        told = str(error)
        assert any(name in told for name in WHOLE)
        for value in given.values():
            secret = value.strip()
            assert len(secret) <= 12 or secret not in told or secret in EXAMPLES, "a value is told"


def customers(data: bytes) -> None:
    """A file is taken whole, or each bad line is named."""
    lines = len(data.splitlines()) + 1
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    found = told(lambda: read_customers(text), BadLines)
    if isinstance(found, BadLines):
        assert found.faults
        assert all(1 <= number <= lines for number, _ in found.faults)
        return
    assert all(link.customer in found.levels for link in found.links.values())
    assert all(level is None or 0 <= level <= 1_000_000 for level in found.levels.values())


def record_file(data: bytes) -> None:
    """The same of a provider's records; read again they lie within the window that was found."""
    with NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        found = told(lambda: check(Path(file.name)), BadLines)
        if isinstance(found, BadLines):
            assert found.faults
            return
        records = [*found.records()]
    assert len(records) == found.lines
    assert all(found.since <= record.at < found.until for record in records)


def money(data: bytes) -> None:
    """Text, newline, asset: to the last digit what was written, or no money."""
    raw, _, rest = data.partition(b"\n")
    asset, text = rest.decode("latin-1").strip() or "USD", raw.decode("utf-8", "surrogateescape")
    parsed = told(lambda: Money.parse_floor(text, asset), NotMoney)
    if isinstance(parsed, NotMoney):
        assert len(text) < 8 or text not in str(parsed)
        return
    found, left = parsed
    assert set(text) <= set(string.digits + "+-.eE")
    unit = Fraction(1, 10 ** SCALES[asset])
    assert 0 <= Fraction(left) < unit
    assert found.minor * unit + Fraction(left) == Fraction(text)
    assert Money.parse(found.text(), asset) == found
