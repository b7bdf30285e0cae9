"""The guards of the core, each taken away: the simulation must find out, and must not cry wolf while it stands."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from db import clock, findings, flows, intentions, ledger, lost_claims, other_flows, recording, streams
from db.inbox import Stored
from funding import calls
from funding import intentions as rules
from funding.flows import bridge_withdrawal_checks, due_checks, stripe_takings
from funding.policy import Policy
from tests.simulation import history
from tests.simulation.play import play
from tests.simulation.stage import Stage
from web.inbox_writer import InboxWriter
from workers.session import Session


def alter_record(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """The same of the record's statement, which is put together of parts."""
    parts = {name: part.replace(old, new) for name, part in findings.PARTS.items()}
    changed = recording._CHANGED.replace(old, new)
    assert (changed, parts) != (recording._CHANGED, findings.PARTS), (
        "a record reads otherwise: look for its guard again"
    )
    monkeypatch.setattr(recording, "_CHANGED", changed)
    monkeypatch.setattr(findings, "PARTS", parts)
    monkeypatch.setattr(recording, "_statement", recording._statement.__wrapped__)


def alter(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, old: str, new: str) -> None:
    """Change a statement of the product's; a statement that reads otherwise by now fails the test."""
    statement = getattr(module, name).text
    assert old in statement, f"{module.__name__}.{name} reads otherwise: look for its guard again"
    monkeypatch.setattr(module, name, text(statement.replace(old, new)))


def fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose claim was freed records all the same."""
    held = "AND fence = :fence AND attempt_id IS NOT DISTINCT FROM :attempt"
    alter_record(monkeypatch, held, f"AND (true OR NOT (true {held}))")


def attempt_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim is known by its number alone, which is handed out again when commits were lost."""
    held = "attempt_id IS NOT DISTINCT FROM :attempt"
    alter_record(monkeypatch, held, f"(true OR {held})")


def wake_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record does not look whether somebody woke the flow meanwhile."""
    alter_record(monkeypatch, "WHEN wakes <> :wakes THEN rk_now()", "WHEN false THEN rk_now()")


def settle_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing found once is nothing there, though a call may still be on its way."""

    def look_once(intention: Any, **_more: Any) -> Any:
        return rules.LookUp() if intention.look_ups == 0 else None

    monkeypatch.setattr(rules, "_look_twice", look_once)


def key_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call without an answer counts as refused: it is made anew under another key."""

    def plan_blindly(intention: Any, **more: Any) -> Any:
        if intention is not None and intention.outcome == "unknown":
            intention = replace(intention, outcome="refused")
        return rules.plan(intention, **more)

    monkeypatch.setattr(calls, "plan", plan_blindly)


def cause_uniqueness(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry is unique by itself, not by its cause: an event that comes again posts again."""
    post = ledger.post

    def post_again(connection: Any, flow: Any, entries: Any) -> Any:
        # Entries without a flow are made by events alone; the others are posted by steps, which are fenced besides.
        again = [entry if flow else replace(entry, cause=f"{entry.cause}/{uuid4()}") for entry in entries]
        return post(connection, flow, again)

    monkeypatch.setattr(ledger, "post", post_again)


def session_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker sends without asking itself whether it stood still meanwhile."""
    monkeypatch.setattr(Session, "check_before_sending", lambda _self, _keep: None)


def group_commit_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The door answers first and commits then."""
    commit = InboxWriter._commit

    def answer_first(self: InboxWriter, batch: Any) -> None:
        commit(self, batch)
        for waiting in batch:
            waiting.stored = waiting.stored or Stored(0, duplicate=False)

    monkeypatch.setattr(InboxWriter, "_commit", answer_first)


