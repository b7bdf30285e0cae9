"""What a report is: titled lists of rows, some with a chart. How it looks is decided in `ops.reports.render`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ops.reports.cells import Column, Row


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, in their order: a label and how much."""

    title: str
    bars: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One list. `key` names it in JSON and CSV; `none` is what to say when it has no rows."""

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    none: str = "nothing"
    chart: Chart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report as of `made_at`. `facts` are its first lines: name and value."""

    title: str
    made_at: datetime
    facts: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = field(default=())
