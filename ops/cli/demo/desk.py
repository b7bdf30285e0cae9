"""What somebody on call does during the demo, with the same commands that a person would type."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ops.cli.demo.cast import Depositor, Holder
from ops.cli.demo.commands import acting, reading
from ops.cli.demo.story import Kind, Story
from ops.cli.system import PRETENDED, System

RATE: Final = 50  # letters a second


def link(system: System, story: Story, person: Depositor | Holder) -> None:
    """Add the customer nobody knew: their deposits, so far in suspense, go on by themselves."""
    provider, kind, *_ = person.links()[0]
    added = story.begin(Kind.PERSON, f"rampkeeper customers add {person.name} --level 2 --link {provider}:{kind}:...")
    links = [f"{provider}:{kind}:{id_}:{json.dumps(more)}" for provider, kind, id_, more in person.links()]
    words = [word for one in links for word in ("--link", one)]
    acting(system, "customers", "add", person.name, "--level", "2", *words)
    story.end(added, f"{person.name} is known now; what waited in suspense goes on")


def give(system: System, story: Story, flow: str, owner: Holder) -> None:
    """Say whose a deposit in suspense is, without a link: it goes on, and the next one would be nobody's again."""
    moved = story.begin(Kind.PERSON, f"rampkeeper ledger move-suspense {flow[:8]} --customer {owner.name}")
    story.end(moved, acting(system, "ledger", "move-suspense", flow, "--customer", owner.name).strip())


def mend(system: System, story: Story, people: Sequence[Depositor]) -> None:
    """Alpaca's compliance has looked again: it refuses nobody any more."""
    for person in people:
        system.control("POST", f"alpaca/accounts/{person.brokerage_account}/refuse", {"on": False})
    if people:
        story.end(story.begin(Kind.PROVIDERS, "Alpaca's compliance looks again"), "it refuses nobody any more")


def replay(system: System, story: Story) -> int:
    """Replay what is dead, group by group of equal causes; how many letters that was."""
    groups = json.loads(reading(system, "dead-letters", "groups", "--json"))
    replayed = 0
    for group in groups:
        fingerprint = group["fingerprint"]
        done = story.begin(Kind.PERSON, f"rampkeeper dead-letters replay --group {fingerprint}")
        words = ("dead-letters", "replay", "--group", fingerprint, "--rate", str(RATE), "--json")
        results = json.loads(acting(system, *words))
        told = sum(one["result"] == "replaying" for one in results)
        story.end(done, f"{told} of {len(results)} tried again: {group['error']}")
        replayed += told
    return replayed


def reconcile(system: System, story: Story, *, since: datetime) -> None:
    """Compare our records with each provider's own, in both directions."""
    for provider in PRETENDED:
        done = story.begin(Kind.PERSON, f"rampkeeper reconcile run --provider {provider}")
        words = ("reconcile", "run", "--provider", provider, "--since", since.isoformat(), "--json")
        story.end(done, _found(json.loads(reading(system, *words))))


def _found(run: Mapping[str, Any]) -> str:
    counts = run["counts"]
    findings = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts["findings"].items())
    return f"{counts['ours']} of our records beside {counts['theirs']} of theirs: {findings or 'no difference'}"
