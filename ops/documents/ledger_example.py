"""Worked examples of the ledger: the flows' own rules, run with made-up amounts, told as tables."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from funding.ledger import due_deposit as rules
from funding.ledger.entries import PENDING, Entry
from funding.money import Money
from funding.ports.due import Transfer, TransferStatus

CAME: Final = Money(100_000_000, "USDC")
PAID_OUT: Final = Money(99_16, "USD")
TRANSFER: Final = Transfer(
    id="tf_1",
    account="acct_1",
    status=TransferStatus.PAYMENT_PROCESSED,
    raw_status="payment_processed",
    virtual_account="va_1",
    source=CAME,
    source_fee=Money(500_000, "USDC"),
    destination=PAID_OUT,
    destination_fee=Money(25, "USD"),
    destination_rest=Decimal("0.00045"),
    chain="base",
    rail="ach",
    created_at=datetime(2026, 11, 2, tzinfo=UTC),
)
WHO: Final = "ana"


@dataclass(frozen=True, slots=True)
class Story:
    """A deposit's entries, each with the move that makes it."""

    title: str
    entries: Sequence[tuple[str, Entry]]


def stories() -> tuple[Story, ...]:
    """The usual way, and each way that differs from it."""
    received = rules.received(TRANSFER.id, CAME, WHO, None)
    converted = rules.converted(TRANSFER, WHO, None)
    held = rules.held("jn_1", PAID_OUT, WHO)
    released = rules.released("jn_1", PAID_OUT, WHO)
    funded = rules.funded("jn_1", PAID_OUT, WHO)
    less = Money(PAID_OUT.minor - 1_00, PAID_OUT.asset)
    return (
        Story(
            "It arrives",
            (
                ("`received` to `off_ramp_initiated`: Due has the money", received),
                ("to `off_ramp_completed`: Due has sent it on as dollars", converted),
                ("to `broker_funding_initiated`: Alpaca has our journal", held),
                ("to `broker_funded`: the hold ends", released),
                ("to `broker_funded`: the journal is executed", funded),
                (
                    "no move: the firm's account at Alpaca shows Due's payment",
                    rules.cash_arrived("alpaca", "1", PAID_OUT, None),
                ),
            ),
        ),
        Story(
            "Due gives it back",
            (
                ("`received` to `off_ramp_initiated`", received),
                ("to `returned`", rules.returned(TRANSFER.id, CAME, WHO, None)),
            ),
        ),
        Story(
            "Nobody has the virtual account, and a link is added later",
            (
                ("`received` to `off_ramp_initiated`", rules.received(TRANSFER.id, CAME, None, None)),
                ("the link is there when the step runs again", rules.owner_found(TRANSFER.id, WHO, CAME)),
            ),
        ),
        Story(
            "Alpaca refuses the journal",
            (("to `broker_funding_initiated`", held), ("back to `off_ramp_completed`, parked", released)),
        ),
        Story(
            "Alpaca corrects a journal that it had executed",
            (
                ("`broker_funded` stays: the old journal is reversed", rules.unfunded("jn_1", PAID_OUT, WHO)),
                ("and its replacement, a dollar less, is posted", rules.funded("jn_2", less, WHO)),
            ),
        ),
    )


def text() -> str:
    """The stories in Markdown: the first with what it leaves in every account."""
    told = stories()
    lines: list[str] = []
    for number, story in enumerate(told):
        lines += [f"### {story.title}", "", *_table(story)]
        if number == 0:
            lines += ["", "What that leaves, accounts at zero not shown:", "", *_left(story)]
        lines.append("")
    return "\n".join(lines).rstrip("\n")


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
    sums: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for _, entry in story.entries:
        for posting in entry.postings:
            if posting.layer != PENDING:
                sums[posting.account.owner, posting.account.name, posting.account.asset] += posting.minor
    lines = ["| account | debit | credit |", "|--|--:|--:|"]
    for (owner, name, asset), minor in sorted(sums.items(), key=lambda item: (item[0][2], item[0])):
        if minor:
            amount = _units(minor, asset)
            lines.append(f"| {_name(owner, name)} | {amount if minor > 0 else ''} | {amount if minor < 0 else ''} |")
    return lines


def _name(owner: str, name: str) -> str:
    customer = owner.removeprefix("customer:")
    return f"`{name}`" if customer == owner else f"`{name}` of {customer}"


def _units(minor: int, asset: str) -> str:
    return f"{abs(minor):,} {asset}"
