"""What may be sent under which key: nothing happened, something may have, or commits were lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from funding.intentions import AskPerson, LookUp, Send, Wait, plan
from funding.policy import Policy
from funding.snapshot import Intention

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEYED = Policy(
    provider="alpaca",
    key_lifetime=timedelta(hours=24),
    can_look_up=True,
    assumed_rate_per_minute=60,
    rate_documented=False,
)
BLIND = replace(KEYED, can_look_up=False)


def an_intention(
    outcome: str, *, generation: int = 0, sends: int = 1, age: timedelta = timedelta(minutes=5)
) -> Intention:
    born = NOW - age
    return Intention(
        key=uuid4(),
        call="journal",
        generation=generation,
        request="{}",
        born_at=born,
        sends=sends,
        settle_from=born + timedelta(seconds=30),
        outcome=outcome,
        look_ups=0,
        looked_at=None,
    )


@pytest.mark.parametrize("outcome", ["sent", "unknown", "done", "answered_5xx"])
def test_what_may_have_happened_is_asked_for_under_its_own_key(outcome: str) -> None:
    assert plan(an_intention(outcome), policy=KEYED, now=NOW, look_first=False) == Send(0, again=True)


def test_a_key_that_never_left_us_is_used_with_whatever_is_to_be_sent_now() -> None:
    """Not sent, so no answer can be hidden under it: the amount may have changed since."""
    assert plan(an_intention("unsent"), policy=KEYED, now=NOW, look_first=False) == Send(0, again=False)


def test_a_refused_key_is_not_used_again() -> None:
    assert plan(an_intention("refused"), policy=KEYED, now=NOW, look_first=False) == Send(1, again=False)


@pytest.mark.parametrize(
    ("intention", "generation"),
    [(None, 0), (an_intention("unsent"), 0), (an_intention("refused", generation=2), 3)],
    ids=["none", "unsent", "refused"],
)
def test_after_lost_commits_every_create_looks_first(intention: Intention | None, generation: int) -> None:
    """A later generation may have been made, and forgotten with the commits."""
    decision = plan(intention, policy=KEYED, now=NOW, look_first=True)
    assert decision == LookUp(then=Send(generation, again=False))


def test_what_can_neither_be_repeated_nor_looked_up_is_a_persons() -> None:
    dead = an_intention("unknown", age=timedelta(days=2))
    assert isinstance(plan(dead, policy=BLIND, now=NOW, look_first=False), AskPerson)


def test_past_its_key_it_looks_twice_a_settle_time_apart_before_a_new_one() -> None:
    dead = an_intention("unknown", age=timedelta(days=2))
    assert plan(dead, policy=KEYED, now=NOW, look_first=False) == LookUp()
    looked = replace(dead, look_ups=1, looked_at=NOW)
    assert plan(looked, policy=KEYED, now=NOW, look_first=False) == Wait(KEYED.settle_time)
    later = NOW + KEYED.settle_time
    assert plan(looked, policy=KEYED, now=later, look_first=False) == LookUp()
    twice = replace(looked, look_ups=2)
    assert plan(twice, policy=KEYED, now=later, look_first=False) == Send(1, again=False)