def slot_term(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock writes whether or not it leads by now."""
    for module in (clock, streams, lost_claims):
        monkeypatch.setattr(module, "hold_lead", lambda _connection, _lead: None)


def deferred_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that waits for a reference is not told that it was written."""
    alter_record(monkeypatch, "WHERE state = 'deferred'", "WHERE false")


def clue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was heard of a journal counts: only the listing says whether one was made, or replaced another."""
    monkeypatch.setattr(flows, "tell", lambda _connection, _hints: None)
    monkeypatch.setattr(due_checks, "journal_may_have_changed", lambda _flow: False)


def crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written before sending, and a key names the attempt: after a crash nobody knows of the call."""
    monkeypatch.setattr(intentions.ClaimedIntentions, "open", lambda _self, **_values: None)
    monkeypatch.setattr(calls, "intention_key", lambda *_names, **_more: uuid4())


def lost_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody frees what a dead worker holds."""
    alter(monkeypatch, lost_claims, "_FREE", "WHERE f.attempt_id IS NOT NULL", "WHERE false")


def ownership(monkeypatch: pytest.MonkeyPatch) -> None:
    """What belongs to another flow is taken again: nobody asks before, and no record refuses it."""
    monkeypatch.setattr(other_flows.OtherFlows, "owned", lambda _self, _provider, _kind, _ids: ())
    taken = findings.ANSWERS["references"].replace("WHERE flow_id <> :flow", "WHERE false")
    assert taken != findings.ANSWERS["references"], "a record reads otherwise: look for its guard again"
    monkeypatch.setattr(findings, "ANSWERS", {**findings.ANSWERS, "references": taken})
    monkeypatch.setattr(recording, "_statement", recording._statement.__wrapped__)
    monkeypatch.setattr(history, "QUIET_ROUNDS", 40)  # it goes round for ever: soon enough seen


def look_before_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens whose send had no answer are sent again, and nobody looks whether they left."""

    def plan_blindly(intention: Any, *, policy: Policy, **more: Any) -> Any:
        if intention is not None and policy.provider == "ibex":
            intention = replace(intention, outcome="refused")
        return rules.plan(intention, policy=policy, **more)

    monkeypatch.setattr(calls, "plan", plan_blindly)
    monkeypatch.setattr(bridge_withdrawal_checks, "sends_of", lambda *_given: ())


def refund_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a refund has taken is not kept, and its entry is unique by itself: each reading takes it again."""
    monkeypatch.setattr(stripe_takings, "known", lambda _data, _asset: ())
    monkeypatch.setattr(stripe_takings.Taking, "cause", property(lambda one: f"stripe/{one.name}/{uuid4()}"))


# The seeds are known to meet the case. Where a change of the core moves them, look for others with a longer range.
GUARDS = (
    (fence, (1, 2), "made twice"),
    (attempt_id, (11, 33), "by an attempt that was forgotten"),
    (wake_counter, (0, 2), "was woken during a step"),
    (settle_time, (1,), "made twice"),
    (key_generation, (1, 2), "made twice"),
    (cause_uniqueness, (0, 2), "our clearing account says"),
    (session_check, (5,), "created something"),
    (group_commit_order, (0, 2), "is not in the inbox"),
    (slot_term, (1,), "which was over"),
    (deferred_release, (1, 7), "still waits for"),
    (clue, (212594,), "is of 0 cents at Alpaca"),
    (crash, (0, 1), "made twice"),
    (ownership, (1,), "neither finished nor parked"),
    (look_before_sending, (11,), "sends made twice"),
    (refund_once, (0, 1), "met a bug of ours"),
    (lost_claim, (0, 1), "neither finished nor parked"),
)


@pytest.mark.timeout(300)  # a history that never comes to rest takes long
@pytest.mark.parametrize(("take_away", "seeds", "finding"), GUARDS, ids=[guard.__name__ for guard, _, _ in GUARDS])
def test_it_is_found_without_its_guard_and_harmless_with_it(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    take_away: Callable[[pytest.MonkeyPatch], None],
    seeds: Sequence[int],
    finding: str,
) -> None:
    plan = take_away.__name__
    assert [told for seed in seeds if (told := play(stage, seed, plan))] == []
    take_away(monkeypatch)
    assert any(finding in (play(stage, seed, plan) or "") for seed in seeds), "no history ends badly"
