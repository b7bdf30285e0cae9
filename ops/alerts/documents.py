"""Makes what is shipped for Prometheus and Grafana, and the page on metrics, from the tables in the code.

`python -m ops.alerts.documents` writes them all; a test says when they are not current.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ops.alerts.expressions import Level
from ops.alerts.rules import RULES, Rule
from ops.reports.metrics import FIGURES, Figure

RULES_FILE: Final = "docs/alerts/rampkeeper.rules.yml"
DASHBOARD_FILE: Final = "docs/alerts/rampkeeper.dashboard.json"
METRICS_FILE: Final = "docs/metrics.md"
_UNITS: Final = {"s": "s", "%": "percentunit", "": "short"}
_SHOWN: Final = {"s": "humanizeDuration", "%": "humanizePercentage", "": "humanize"}
_WIDTH, _HEIGHT = 12, 8  # of a panel, on Grafana's grid of 24 columns
# Counters of single processes worth a look: title, question, name, labels.
_COUNTERS: Final = (
    ("Events at the door", "What came in?", "rampkeeper_door_events_total", ("provider", "result")),
    ("Turned away at the door", "What was refused, and why?", "rampkeeper_door_refusals_total", ("provider", "reason")),
    ("Trouble at the door", "What kept the door from storing at once?", "rampkeeper_door_trouble_total", ("kind",)),
    ("The clock's own jobs", "How did they end?", "rampkeeper_clock_runs_total", ("job", "result")),
    ("Breaks of streams", "How often did a stream end?", "rampkeeper_stream_breaks_total", ("provider", "stream")),
)


def documents() -> Mapping[str, str]:
    """Every document: its path from the root of the checkout, and its text."""
    return {RULES_FILE: prometheus_rules(), DASHBOARD_FILE: dashboard(), METRICS_FILE: metrics_page()}


def prometheus_rules() -> str:
    """A rules file for Prometheus: every rule, with its question and where the runbook explains it."""
    lines = [
        "# Made from ops/alerts/rules.py by `python -m ops.alerts.documents`.",
        "groups:",
        "  - name: rampkeeper",
        "    rules:",
    ]
    for rule in RULES:
        subject = " ".join(f"{label} {{{{ $labels.{label} }}}}" for label in rule.looks_at.by)
        summary = f"{rule.title}{f' ({subject})' if subject else ''}: {{{{ $value | {_SHOWN[rule.unit]} }}}}"
        lines += [
            f"      - alert: {rule.prometheus_name}",
            f"        expr: {_quoted(rule.promql)}",
            f"        for: {int(rule.lasting.total_seconds())}s",
            "        labels:",
            f"          severity: {rule.severity}",
            "        annotations:",
            f"          summary: {_quoted(summary)}",
            f"          description: {_quoted(rule.question)}",
            f"          runbook: {_quoted(rule.runbook)}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A text in YAML's double quotes, whose escapes are a superset of JSON's."""
    return json.dumps(text, ensure_ascii=False)


