"""What happens next, in words: every way a flow can stand, and who is told to do what."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funding.flows.table import FLOWS
from ops.reports.next_act import NextAct, next_act

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
SOON = NOW + timedelta(seconds=43)
LETTER = {"id": "l1", "status": "open", "message": "Ask Alpaca why."}


def standing(*, letters: list[dict[str, Any]] | None = None, kind: str = "due_deposit", **more: Any) -> NextAct:
    """What is said of a deposit that waits for its next look, but for what the test is about."""
    flow = {
        "id": "f1",
        "state": "off_ramp_initiated",
        "status": "open",
        "provider": "due",
        "at_work": False,
        "claim_until": None,
        "parked": False,
        "parked_reason": None,
        "due_at": SOON,
        "now": NOW,
        "snooze_reason": "Due says approved",
        "tries": 0,
        "look_first": False,
        "paused": False,
        "paused_by": None,
        "paused_reason": None,
        "breaker": "closed",
        "open_until": None,
        "held_until": None,
        "workers": 1,
        **more,
    }
    return next_act(flow, FLOWS.get(kind), letters or [])


def test_a_waiting_flow_is_looked_at_at_its_time_or_sooner() -> None:
    told = standing(tries=2)

    assert told.headline == "The next look, or sooner on an event:"
    assert told.at == SOON
    assert told.says[0].startswith("Follow transfer: Read the transfer from Due itself")
    assert "Last time: Due says approved." in told.says
    assert "2 of its tries failed so far." in told.says


@pytest.mark.parametrize(
    ("more", "tone", "headline"),
    [
        ({"at_work": True, "claim_until": SOON}, "ok", "A worker is at it now: follow transfer."),
        ({"due_at": NOW}, "wait", "A worker takes it within seconds."),
        ({"due_at": NOW - timedelta(minutes=1)}, "warn", "It is due, and waits for a free worker."),
        ({"due_at": NOW, "workers": 0}, "bad", "It is due, but no worker is alive."),
        ({"due_at": None}, "warn", "It waits for an event; nothing is due by itself."),
        ({"breaker": "open", "open_until": SOON}, "warn", "It waits for Due, which failed too often"),
        ({"held_until": SOON}, "wait", "It waits as long as Due asked us to."),
        ({"held_until": NOW - timedelta(hours=1)}, "wait", "The next look"),
        ({"status": "closed", "due_at": None, "state": "returned"}, "ok", "Nothing: it is over."),
        ({"status": "resting", "state": "broker_funded"}, "ok", "It is finished; a look for late changes follows."),
        ({"kind": "of_a_later_version"}, "bad", "Nobody knows"),
        ({"state": "of_a_later_version"}, "bad", "Nobody knows"),
        ({"parked": True, "due_at": None, "parked_reason": "why"}, "warn", "It waits for a person."),
    ],
)
def test_each_standing_has_its_sentence(more: dict[str, Any], tone: str, headline: str) -> None:
    told = standing(**more)

    assert told.headline.startswith(headline)
    assert told.tone == tone


def test_a_paused_provider_names_who_paused_it_and_how_to_resume() -> None:
    told = standing(paused=True, paused_by="ana", paused_reason="they maintain it", due_at=NOW)

    assert told.headline == "It waits until Due is resumed."
    assert told.says[0] == "Due is paused by ana: they maintain it"
    assert told.commands == ("rampkeeper providers resume due",)


def test_a_parked_flow_asks_for_a_person_with_what_to_do_and_to_type() -> None:
    told = standing(parked=True, due_at=None, letters=[{**LETTER, "id": "l0", "status": "resolved"}, LETTER])

    assert (told.tone, told.headline, told.at) == ("bad", "Nothing, until a person acts.", None)
    assert told.says[0] == "Ask Alpaca why."
    assert told.commands[0] == "rampkeeper dead-letters replay l1"


def test_a_replayed_one_is_tried_again() -> None:
    told = standing(parked=True, due_at=NOW, letters=[{**LETTER, "status": "replaying"}])

    assert told.headline == "It is being replayed: follow transfer is tried again."
    assert told.commands == ()


def test_after_a_restore_it_says_that_it_asks_before_it_creates() -> None:
    told = standing(look_first=True, provider="alpaca", state="off_ramp_completed")

    assert "It first asks Alpaca whether the last try had its effect." in told.says
