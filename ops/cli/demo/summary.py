"""What came of it: the figures, and whether anything was lost, doubled or left unexplained."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Engine

from db import demo_figures, demo_story
from db.demo_figures import Compared
from funding.flows.bridge_withdrawal import bridge_withdrawal
from ops.cli.demo import kinds
from ops.cli.demo.arrivals import AT_THE_ONRAMP
from ops.cli.demo.latency import Timed, percentiles
from ops.cli.demo.orders import Order
from ops.cli.demo.play import Play
from ops.cli.demo.story import Story
from ops.cli.system import System

EFFECTS: Final = ("intended", "made", "duplicates")


def summarize(
    system: System, engine: Engine, story: Story, play: Play, *, books: list[Compared], movements: Sequence[Timed]
) -> dict[str, Any]:
    """The summary as documented, and more; `troubles`: [] says that all is well.

    `provider_effects.by_kind` has the same figures for each sort of thing that a provider was asked to make. `sent` and
    `expected` say by kind of flow what was to become of it, by fate and by the state that leads to.
    """
    found = system.control("GET", "effects")
    counts = system.control("GET", "counts")
    ours = demo_figures.summary(engine, books)
    supervised = system.supervisor.counts
    killed, restarted = sum(supervised.killed.values()), sum(supervised.restarted.values())
    effects = effects_of(found, play.orders)
    summary = {
        **ours,
        "webhooks": {
            "sent": counts["webhooks"]["sent"],
            "dropped": counts["webhooks"]["dropped"],
            "duplicated": counts["webhooks"]["doubled"],
            "reordered": counts["webhooks"]["reordered"],
        },
        "processes": {"killed": killed, "restarted": restarted},
        "provider_effects": {
            **{name: sum(one[name] for one in effects.values()) for name in EFFECTS},
            "by_kind": effects,
        },
        "seconds": {
            **percentiles([one.finished_s for one in movements if one.finished_s is not None]),
            "total": round(story.now_s(), 1),
        },
        "command": play.command,
        "sent": _by_kind((order.kind, str(order.fate)) for order in play.orders),
        "expected": _by_kind((order.kind, order.ends) for order in play.orders),
        "lost": len(play.orders) - sum(ours["flows"]["started"].values()),
        "faults": counts["faults"],
        "recoveries": {
            happening.title: round(happening.lasted_s, 1) for happening in story.happenings if happening.kind == "blow"
        },
    }
    breaks = demo_story.open_breaks(engine)
    summary["troubles"] = [*story.troubles, *troubles(summary, found, breaks)]
    return summary


def effects_of(found: Mapping[str, Any], sent: Sequence[Order]) -> dict[str, dict[str, int]]:
    """What providers were asked to make, as the sandbox `found` it there: intended, made, and made again."""
    payouts = sum(order.kind == bridge_withdrawal.name for order in sent)
    bridge, ibex, stripe = found["bridge"]["transfers"], found["ibex"], found["stripe"]
    return {
        "journals at Alpaca": {name: found[name] for name in EFFECTS},
        "payouts at Bridge": {"intended": payouts, "made": bridge["made"], "duplicates": bridge["repeated"]},
        "sends at IBEX": {
            "intended": payouts,
            "made": ibex["sends"],
            "duplicates": sum(one["count"] - 1 for one in ibex["repeated_sends"]),
        },
        "sessions at Stripe": {
            "intended": sum(order.fate in AT_THE_ONRAMP for order in sent),
            "made": stripe["onramp_sessions"],
            "duplicates": sum(count - 1 for count in stripe["doubled"]["onramp_sessions"].values()),
        },
    }


def sentence(summary: Mapping[str, Any]) -> str:
    """What happened, in one sentence."""
    flows = summary["flows"]
    ended = sum((Counter(states) for states in flows["ended"].values()), Counter())
    well = sum(flows["completed"].values())
    others = sum(ended.values()) - well
    left = sum(flows["parked"].values()) + sum(flows["unfinished"].values())
    ends = [f"{well} arrived", f"{others} returned or refused" if others else ""]
    ends += [f"{left} unfinished" if left else ""]
    ends += [f"{summary['lost']} lost", f"{summary['provider_effects']['duplicates']} doubled"]
    done = [
        f"{counted(count, what)} {happened}"
        for count, what, happened in (
            (summary["webhooks"]["dropped"], "webhook", "dropped"),
            (summary["processes"]["killed"], "process", "killed"),
            (summary["dead_letters"]["replayed"], "dead letter", "replayed"),
        )
        if count
    ]
    books = f"the books {'agree with' if _agree(summary) else 'DIFFER from'} the providers' own to the smallest unit"
    told = f"{', '.join(done)}, and {books}" if done else books
    sent = sum(sum(fates.values()) for fates in summary["sent"].values())
    return f"{counted(sent, 'movement')} of money: {', '.join(filter(None, ends))}; {told}."


def counted(count: int, what: str) -> str:
    """A number of them: 1 process, 2 processes."""
    return f"{count} {what}" if count == 1 else f"{count} {what}{'es' if what.endswith('s') else 's'}"


def _by_kind(pairs: Any) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for kind, name in pairs:
        here = counts.setdefault(kind, {})
        here[name] = here.get(name, 0) + 1
    return counts


def _agree(summary: Mapping[str, Any]) -> bool:
    ledger = summary["ledger"]
    return ledger["balanced"] and not ledger["clearing_differences"] and not ledger["customer_differences"]


def troubles(summary: Mapping[str, Any], found: Mapping[str, Any], breaks: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must not be, each as a sentence. `found`: what the sandbox says of the effects."""
    flows, letters, ledger = summary["flows"], summary["dead_letters"], summary["ledger"]
    left = sum(flows["unfinished"].values()) + sum(flows["parked"].values())
    facts = (
        (not summary["sent"], "nothing was sent"),
        (summary["lost"] != 0, f"{summary['lost']} were never heard of"),
        (left, f"{left} are not finished"),
        (found["missing"], f"{len(found['missing'])} deposits were not paid: {found['missing'][:3]}"),
        (found["unexpected"], f"{len(found['unexpected'])} payments nobody asked for"),
        (found["wrong_amounts"], f"{len(found['wrong_amounts'])} payments of another amount"),
        (found["bridge"]["stray"], f"{len(found['bridge']['stray'])} sends to Bridge that nothing waited for"),
        (not ledger["balanced"], "the ledger does not balance"),
        (ledger["clearing_differences"], f"clearing differs: {ledger['clearing_differences']}"),
        (ledger["customer_differences"], f"customers: {ledger['customer_differences']}"),
        (letters["open"], f"{letters['open']} dead letters are still open"),
    )
    unexplained = [
        f"an open break: {one['provider']} {one['type']} {one['subject']}: ours {one['ours']}, theirs {one['theirs']}"
        for one in breaks
    ]
    return [
        *(said for wrong, said in facts if wrong),
        *_other_ends(summary, left),
        *_other_effects(summary["provider_effects"]["by_kind"]),
        *unexplained,
    ]


def _other_ends(summary: Mapping[str, Any], left: int) -> list[str]:
    """Kinds whose flows ended otherwise than they were to; while some have not ended, that says enough."""
    ended = summary["flows"]["ended"]
    return [
        f"{kinds.plain(kind)}: {_states(ended.get(kind, {}))}, and it should be {_states(expected)}"
        for kind, expected in summary["expected"].items()
        if not left and not summary["lost"] and ended.get(kind, {}) != expected
    ]


def _states(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kinds.plain(state)}" for state, count in sorted(states.items())) or "none"


def _other_effects(effects: Mapping[str, Mapping[str, int]]) -> list[str]:
    doubled = [f"{one['duplicates']} {what} made twice" for what, one in effects.items() if one["duplicates"]]
    return doubled + [
        f"{one['made']} {what} made, and {one['intended']} intended"
        for what, one in effects.items()
        if one["made"] - one["duplicates"] != one["intended"]
    ]
