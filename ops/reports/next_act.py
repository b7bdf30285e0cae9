"""What happens next with a flow, and when, in plain words: the row read as a person would want it told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from funding.flow import CLOSED, RESTING, Flow, Step
from ops.reports.words import capital, plain, provider_name

SOON: Final = timedelta(seconds=15)  # a due row is announced again after so long: later than that, something holds it

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAct:
    """`tone`: "ok", "wait", "warn" or "bad". `headline` says it in a sentence; `at`: when, None when nothing is due.

    `says` are further sentences; `commands` what a person may type.
    """

    tone: str
    headline: str
    at: datetime | None = None
    says: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def next_act(flow: Row, machine: Flow | None, letters: list[dict[str, Any]]) -> NextAct:
    """What happens next. `flow` as `db.story` reads it, `machine` its kind's table, `letters` its dead letters."""
    step = machine.step_of(flow["state"]) if machine else None
    if flow["status"] == CLOSED:
        return NextAct(
            tone="ok",
            headline="Nothing: it is over.",
            says=("It is not looked at again. An event about it would open a break.",),
        )
    if step is None:
        return NextAct(
            tone="bad",
            headline="Nobody knows: this version has no step for its kind and state.",
            says=("Deploy the version that knows it, or one that is newer.",),
        )
    if flow["at_work"]:
        return NextAct(
            tone="ok",
            headline=f"A worker is at it now: {plain(step.name)}.",
            at=flow["claim_until"],
            says=(_purpose(step), "Should that worker vanish, another takes over within seconds."),
        )
    if flow["parked"]:
        return _parked(flow, step, letters)
    return _waiting(flow, step)


def _parked(flow: Row, step: Step, letters: list[dict[str, Any]]) -> NextAct:
    letter = next((one for one in reversed(letters) if one["status"] in {"open", "replaying"}), None)
    listens = "Until then it listens with reads only: if the provider's answer moves it on, its dead letter closes."
    if letter is None:
        return NextAct(
            tone="warn",
            headline="It waits for a person.",
            at=flow["due_at"],
            says=(flow["parked_reason"] or "", listens),
            commands=(f"rampkeeper flows show {flow['id']}",),
        )
    if letter["status"] == "replaying":
        return NextAct(
            tone="wait",
            headline=f"It is being replayed: {plain(step.name)} is tried again.",
            at=flow["due_at"],
            says=(_purpose(step),),
        )
    return NextAct(
        tone="bad",
        headline="Nothing, until a person acts.",
        at=flow["due_at"],
        says=(letter["message"], listens),
        commands=(
            f"rampkeeper dead-letters replay {letter['id']}",
            f"rampkeeper dead-letters abandon {letter['id']} --reason WHY",
        ),
    )


def _waiting(flow: Row, step: Step) -> NextAct:
    name = provider_name(flow["provider"]) if flow["provider"] else None
    last = (f"Last time: {flow['snooze_reason']}.",) if flow["snooze_reason"] else ()
    tries = (f"{flow['tries']} of its tries failed so far.",) if flow["tries"] else ()
    looks = (f"It first asks {name} whether the last try had its effect.",) if flow["look_first"] and name else ()
    about = (_purpose(step), *last, *tries, *looks)
    if flow["paused"]:
        why = f"{name} is paused by {flow['paused_by']}: {flow['paused_reason']}"
        command = f"rampkeeper providers resume {flow['provider']}"
        return NextAct(
            tone="warn", headline=f"It waits until {name} is resumed.", says=(why, *about), commands=(command,)
        )
    if flow["breaker"] != "closed":
        headline = f"It waits for {name}, which failed too often and is left alone for a while."
        return NextAct(tone="warn", headline=headline, at=flow["open_until"], says=about)
    held = flow["held_until"]
    if held is not None and held > flow["now"]:
        return NextAct(tone="wait", headline=f"It waits as long as {name} asked us to.", at=held, says=about)
    due: datetime | None = flow["due_at"]
    if due is None:
        return NextAct(tone="warn", headline="It waits for an event; nothing is due by itself.", says=about)
    if due > flow["now"]:
        watched = flow["status"] == RESTING
        headline = (
            "It is finished; a look for late changes follows." if watched else "The next look, or sooner on an event:"
        )
        return NextAct(tone="ok" if watched else "wait", headline=headline, at=due, says=about)
    if not flow["workers"]:
        return NextAct(
            tone="bad",
            headline="It is due, but no worker is alive.",
            at=due,
            says=about,
            commands=("python -m workers",),
        )
    if flow["now"] - due > SOON:
        return NextAct(tone="warn", headline="It is due, and waits for a free worker.", at=due, says=about)
    return NextAct(tone="wait", headline="A worker takes it within seconds.", at=due, says=about)


def _purpose(step: Step) -> str:
    """What the step is for: its name, and the first line of its own documentation."""
    return f"{capital(plain(step.name))}: {(step.act.__doc__ or '').strip().partition(chr(10))[0]}"
