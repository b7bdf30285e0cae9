"""The entries of a withdrawal: each way through them leaves what it should, and nothing in between."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from funding.ledger import bridge_withdrawal as rules
from funding.ledger.entries import Entry
from funding.money import Money

FLOW = UUID("9f2c1f6e-0000-4000-8000-000000000001")
AMOUNT, FEE, NOTHING = Money(250_000000, "USDT"), Money(1_250000, "USDT"), Money(0, "USDT")
SENT = [
    rules.held(FLOW, AMOUNT, "ana"),
    rules.hold_released(FLOW, AMOUNT, "ana"),
    rules.sent("ibex/transaction/tx_1", AMOUNT, "ana"),
]
PAID = [*SENT, rules.taken("tr_1", AMOUNT), rules.paid_out("tr_1", 1, AMOUNT, FEE, "ana")]


def left(entries: Sequence[Entry]) -> dict[tuple[str, str], int]:
    """What each account is left with, by its name and layer: debit positive."""
    sums: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        for posting in entry.postings:
            sums[posting.account.name, posting.layer] += posting.minor
    return {key: total for key, total in sums.items() if total}


def test_a_payout_takes_the_tokens_from_ibex_and_the_wallet_and_shows_our_fee() -> None:
    assert left(PAID) == {
        ("wallet", "posted"): AMOUNT.minor,
        ("ibex:clearing", "posted"): -AMOUNT.minor,
        ("bridge:markup_kept", "posted"): FEE.minor,
        ("bridge:markup", "posted"): -FEE.minor,
    }


def test_what_came_back_from_the_bank_leaves_nothing() -> None:
    home = [
        rules.returned("tr_1", 1, AMOUNT, FEE, "ana"),
        rules.sent_back("tr_1", AMOUNT),
        rules.back_in_wallet("tx_2", AMOUNT, "ana"),
    ]
    assert left([*PAID, *home]) == {}


def test_a_send_that_failed_leaves_nothing() -> None:
    assert left([*SENT, rules.not_sent("ibex/transaction/tx_1", AMOUNT, "ana")]) == {}


def test_a_second_payout_is_another_entry_and_its_return_mirrors_that_one() -> None:
    """One cause, one purpose: the ledger would take the second for the first again."""
    first, second = (rules.paid_out("tr_1", number, AMOUNT, NOTHING, "ana") for number in (1, 2))
    assert (first.cause, first.purpose) != (second.cause, second.purpose)
    undone = rules.returned("tr_1", 2, AMOUNT, NOTHING, "ana")
    assert undone.reverses == (second.cause, second.purpose)
