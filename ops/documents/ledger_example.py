"""Worked examples of the ledger: what each flow's own rules make of made-up amounts, told as tables."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from funding.ledger.entries import PENDING, Entry


@dataclass(frozen=True, slots=True)
class Story:
    """A flow's entries, each with the move that makes it; told with what they leave in every account, if asked for."""

    title: str
    entries: Sequence[tuple[str, Entry]]
    tells_what_is_left: bool = False


def text(stories: Sequence[Story]) -> str:
    """The stories in Markdown."""
    lines: list[str] = []
    for story in stories:
        lines += [f"### {story.title}", "", *_table(story)]
        if story.tells_what_is_left:
            lines += ["", "What that leaves, accounts at zero not shown:", "", *_left(story)]
        lines.append("")
    return "\n".join(lines).rstrip("\n")


def left(story: Story) -> dict[tuple[str, str, str], int]:
    """What a story leaves posted in each (owner, account, asset), in minor units; debits are positive."""
    sums: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for _, entry in story.entries:
        for posting in entry.postings:
            if posting.layer != PENDING:
                sums[posting.account.owner, posting.account.name, posting.account.asset] += posting.minor
    return {place: minor for place, minor in sums.items() if minor}


def _table(story: Story) -> list[str]:
    lines = ["| move | entry | account | debit | credit |", "|--|--|--|--:|--:|"]
    for move, entry in story.entries:
        first = (move, f"`{entry.purpose}`{' (pending)' if entry.postings[0].layer == PENDING else ''}")
        for place, posting in enumerate(entry.postings):
            amount = _units(posting.minor, posting.account.asset)
            sides = (amount, "") if posting.minor > 0 else ("", amount)
            head = first if place == 0 else ("", "")
            lines.append(f"| {' | '.join((*head, _name(posting.account.owner, posting.account.name), *sides))} |")
    return lines


def _left(story: Story) -> list[str]:
    lines = ["| account | debit | credit |", "|--|--:|--:|"]
    for (owner, name, asset), minor in sorted(left(story).items(), key=lambda item: (item[0][2], item[0])):
        amount = _units(minor, asset)
        lines.append(f"| {_name(owner, name)} | {amount if minor > 0 else ''} | {amount if minor < 0 else ''} |")
    return lines


def _name(owner: str, name: str) -> str:
    customer = owner.removeprefix("customer:")
    return f"`{name}`" if customer == owner else f"`{name}` of {customer}"


def _units(minor: int, asset: str) -> str:
    return f"{abs(minor):,} {asset}"
