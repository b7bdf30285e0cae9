"""The benchmark of comparisons: it plants a break of every type, and would see one lost, invented or told otherwise."""

from datetime import UTC, datetime
from typing import Any

import pytest

from benchmarks._reconcile_planted import LEAST, Provider
from benchmarks.reconcile import judge, measure
from funding.reconcile.rules import TYPES


@pytest.fixture
def provider() -> Provider:
    return Provider(LEAST, datetime.now(UTC))


def findings(provider: Provider) -> list[dict[str, Any]]:
    return [{"type": kind, "subject": subject} for kind, subject in sorted(provider.expected())]


def test_everything_planted_is_found_and_nothing_else(database_url: str, provider: Provider) -> None:
    """Pages, doubts, joins and report are the product's own; only the waits between calls are left out."""
    figures = measure(database_url, LEAST)

    assert figures["planted"] == figures["found"] == provider.each * len(TYPES)
    assert (figures["invented"], figures["identical"]) == (0, 1)
    # What is missing on one side is not on it; what a comparison must not mind stands beside the provider's own.
    assert (figures["flows"], figures["records"]) == (LEAST - provider.each, LEAST + provider.each)
    assert min(figures[name] for name in ("seconds", "peak_mb", "ratio_copy_join", "copy_join_s")) > 0


def test_every_type_that_the_rules_know_is_planted(provider: Provider) -> None:
    assert {kind for kind, _ in provider.expected()} == set(TYPES)
    assert all(len(provider.numbers(kind)) >= provider.each for kind in TYPES)


def test_a_lost_break_an_invented_one_and_another_report_are_seen(provider: Provider) -> None:
    told = findings(provider)
    planted = len(told)

    assert judge(provider, ["a", "a"], told) == {
        "planted": planted,
        "found": planted,
        "invented": 0,
        "identical": 1,
    }
    wrong = [*told[1:], told[2], {"type": "missing_here", "subject": "transfer tf_else"}]
    assert judge(provider, ["a", "b"], wrong) == {
        "planted": planted,
        "found": planted - 1,
        "invented": 2,  # one told twice is one too many
        "identical": 0,
    }


def test_a_provider_tells_the_same_in_both_directions(provider: Provider) -> None:
    now = provider.at(0)
    again = Provider(LEAST, now)
    backwards = Provider(LEAST, now, backwards=True)
    shown = {one.id: one for one in everything(backwards)}
    assert shown == {one.id: one for one in again.records()}
    assert [one.id for one in everything(backwards)] == [one.id for one in everything(again)][::-1]


def everything(provider: Provider) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while True:
        page = provider.page(since=provider.at(0), until=provider.at(0), cursor=cursor)
        found += page.records
        cursor = page.next_cursor
        if cursor is None:
            return found
