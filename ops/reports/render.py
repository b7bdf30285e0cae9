"""A report as text, JSON, CSV, or a page that needs nothing but itself."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from html import escape
from typing import Final

from ops.reports.cells import Column, Row, cell, money_text, short_length, to_json
from ops.reports.page_style import STYLE
from ops.reports.report import COUNT, MILLISECONDS, Chart, Report, Section

BAR_HEIGHT: Final = 10
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # full-width forms too


def as_text(report: Report, *, most: int | None = None) -> str:
    """Plain text, columns aligned; with `most`, no more rows than that of each section, and how many were left out."""
    lines = [report.title, as_of(report), ""]
    width = max((len(name) for name, _ in report.facts), default=0)
    lines += [f"{name.ljust(width)}  {value}" for name, value in report.facts]
    for section in report.sections:
        rows = section.rows[:most]
        lines += ["", section.title, *(aligned(rows, section.columns) if rows else [section.none])]
        if len(rows) < len(section.rows):
            lines.append(f"and {len(section.rows) - len(rows)} more")
    return "\n".join(lines) + "\n"


def as_json(report: Report) -> str:
    """One JSON document: title, made_at, kept, facts, and each section's rows under its key."""
    sections = {section.key: section.rows for section in report.sections}
    facts = {name.replace(" ", "_"): value for name, value in report.facts}
    head = {"title": report.title, "made_at": report.made_at, "kept": report.kept, "facts": facts}
    return to_json({**head, **sections}) + "\n"


def as_csv(report: Report) -> str:
    """The facts and then the sections, each with a header line; the first field names the section.

    A cell that a spreadsheet would take for a formula is quoted with an apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["section", "name", "value"])
    said = [("title", report.title), ("made at", report.made_at), ("kept", report.kept), *report.facts]
    writer.writerows(["facts", harmless(name), harmless(cell(value))] for name, value in said)
    for section in report.sections:
        writer.writerow(["section", *(column.title for column in section.columns)])
        writer.writerows(
            [section.key, *(harmless(cell(column.of(row))) for column in section.columns)] for row in section.rows
        )
    return out.getvalue()


def as_html(report: Report) -> str:
    """A page of its own that prints well: styles and charts are in it, nothing is fetched, nothing runs."""
    facts = "".join(
        f"<div><b>{escape(cell(value))}</b><span>{escape(name)}</span></div>" for name, value in report.facts
    )
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        '<meta name=color-scheme content="light dark">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head><body><main><h1>{escape(report.title)}</h1>"
        f"<p class=made>{escape(as_of(report))}</p><div class=facts>{facts}</div>"
        f"{''.join(map(_section, report.sections))}</main></body></html>\n"
    )


def as_of(report: Report) -> str:
    """When it was made, and whether it is one that was kept."""
    return f"as of {cell(report.made_at)}{', kept since' if report.kept else ''}"


FORMATS: Final[Mapping[str, Callable[[Report], str]]] = {
    "text": as_text,
    "json": as_json,
    "csv": as_csv,
    "html": as_html,
}


def aligned(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """A table as lines of plain text: a header, then a line each; columns two spaces apart."""
    titles = [column.title.upper() for column in columns]
    cells = [[cell(column.of(row)) for column in columns] for row in rows]
    widths = [max(len(line[place]) for line in [titles, *cells]) for place in range(len(columns))]
    return [
        "  ".join(
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in [titles, *cells]
    ]


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: quoted with an apostrophe where one would."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _section(section: Section) -> str:
    title = escape(section.title)
    if not section.rows:
        return f"<section><h2>{title}</h2><p>{escape(section.none)}</p></section>"
    charts = "".join(map(_chart, section.charts))
    if charts and not section.tabled:
        return f"<section><h2>{title}</h2>{charts}</section>"
    head = "".join(f"<th scope=col{_side(column)}>{escape(column.title)}</th>" for column in section.columns)
    body = "".join(
        "<tr>"
        + "".join(f"<td{_side(column)}>{escape(cell(column.of(row)))}</td>" for column in section.columns)
        + "</tr>"
        for row in section.rows
    )
    return (
        f"<section><h2>{title}</h2>{charts}"
        f'<div class=wide role=region tabindex=0 aria-label="{title}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _chart(chart: Chart) -> str:
    """Bars whose lengths are shares of the page's width; the numbers stand beside them as text."""
    most = max((value for _, values in chart.bars for value in values), default=0)
    if not most:
        return ""
    legend = "".join(
        f"<span><svg width=12 height=10 aria-hidden=true><rect class=s{place} width=12 height=10 rx=2 /></svg> "
        f"{escape(name)}</span> "
        for place, name in enumerate(chart.series)
    )
    rows = "".join(_bars(chart, label, values, most) for label, values in chart.bars)
    caption = f"<figcaption>{escape(chart.title)} {legend}</figcaption>"
    return f"<figure>{caption}<table class=chart><tbody>{rows}</tbody></table></figure>"


def _bars(chart: Chart, label: str, values: Sequence[int], most: int) -> str:
    tall = (BAR_HEIGHT + 2) * len(values)
    bars = "".join(
        f'<rect class=s{place} y={place * (BAR_HEIGHT + 2)} width="{_share(value, most)}%" height={BAR_HEIGHT} rx=2 />'
        for place, value in enumerate(values)
    )
    said = " \u00b7 ".join(_shown(chart.unit, value) for value in values)
    return (
        f"<tr><th scope=row>{escape(cell(label))}</th>"
        f'<td class=bars><svg width="100%" height={tall} aria-hidden=true>{bars}</svg></td>'
        f"<td class=n>{escape(said)}</td></tr>"
    )


def _share(value: int, most: int) -> str:
    """Of the longest bar, in percent; what is there at all is seen."""
    return f"{max(value * 1000 // most, 5 if value else 0) / 10:g}"


def _shown(unit: str, value: int) -> str:
    if unit == COUNT:
        return str(value)
    if unit == MILLISECONDS:
        return short_length(timedelta(milliseconds=value))
    return money_text(value, unit)


def _side(column: Column) -> str:
    return " class=n" if column.right else ""