def dashboard() -> str:
    """A dashboard for Grafana: what fires, a panel for each share that a rule watches and each figure, then counters.

    Its shape is that of Grafana's classic model (`dashboard.jsonschema.json` of its foundation SDK).
    """
    panels = [_firing_panel()]
    watched = {rule.looks_at.figure: rule for rule in RULES if isinstance(rule.looks_at, Level)}
    shares = [rule for rule in RULES if not isinstance(rule.looks_at, Level)]
    drawn = [_share_panel(rule) for rule in shares]
    drawn += [_figure_panel(figure, watched.get(figure.name)) for figure in FIGURES]
    drawn += [_counter_panel(*counter) for counter in _COUNTERS]
    for place, panel in enumerate(drawn):
        row, column = divmod(place, 2)
        at = {"h": _HEIGHT, "w": _WIDTH, "x": column * _WIDTH, "y": 5 + row * _HEIGHT}
        panels.append({**panel, "id": place + 2, "gridPos": at})
    whole = {
        "uid": "rampkeeper",
        "title": "Rampkeeper",
        "tags": ["rampkeeper"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "annotations": {"list": []},
        "panels": panels,
    }
    return json.dumps(whole, indent=2) + "\n"


_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def _firing_panel() -> dict[str, Any]:
    return {
        "id": 1,
        "type": "table",
        "title": "Firing now",
        "description": "Every alert of docs/alerts/rampkeeper.rules.yml that fires; docs/runbook.md says what to do.",
        "datasource": _SOURCE,
        "gridPos": {"h": 5, "w": 2 * _WIDTH, "x": 0, "y": 0},
        "targets": [
            {
                "refId": "A",
                "datasource": _SOURCE,
                "expr": 'ALERTS{alertname=~"Rampkeeper.*", alertstate="firing"}',
                "instant": True,
                "format": "table",
            }
        ],
    }


def _share_panel(rule: Rule) -> dict[str, Any]:
    legend = " ".join(f"{{{{{label}}}}}" for label in rule.looks_at.by)
    return _panel(rule.title, rule.question, rule.looks_at.promql(), legend, rule)


def _figure_panel(figure: Figure, rule: Rule | None) -> dict[str, Any]:
    labels = ", ".join(figure.labels)
    query = f"max by ({labels}) ({figure.full_name})" if labels else f"max ({figure.full_name})"
    legend = " ".join(f"{{{{{label}}}}}" for label in figure.labels) or figure.name
    return _panel(figure.name.replace("_", " ").capitalize(), figure.question, query, legend, rule)


def _counter_panel(title: str, question: str, name: str, labels: tuple[str, ...]) -> dict[str, Any]:
    query = f"sum by ({', '.join(labels)}) (increase({name}[5m]))"
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    return _panel(title, f"{question} In the last 5 minutes, all processes together.", query, legend, None)


def _panel(title: str, question: str, query: str, legend: str, rule: Rule | None) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if rule is not None and not rule.below:
        steps.append({"color": "red", "value": rule.threshold})
    if rule is not None and rule.below:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": rule.threshold}]
    unit = rule.unit if rule else ("s" if title.endswith("seconds") else "")
    style = {"mode": "line" if rule and rule.threshold else "off"}
    return {
        "type": "timeseries",
        "title": title,
        "description": question,
        "datasource": _SOURCE,
        "fieldConfig": {
            "defaults": {
                "unit": _UNITS[unit],
                "min": 0,
                "custom": {"thresholdsStyle": style},
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "targets": [{"refId": "A", "datasource": _SOURCE, "expr": query, "legendFormat": legend}],
    }


def metrics_page() -> str:
    """The page on the fleet's metrics: what each answers, its labels, and what reading it costs."""
    lines = [
        "# Metrics of the fleet",
        "",
        "Made from the code by `python -m ops.alerts.documents`; edit `ops/reports/metrics.py`, not this page.",
        "",
        "`/metrics` of every web process shows these figures, read from Postgres at each scrape, beside the counters",
        "of its own process (`rampkeeper_door_*`). All web processes show the same: take the highest, never the sum.",
        "`rampkeeper_fleet_readable` is 0, and the others are absent, while Postgres cannot be read. On `METRICS_PORT`",
        "the clock serves counters of its own, whose help texts are the questions they answer, and a worker what its",
        "process takes: memory, processor time, open files. What workers do is among these figures.",
        "",
        "All are gauges. No query reads what is over: windows end after the newest 10,000 rows of an index by time,",
        "and open things are found by indexes that hold nothing else, so a scrape costs the same beside a million",
        "closed flows. The rules that watch these figures are in `docs/alerts/`; `docs/runbook.md` says what to do.",
        "",
        "Without Prometheus the same rules are looked at once a minute by a worker, and what fires is told by Apprise",
        "(`NOTIFY_APPRISE_URLS`) once, and once more when it is over. What no worker can tell of, because nothing",
        "works or nothing can be read, only Prometheus sees: `clock-stopped`, `no-workers`, `figures-unreadable`.",
        "Watch also that each process can be scraped at all: `up` of your own scrape job.",
    ]
    for figure in FIGURES:
        lines += ["", f"## `{figure.full_name}`", "", figure.question, ""]
        lines += [f"- label `{label}`: {values}" for label, values in figure.labels.items()]
        lines.append(f"- reads {figure.cost}")
        lines += [
            f"- alert [{rule.name}](runbook.md#{rule.name}): {rule.question}"
            for rule in RULES
            if rule.looks_at.figure == figure.name
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write every document where it belongs."""
    root = Path(__file__).resolve().parents[2]
    for path, text in documents().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
