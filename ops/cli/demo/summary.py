"""What came of it: the figures, and whether anything was lost, doubled or left unexplained."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from db import demo_figures, demo_story
from db.demo_figures import Compared
from ops.cli.demo.cast import Order
from ops.cli.demo.latency import Timed, percentiles
from ops.cli.demo.play import Play
from ops.cli.demo.story import Story
from ops.cli.system import System


def summarize(
    system: System, engine: Engine, story: Story, play: Play, *, books: list[Compared], deposits: Sequence[Timed]
) -> dict[str, Any]:
    """The summary as documented, and `lost`, `sent`, `faults`, `recoveries`, `troubles`: [] says that all is well."""
    effects = system.control("GET", "effects")
    counts = system.control("GET", "counts")
    ours = demo_figures.summary(engine, books)
    supervised = system.supervisor.counts
    killed, restarted = sum(supervised.killed.values()), sum(supervised.restarted.values())
    summary = {
        **ours,
        "webhooks": {
            "sent": counts["webhooks"]["sent"],
            "dropped": counts["webhooks"]["dropped"],
            "duplicated": counts["webhooks"]["doubled"],
            "reordered": counts["webhooks"]["reordered"],
        },
        "processes": {"killed": killed, "restarted": restarted},
        "provider_effects": {name: effects[name] for name in ("intended", "made", "duplicates")},
        "seconds": {
            **percentiles([one.finished_s for one in deposits if one.finished_s is not None]),
            "total": round(story.now_s(), 1),
        },
        "command": play.command,
        "sent": _fates(play.orders),
        "lost": len(play.orders) - sum(ours["flows"]["started"].values()),
        "faults": counts["faults"],
        "recoveries": {
            happening.title: round(happening.lasted_s, 1) for happening in story.happenings if happening.kind == "blow"
        },
    }
    breaks = demo_story.open_breaks(engine)
    summary["troubles"] = [*story.troubles, *troubles(summary, effects, breaks)]
    return summary


def sentence(summary: Mapping[str, Any]) -> str:
    """What happened, in one sentence."""
    flows = {name: sum(by_kind.values()) for name, by_kind in summary["flows"].items()}
    left = flows["parked"] + flows["unfinished"]
    ends = [f"{flows['completed']} funded", f"{flows['returned']} returned to their senders"]
    ends += [f"{flows['failed']} failed"] if flows["failed"] else []
    ends += [f"{left} unfinished"] if left else []
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
    books = f"the books {'agree with' if _agree(summary) else 'DIFFER from'} the providers' own to the cent"
    told = f"{', '.join(done)}, and {books}" if done else books
    return f"{counted(sum(summary['sent'].values()), 'deposit')}: {', '.join(ends)}; {told}."


def counted(count: int, what: str) -> str:
    """A number of them: 1 process, 2 processes."""
    return f"{count} {what}" if count == 1 else f"{count} {what}{'es' if what.endswith('s') else 's'}"


def _fates(orders: Sequence[Order]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for order in orders:
        counts[str(order.fate)] = counts.get(str(order.fate), 0) + 1
    return counts


def _agree(summary: Mapping[str, Any]) -> bool:
    ledger = summary["ledger"]
    return ledger["balanced"] and not ledger["clearing_differences"] and not ledger["customer_differences"]


def troubles(summary: Mapping[str, Any], effects: Mapping[str, Any], breaks: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must not be, each as a sentence."""
    flows, letters = summary["flows"], summary["dead_letters"]
    left = sum(flows["unfinished"].values()) + sum(flows["parked"].values())
    sent, returned = sum(summary["sent"].values()), sum(flows["returned"].values())
    facts = (
        (sent == 0, "no deposit was sent"),
        (summary["lost"] != 0, f"{summary['lost']} deposits were never heard of"),
        (left, f"{left} deposits are neither finished nor given back"),
        (
            not left and returned != summary["sent"].get("returned", 0),
            f"{returned} deposits were given back, of {summary['sent'].get('returned', 0)} that Due returned",
        ),
        (effects["duplicates"], f"{effects['duplicates']} deposits were paid twice"),
        (effects["missing"], f"{len(effects['missing'])} deposits were not paid: {effects['missing'][:3]}"),
        (effects["unexpected"], f"{len(effects['unexpected'])} payments nobody asked for"),
        (effects["wrong_amounts"], f"{len(effects['wrong_amounts'])} payments of another amount"),
        (not summary["ledger"]["balanced"], "the ledger does not balance"),
        (summary["ledger"]["clearing_differences"], f"clearing differs: {summary['ledger']['clearing_differences']}"),
        (summary["ledger"]["customer_differences"], f"customers: {summary['ledger']['customer_differences']}"),
        (letters["open"], f"{letters['open']} dead letters are still open"),
    )
    unexplained = [
        f"an open break: {one['provider']} {one['type']} {one['subject']}: ours {one['ours']}, theirs {one['theirs']}"
        for one in breaks
    ]
    return [*(said for wrong, said in facts if wrong), *unexplained]
