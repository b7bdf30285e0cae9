"""What a report is: titled lists of rows, some with charts. How it looks is decided in `ops.reports.render`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ops.reports.cells import Column, Row

COUNT: Final = "count"
MILLISECONDS: Final = "ms"


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, in their order: a label, and a length for each of `series` (for the one bar where there are none).

    `unit` says what the lengths are: COUNT, MILLISECONDS, or an asset whose minor units they count. None is negative.
    """

    title: str
    bars: Sequence[tuple[str, Sequence[int]]]
    series: Sequence[str] = ()
    unit: str = COUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One list. `key` names it in JSON and CSV; `none` is what to say when it has no rows.

    A chart shows numbers that stand in the rows too. `tabled`: on a page the rows stand below their charts; not needed
    where those say it all.
    """

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    none: str = "nothing"
    charts: Sequence[Chart] = ()
    tabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report as of `made_at`. `facts` are its first lines: name and value. `kept`: read back, not made just now."""

    title: str
    made_at: datetime
    facts: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = field(default=())
    kept: bool = False
