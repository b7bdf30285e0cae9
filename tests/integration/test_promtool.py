"""The shipped rules in the hands of Prometheus's own tool: it reads them all, and each fires when it should."""

import json
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from ops.alerts.documents import RULES_FILE
from ops.alerts.expressions import Level, Share
from ops.alerts.rules import RULES, Rule
from ops.reports.metrics import FIGURES, PREFIX

PROMTOOL: Final = shutil.which("promtool")
MISSING: Final = "no promtool: install Debian's package prometheus"
SHIPPED: Final = Path(__file__).resolve().parents[2] / RULES_FILE
EVERY: Final = timedelta(seconds=30)
LABELS: Final = {figure.name: tuple(figure.labels) for figure in FIGURES}

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason=MISSING)

Series = dict[str, str]  # by series: its values, one for each `EVERY`


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL
    return subprocess.run([PROMTOOL, *words], capture_output=True, text=True, check=False, timeout=60)


def test_prometheus_reads_every_rule() -> None:
    read = promtool("check", "rules", "--lint=all", "--lint-fatal", SHIPPED)
    assert read.returncode == 0, read.stdout + read.stderr
    assert f"{len(RULES)} rules found" in read.stdout


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
class TestEachRule:
    def test_fires_once_it_has_lasted_its_time(self, rule: Rule, tmp_path: Path) -> None:
        """Two web processes show the same: that is one alert."""
        looks = [look(rule, rule.lasting, fires=True), look(rule, rule.lasting * 2, fires=True)]
        if rule.lasting:
            looks.append(look(rule, rule.lasting - EVERY, fires=False))
        judge(tmp_path, looks, steady(rule, BAD))

    def test_is_silent_at_its_threshold_and_on_what_it_does_not_look_at(self, rule: Rule, tmp_path: Path) -> None:
        judge(tmp_path, [look(rule, rule.lasting * 2, fires=False)], steady(rule, FAIR) | beside(rule))


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.lasting], ids=lambda rule: rule.name)
def test_its_time_begins_anew_after_a_moment_of_calm(rule: Rule, tmp_path: Path) -> None:
    before = rule.lasting // EVERY  # bad looks, then a calm one
    fair = steady(rule, FAIR)
    broken = {
        name: f"{leading(bad)}x{before - 1} {leading(fair[name])} {bad}" for name, bad in steady(rule, BAD).items()
    }
    again = EVERY * (before + 1) + rule.lasting
    looks = [look(rule, rule.lasting, fires=False), look(rule, again - EVERY, fires=False)]
    judge(tmp_path, [*looks, look(rule, again, fires=True)], broken)


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if isinstance(rule.looks_at, Share)], ids=lambda rule: rule.name
)
def test_a_share_of_too_few_is_no_alarm(rule: Rule, tmp_path: Path) -> None:
    assert isinstance(rule.looks_at, Share)
    few = steady(rule, (rule.looks_at.enough - 1, 0))
    judge(tmp_path, [look(rule, rule.lasting * 2, fires=False)], few)


BAD: Final = (50, 50)  # of a share: bad ones and good ones; of a level: see `value`
FAIR: Final = (None, None)  # exactly at the threshold


def value(rule: Rule) -> float:
    """A level on the wrong side."""
    return 0 if rule.below else 2 * rule.threshold or 2


def steady(rule: Rule, how: tuple[int | None, int | None]) -> Series:
    """The rule's figure as two processes show it, always the same."""
    at, looked = rule.looks_at, {label: f"some_{label}" for label in LABELS.get(rule.looks_at.figure, ())}
    if isinstance(at, Share):
        ((label, bad),) = at.part.items()
        good = next(word for word in (*at.whole.get(label, ()), "ok") if word not in bad)
        worse, better = how
        if worse is None or better is None:
            worse, better = round(100 * rule.threshold), round(100 - 100 * rule.threshold)
        return shown(at.figure, looked | {label: bad[0]}, worse) | shown(at.figure, looked | {label: good}, better)
    assert isinstance(at, Level)
    chosen = {label: words[0] for label, words in at.where.items()}
    return shown(at.figure, looked | chosen, value(rule) if how == BAD else rule.threshold)


def beside(rule: Rule) -> Series:
    """What the rule is not about, as bad as can be."""
    at, looked = rule.looks_at, {label: f"some_{label}" for label in LABELS.get(rule.looks_at.figure, ())}
    not_looked_at = at.where if isinstance(at, Level) else at.whole if isinstance(at, Share) else {}
    return {
        series: values
        for label in not_looked_at
        for series, values in shown(at.figure, looked | {label: "another"}, value(rule) * 10).items()
    }


def shown(figure: str, labels: dict[str, str], number: float) -> Series:
    found = {}
    for process in ("web:1", "web:2"):
        written = ", ".join(f'{label}="{word}"' for label, word in (labels | {"instance": process}).items())
        found[f"{PREFIX}{figure}{{{written}}}"] = f"{number:g}x100"
    return found


def leading(values: str) -> str:
    return values.partition("x")[0]


def look(rule: Rule, at: timedelta, *, fires: bool) -> dict[str, Any]:
    """What promtool is to find at that moment, to the last word that people read."""
    labels = {label: f"some_{label}" for label in rule.looks_at.by}
    about = " ".join(f"{label} {word}" for label, word in labels.items())
    number = 0.5 if isinstance(rule.looks_at, Share) else value(rule)
    alert = {
        "exp_labels": labels | {"severity": rule.severity},
        "exp_annotations": {
            "summary": f"{rule.title}{f' ({about})' if about else ''}: {read(rule, number)}",
            "description": rule.question,
            "runbook": rule.runbook,
        },
    }
    return {
        "eval_time": f"{int(at.total_seconds())}s",
        "alertname": rule.prometheus_name,
        "exp_alerts": [alert] if fires else [],
    }


def read(rule: Rule, number: float) -> str:
    """A value as Prometheus writes it."""
    if rule.unit == "%":
        return f"{100 * number:g}%"
    if rule.unit == "s":
        minutes, seconds = divmod(int(number), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{f'{hours}h ' if hours else ''}{minutes}m {seconds}s"
    return f"{number:g}"


def judge(folder: Path, looks: list[dict[str, Any]], series: Series) -> None:
    """One story, told to promtool beside the shipped rules."""
    story = {
        "interval": f"{EVERY.seconds}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": looks,
    }
    told = folder / "story.yml"
    whole = {"rule_files": [str(SHIPPED)], "evaluation_interval": f"{EVERY.seconds}s", "tests": [story]}
    told.write_text(json.dumps(whole), encoding="utf-8")
    judged = promtool("test", "rules", told)
    assert judged.returncode == 0, judged.stdout + judged.stderr
