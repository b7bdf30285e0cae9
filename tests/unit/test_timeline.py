"""A flow's story in lines: the order of time, words for outcomes, and what of an answer is kept to ask about it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.story import Story
from funding.flows.table import FLOWS
from ops.reports.stages import stages
from ops.reports.timeline import Happening, timeline

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def story(state: str = "off_ramp_initiated", *, final: bool = False, **parts: list[dict[str, Any]]) -> Story:
    names = ("transitions", "attempts", "intentions", "entries", "events", "letters", "breaks", "notifications")
    flow = {"state": state, "final": final, "status": "closed" if final else "open"}
    return Story(flow=flow, cut=(), **{name: parts.get(name, []) for name in names})


def attempt(outcome: str | None, **more: Any) -> dict[str, Any]:
    """One of `fund_brokerage` at Alpaca, which took a second and a half."""
    finished = None if outcome is None else at(1.5)
    row = {"id": "a1", "step": "fund_brokerage", "number": 2, "claims": 1, "started_at": at(0), "finished_at": finished}
    answer = {
        "outcome": outcome,
        "error": None,
        "message": None,
        "provider": "alpaca",
        "request_id": None,
        "late": None,
    }
    return {**row, **answer, **more}


def move(to: str, seconds: float) -> dict[str, Any]:
    return {"from_state": None, "to_state": to, "reason": None, "effective_at": None, "recorded_at": at(seconds)}


def line_of(made: dict[str, Any]) -> Happening:
    (line,) = timeline(story(attempts=[made]))
    return line


@pytest.mark.parametrize(
    ("outcome", "tone", "title"),
    [
        ("advanced", "quiet", "Fund brokerage: moved on"),
        ("unknown", "warn", "Fund brokerage: no answer: it may or may not have happened"),
        ("rejected", "bad", "Fund brokerage: Alpaca refused"),
        ("lost", "warn", "Fund brokerage: its worker vanished"),
        ("of_a_later_version", "quiet", "Fund brokerage: of a later version"),
        (None, "wait", "Fund brokerage: under way"),
    ],
)
def test_each_outcome_reads_as_a_sentence(outcome: str | None, tone: str, title: str) -> None:
    line = line_of(attempt(outcome))

    assert (line.tone, line.title) == (tone, title)


def test_what_one_would_quote_to_the_provider_is_kept() -> None:
    line = line_of(attempt("rejected", request_id="req_1", error="rejected_42", message="no", claims=3))

    assert dict(line.facts) == {
        "try": 2,
        "looks": 3,
        "took": "1500 ms",
        "request id": "req_1",
        "error": "rejected_42",
        "attempt": "a1",
    }
    assert line.detail == "no"


def test_everything_stands_in_the_order_of_time() -> None:
    letter = {
        "id": "l1",
        "step": "fund_brokerage",
        "error": "rejected",
        "message": "ask",
        "blame": "us",
        "status": "resolved",
        "opened_at": at(2),
        "resolved_at": at(9),
        "resolved_by": "ana",
    }
    lines = timeline(story(letters=[letter], attempts=[attempt("advanced")], transitions=[move("received", -1)]))

    assert [line.kind for line in lines] == ["move", "attempt", "letter", "letter"]
    assert lines[-1].title == "Dead letter resolved"


class TestStages:
    def test_show_what_is_behind_here_and_ahead(self) -> None:
        found = stages(story(transitions=[move("received", 0), move("off_ramp_initiated", 5)]), FLOWS["due_deposit"])

        assert [(stage.state, stage.standing) for stage in found] == [
            ("received", "done"),
            ("off_ramp_initiated", "here"),
            ("off_ramp_completed", "ahead"),
            ("broker_funding_initiated", "ahead"),
            ("broker_funded", "ahead"),
        ]
        assert [stage.at for stage in found] == [at(0), at(5), None, None, None]

    def test_of_one_that_ended_early_show_only_what_it_saw(self) -> None:
        seen = [move("received", 0), move("off_ramp_initiated", 5), move("returned", 9)]
        found = stages(story("returned", final=True, transitions=seen), FLOWS["due_deposit"])

        assert [(stage.state, stage.standing) for stage in found] == [
            ("received", "done"),
            ("off_ramp_initiated", "done"),
            ("returned", "done"),
        ]

    def test_of_a_kind_nobody_knows_any_more_show_its_states(self) -> None:
        assert [stage.state for stage in stages(story("gone", transitions=[move("begun", 0)]), None)] == [
            "begun",
            "gone",
        ]
