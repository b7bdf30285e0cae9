"""A report as text, JSON, CSV, or a page that needs nothing but itself."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

from ops.reports.cells import Column, Row, cell, to_json
from ops.reports.report import Chart, Report, Section

ROW_HEIGHT: Final = 22
BAR_WIDTH: Final = 420
LABEL_WIDTH: Final = 220
LABEL_LENGTH: Final = 32


def as_text(report: Report) -> str:
    """Plain text, columns aligned."""
    lines = [report.title, f"as of {cell(report.made_at)}", ""]
    width = max((len(name) for name, _ in report.facts), default=0)
    lines += [f"{name.ljust(width)}  {value}" for name, value in report.facts]
    for section in report.sections:
        lines += ["", section.title, *(aligned(section.rows, section.columns) if section.rows else [section.none])]
    return "\n".join(lines) + "\n"


def as_json(report: Report) -> str:
    """One JSON document: title, made_at, facts, and each section's rows under its key."""
    sections = {section.key: section.rows for section in report.sections}
    facts = {name.replace(" ", "_"): value for name, value in report.facts}
    return to_json({"title": report.title, "made_at": report.made_at, "facts": facts, **sections}) + "\n"


def as_csv(report: Report) -> str:
    """The sections one after another, each with a header line; the first field names the section.

    A cell that a spreadsheet would take for a formula is quoted with an apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    for section in report.sections:
        writer.writerow(["section", *(column.title for column in section.columns)])
        writer.writerows(
            [section.key, *(_harmless(cell(column.of(row))) for column in section.columns)] for row in section.rows
        )
    return out.getvalue()


def as_html(report: Report) -> str:
    """A page of its own: styles and charts are in it, nothing is fetched."""
    facts = "".join(
        f"<div><b>{escape(cell(value))}</b><span>{escape(name)}</span></div>" for name, value in report.facts
    )
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{_STYLE}</style></head><body><h1>{escape(report.title)}</h1>"
        f"<p class=made>as of {escape(cell(report.made_at))}</p><div class=facts>{facts}</div>"
        f"{''.join(map(_section, report.sections))}</body></html>\n"
    )


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


def _section(section: Section) -> str:
    if not section.rows:
        return f"<h2>{escape(section.title)}</h2><p>{escape(section.none)}</p>"
    head = "".join(f"<th{_side(column)}>{escape(column.title)}</th>" for column in section.columns)
    body = "".join(
        "<tr>"
        + "".join(f"<td{_side(column)}>{escape(cell(column.of(row)))}</td>" for column in section.columns)
        + "</tr>"
        for row in section.rows
    )
    chart = _chart(section.chart) if section.chart and section.chart.bars else ""
    return (
        f"<h2>{escape(section.title)}</h2>{chart}<div class=wide><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _chart(chart: Chart) -> str:
    most = max((value for _, value in chart.bars), default=0) or 1
    height = ROW_HEIGHT * len(chart.bars)
    bars = []
    for place, (label, value) in enumerate(chart.bars):
        top, width = place * ROW_HEIGHT, max(1, BAR_WIDTH * value // most)
        short = label if len(label) <= LABEL_LENGTH else f"{label[: LABEL_LENGTH - 1]}\u2026"
        bars.append(
            f'<text x="{LABEL_WIDTH - 8}" y="{top + 15}" text-anchor="end">{escape(short)}</text>'
            f'<rect x="{LABEL_WIDTH}" y="{top + 3}" width="{width}" height="16" rx="2"/>'
            f'<text x="{LABEL_WIDTH + width + 6}" y="{top + 15}">{value}</text>'
        )
    total = LABEL_WIDTH + BAR_WIDTH + 60
    return (
        f'<svg role="img" viewBox="0 0 {total} {height}" width="{total}" height="{height}">'
        f"<title>{escape(chart.title)}</title>{''.join(bars)}</svg>"
    )


def _side(column: Column) -> str:
    return " class=n" if column.right else ""


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


_STYLE: Final = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#1b2330;background:#fff}
h1{margin:0;font-size:1.6rem}h2{margin:2rem 0 .6rem;font-size:1.1rem}.made{color:#5b6675;margin:.2rem 0 1.2rem}
.facts{display:flex;flex-wrap:wrap;gap:.8rem}.facts div{border:1px solid #d8dde5;border-radius:8px;padding:.6rem .9rem}
.facts b{display:block;font-size:1.15rem}.facts span{color:#5b6675;font-size:.85rem}.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.88rem}th,td{text-align:left;padding:.35rem .6rem}
td{vertical-align:top}
th{border-bottom:2px solid #c3cad5}td{border-bottom:1px solid #e6e9ef}.n{text-align:right;white-space:nowrap}
svg{max-width:100%;height:auto;font-size:13px;fill:#1b2330}svg rect{fill:#3b6fb5}
@media(prefers-color-scheme:dark){body{background:#12161c;color:#dde3ec}.facts div,td{border-color:#2b333f}
th{border-color:#46505e}.made,.facts span{color:#93a0b1}svg{fill:#dde3ec}svg rect{fill:#6f9fe0}}
"""
