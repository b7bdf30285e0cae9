"""A Due deposit's entries, by its own rules, for a made-up transfer."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from funding.ledger import due_deposit as rules
from funding.money import Money
from funding.ports.due import Transfer, TransferStatus
from ops.documents.ledger_example import Story

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
            tells_what_is_left=True,
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
