"""The shipped dashboard: Grafana can read it, and whatever it asks for is shown by a process of ours."""

import copy
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client import REGISTRY, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from ops.alerts.documents import DASHBOARD_FILE
from ops.reports.metrics import fleet_metrics
from scheduler.metrics import ClockMetrics
from tests.support.door import no_redis, settings
from web.app import create_app, stop
from web.metrics import DoorMetrics

HERE: Final = Path(__file__).resolve()
SCHEMA: Final = json.loads(HERE.with_name("grafana_dashboard.schema.json").read_text(encoding="utf-8"))
TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "null": (type(None),),
    "integer": (int,), "number": (int, float),
}  # fmt: skip


@pytest.fixture
def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE.parents[2] / DASHBOARD_FILE).read_text(encoding="utf-8"))
    return found


def complaints(value: Any, rule: dict[str, Any], at: str = "") -> Iterator[str]:
    """Where a value is not as the schema says: of JSON Schema, the words that ours uses."""
    if "$ref" in rule:
        rule = SCHEMA["definitions"][rule["$ref"].rpartition("/")[2]]
    if not is_of(value, rule.get("type", [])):
        yield f"{at}: not {rule['type']}"
        return
    if "enum" in rule and value not in rule["enum"]:
        yield f"{at}: none of {rule['enum']}"
    if "pattern" in rule and not re.search(rule["pattern"], value):
        yield f"{at}: not like {rule['pattern']}"
    if not rule.get("minimum", -math.inf) <= (value if "minimum" in rule else 0) <= rule.get("maximum", math.inf):
        yield f"{at}: out of bounds"
    if isinstance(value, dict):
        yield from of_parts(value, rule, at)
    if isinstance(value, list):
        for place, below in enumerate(value):
            yield from complaints(below, rule.get("items", {}), f"{at}/{place}")


def is_of(value: Any, kinds: str | list[str]) -> bool:
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(value, bool):  # Python's are numbers too
        return not kinds or "boolean" in kinds
    return not kinds or isinstance(value, tuple(python for kind in kinds for python in TYPES[kind]))


def of_parts(value: dict[str, Any], rule: dict[str, Any], at: str) -> Iterator[str]:
    known = rule.get("properties", {})
    yield from (f"{at}: no {name}" for name in rule.get("required", ()) if name not in value)
    for name, below in value.items():
        if name in known:
            yield from complaints(below, known[name], f"{at}/{name}")
        elif rule.get("additionalProperties") is False:
            yield f"{at}: {name} is not known"


class TestShape:
    def test_is_what_grafana_reads(self, board: dict[str, Any]) -> None:
        assert list(complaints(board, SCHEMA)) == []

    @pytest.mark.parametrize(
        ("spoil", "complaint"),
        [
            (lambda board: board.pop("annotations"), ": no annotations"),
            (lambda board: board.update(refresh=30), "/refresh: not string"),
            (lambda board: board["panels"][1].update(id=True), "/panels/1/id: not integer"),
            (lambda board: board["panels"][1].update(rows=[]), "/panels/1: rows is not known"),
            (lambda board: board["panels"][1]["gridPos"].update(w=25), "/panels/1/gridPos/w: out of bounds"),
            (lambda board: board["panels"][0]["targets"][0].pop("refId"), "/panels/0/targets/0: no refId"),
        ],
    )
    def test_is_seen_to_be_wrong(
        self, board: dict[str, Any], spoil: Callable[[dict[str, Any]], None], complaint: str
    ) -> None:
        spoilt = copy.deepcopy(board)
        spoil(spoilt)
        assert list(complaints(spoilt, SCHEMA)) == [complaint]

    def test_has_panels_that_stay_on_the_grid_and_off_each_other(self, board: dict[str, Any]) -> None:
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(at["x"] + right, at["y"] + down) for right in range(at["w"]) for down in range(at["h"])}
            assert at["x"] + at["w"] <= 24
            assert not cells & taken, panel["title"]
            taken |= cells

    def test_names_lines_by_labels_that_are_there(self, board: dict[str, Any]) -> None:
        for panel in board["panels"]:
            for target in panel["targets"]:
                kept = {label for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in group.split(", ")}
                assert set(re.findall(r"{{(\w+)}}", target.get("legendFormat", ""))) <= kept


def shown(text: str) -> set[str]:
    """Every name on a page of metrics, also of those without samples yet."""
    families = list(text_string_to_metric_families(text))
    names = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    return names | {sample.name for family in families for sample in family.samples}


def test_every_name_in_it_is_shown_by_a_process(board: dict[str, Any], engine: Engine) -> None:
    """Of an empty fleet, which names all that it could show."""
    given = settings("postgresql://door.test/x", "redis://x")
    app = create_app(given, engine=engine, redis=no_redis(), wake=lambda _: None, fleet_metrics=fleet_metrics)
    try:
        web = shown(app.test_client().get("/metrics").text)
    finally:
        stop(app)
    clock = shown(generate_latest(ClockMetrics().registry).decode())
    worker = shown(generate_latest(REGISTRY).decode())

    asked = {
        name for panel in board["panels"] for target in panel["targets"]
        for name in re.findall(r"\brampkeeper_\w+", target["expr"])
    }  # fmt: skip
    assert asked - web - clock - worker == set()
    assert asked & web
    assert asked & clock


def test_counters_are_split_by_labels_that_they_have(board: dict[str, Any]) -> None:
    """Prometheus takes a label that is not there for an empty one, and draws one line for all."""
    collectors = [*vars(DoorMetrics()).values(), *vars(ClockMetrics()).values()]
    labels = {f"{one._name}_total": set(one._labelnames) for one in collectors if isinstance(one, Counter)}
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    split = [found for query in queries if (found := re.match(r"sum by \((.*)\) \(increase\((\w+)\[", query))]
    assert len(split) > 3
    assert {found[2]: set(found[1].split(", ")) for found in split}.items() <= labels.items()
