"""A report as it is kept, and back: it reads the same later, whatever its columns have become since."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ops.reports.cells import Column, cell, to_json
from ops.reports.report import Chart, Report, Section


class KeptRow(dict[str, Any]):
    """A row as JSON had it, with what its columns said."""

    def __init__(self, row: Mapping[str, Any], cells: tuple[str, ...]) -> None:
        super().__init__(row)
        self.cells = cells


def dump(report: Report) -> dict[str, Any]:
    """The report as values of JSON: rows as `as_json` gives them, and each cell as people read it."""
    content: dict[str, Any] = json.loads(
        to_json(
            {
                "title": report.title,
                "made_at": report.made_at,
                "facts": report.facts,
                "sections": [_dump_section(section) for section in report.sections],
            }
        )
    )
    return content


def load(content: Mapping[str, Any]) -> Report:
    """The report that `dump` wrote, marked as kept."""
    return Report(
        title=content["title"],
        made_at=datetime.fromisoformat(content["made_at"]),
        facts=[(name, value) for name, value in content["facts"]],
        sections=[_load_section(section) for section in content["sections"]],
        kept=True,
    )


def _dump_section(section: Section) -> dict[str, Any]:
    return {
        "key": section.key,
        "title": section.title,
        "none": section.none,
        "tabled": section.tabled,
        "columns": [{"title": column.title, "right": column.right} for column in section.columns],
        "rows": [{"row": row, "cells": [cell(column.of(row)) for column in section.columns]} for row in section.rows],
        "charts": [
            {"title": chart.title, "bars": chart.bars, "series": chart.series, "unit": chart.unit}
            for chart in section.charts
        ],
    }


def _load_section(section: Mapping[str, Any]) -> Section:
    return Section(
        key=section["key"],
        title=section["title"],
        none=section["none"],
        tabled=section["tabled"],
        columns=[_column(place, **column) for place, column in enumerate(section["columns"])],
        rows=[KeptRow(one["row"], tuple(one["cells"])) for one in section["rows"]],
        charts=[
            Chart(chart["title"], [(label, values) for label, values in chart["bars"]], chart["series"], chart["unit"])
            for chart in section["charts"]
        ],
    )


def _column(place: int, *, title: str, right: bool) -> Column:
    return Column(title, lambda row: row.cells[place] if isinstance(row, KeptRow) else None, right)
