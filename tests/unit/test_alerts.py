"""The table of alerts: what is shipped is made from it, and every alert has a page to turn to."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped]  # comes with Apprise; only this test reads YAML

from ops.alerts.documents import DASHBOARD_FILE, RULES_FILE, documents
from ops.alerts.expressions import Level, Share
from ops.alerts.rules import RULES, Rule
from ops.cli.main import cli
from ops.reports.metrics import FIGURES, PREFIX

ROOT = Path(__file__).resolve().parents[2]
LABELS = {figure.name: set(figure.labels) for figure in FIGURES}


@pytest.fixture(scope="module")
def shipped_rules() -> list[dict[str, Any]]:
    whole = yaml.safe_load((ROOT / RULES_FILE).read_text(encoding="utf-8"))
    assert set(whole) == {"groups"}
    (group,) = whole["groups"]
    assert set(group) == {"name", "rules"}
    rules: list[dict[str, Any]] = group["rules"]
    return rules


class TestDocuments:
    @pytest.mark.parametrize("path", list(documents()))
    def test_are_current(self, path: str) -> None:
        current = documents()[path]
        assert (ROOT / path).read_text(encoding="utf-8") == current, "run `python -m ops.alerts.documents`"

    def test_rules_have_the_shape_that_prometheus_reads(self, shipped_rules: list[dict[str, Any]]) -> None:
        """Also where promtool is not at hand, which would refuse any other key, and durations without a unit."""
        assert len(shipped_rules) == len(RULES)
        for rule in shipped_rules:
            assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
            assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", rule["alert"])
            assert re.fullmatch(r"\d+s", rule["for"])
            assert rule["labels"]["severity"] in {"page", "ticket"}
            assert all(isinstance(text, str) and text for text in rule["annotations"].values())

    def test_expressions_speak_of_metrics_we_show_and_close_what_they_open(
        self, shipped_rules: list[dict[str, Any]]
    ) -> None:
        known = {figure.full_name for figure in FIGURES} | {f"{PREFIX}fleet_readable"}
        for rule in shipped_rules:
            assert set(re.findall(r"rampkeeper_\w+", rule["expr"])) <= known
            depth = 0
            for letter in re.sub(r'"[^"]*"', "", rule["expr"]):
                depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(letter, 0)
                assert depth >= 0
            assert depth == 0
            assert re.search(r" [<>] [0-9.]+$", rule["expr"])

    def test_dashboard_has_a_panel_for_each_figure(self) -> None:
        board = json.loads((ROOT / DASHBOARD_FILE).read_text(encoding="utf-8"))
        queries = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
        assert [figure.full_name for figure in FIGURES if figure.full_name not in queries] == []
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}
        assert len(places) == len(board["panels"])

    def test_each_alert_has_a_section_in_the_runbook(self) -> None:
        runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
        sections = set(re.findall(r"^#+ (\S+)$", runbook, flags=re.MULTILINE))
        assert {rule.name for rule in RULES} - sections == set()


@pytest.fixture(scope="module")
def sections() -> set[str]:
    runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    return set(re.findall(r"^## (\S+)$", runbook, flags=re.MULTILINE))


class TestRunbook:
    """Whoever opens a dead letter or a break finds a section under its very name."""

    def test_has_a_section_for_each_break_type_in_the_code(self, sections: set[str]) -> None:
        found = named("type", of={"BreakFound"}) | named("break_type", of={"NeedsPerson"})
        assert {"stuck", "balance_differs", "unmatched_event", "duplicate"} <= found
        assert found - sections == set()

    def test_has_a_section_for_each_error_of_a_dead_letter(self, sections: set[str]) -> None:
        found = named("error", of={"Death", "Parking"})
        assert {"unknown_virtual_account", "needs_person", "unusable_event"} <= found
        assert found - sections == set()
        # Those made of a code are explained under one name.
        assert {"journal_rejected", "rejected_CODE", "unknown", "not_found"} <= sections

    def test_leads_nowhere_wrong(self) -> None:
        runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
        anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", runbook, flags=re.MULTILINE)}
        assert set(re.findall(r"\]\(#([^)]+)\)", runbook)) - anchors == set()

    def test_names_commands_that_exist(self) -> None:
        """A person on call types what stands here."""
        runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
        words = set(re.findall(r"rampkeeper ([a-z-]+)(?: ([a-z][a-z-]*))?", runbook))
        unknown = {" ".join(said).strip() for said in words if not is_command(*said)}
        assert unknown == set()


def is_command(name: str, below: str) -> bool:
    command = cli.get_command(click.Context(cli), name)
    if command is None:
        return False
    return not below or not isinstance(command, click.Group) or below in command.commands


def named(keyword: str, *, of: set[str]) -> set[str]:
    """Every constant text given as `keyword` to a call of one of those classes, in the product's code."""
    found: set[str] = set()
    for folder in ("funding", "workers", "db", "ops"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            constants = {
                node.target.id: node.value.value
                for node in ast.walk(tree)
                if isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and isinstance(node.value, ast.Constant)
            }
            for call in ast.walk(tree):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in of:
                    found |= texts([given.value for given in call.keywords if given.arg == keyword], constants)
    return found


def texts(values: Sequence[ast.expr], constants: Mapping[str, object]) -> set[str]:
    """The texts an expression may be: a constant, a named one, or either branch of a choice."""
    found: set[str] = set()
    for value in values:
        match value:
            case ast.Constant(value=str(said)):
                found.add(said)
            case ast.Name(id=name) if isinstance(constants.get(name), str):
                found.add(str(constants[name]))
            case ast.IfExp(body=first, orelse=second):
                found |= texts([first, second], constants)
    return found


class TestRules:
    @pytest.mark.parametrize("rule", [rule for rule in RULES if rule.ours], ids=lambda rule: rule.name)
    def test_look_at_labels_that_the_figure_has(self, rule: Rule) -> None:
        """A misspelt label never fires, here or in Prometheus."""
        looks_at = rule.looks_at
        used = set(looks_at.by)
        match looks_at:
            case Level():
                used |= set(looks_at.where)
            case Share():
                used |= set(looks_at.part) | set(looks_at.whole)
        assert used <= LABELS[looks_at.figure]

    def test_are_named_once(self) -> None:
        assert len({rule.name for rule in RULES}) == len(RULES)
        assert RULES[0].prometheus_name == "RampkeeperSuccessLow"

    def test_leave_to_prometheus_only_what_our_own_figures_lack(self) -> None:
        assert [rule.name for rule in RULES if rule.looks_at.figure not in LABELS] == ["figures-unreadable"]
        assert [rule.name for rule in RULES if not rule.ours] == ["figures-unreadable"]


READINGS = {
    "begun_flows": [
        ({"kind": "a", "result": "succeeded"}, 17.0),
        ({"kind": "a", "result": "failed"}, 2.0),
        ({"kind": "a", "result": "parked"}, 1.0),
        ({"kind": "a", "result": "under_way"}, 100.0),
        ({"kind": "b", "result": "failed"}, 3.0),
    ]
}
OVER = {"result": ("succeeded", "failed", "parked")}
BAD = {"result": ("failed", "parked")}


class TestExpressions:
    def test_a_share_counts_only_where_there_is_enough(self) -> None:
        share = Share(figure="begun_flows", by=("kind",), part=BAD, whole=OVER, enough=20)
        assert share.values(READINGS) == {("a",): 0.15}

    def test_a_level_folds_each_group(self) -> None:
        level = Level(figure="begun_flows", by=("kind",), where=BAD, fold="sum")
        assert level.values(READINGS) == {("a",): 3, ("b",): 3}
        assert Level(figure="begun_flows", fold="min").values(READINGS) == {(): 1}

    def test_an_absent_figure_has_no_value(self) -> None:
        assert Level(figure="live_sessions", fold="min").values({}) == {}

    def test_sums_take_one_of_the_equal_series_of_several_processes(self) -> None:
        """Two web processes show the same dead letters: together they are not twice as many."""
        level = Level(figure="open_dead_letters", by=("kind",), fold="sum")
        assert level.promql() == "sum by (kind) (max by (kind, step, blame) (rampkeeper_open_dead_letters))"
