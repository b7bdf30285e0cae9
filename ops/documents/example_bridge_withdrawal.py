"""A withdrawal's entries, by its own rules, for made-up 100 USDT."""

from typing import Final
from uuid import UUID

from funding.ledger import bridge_withdrawal as rules
from funding.money import Money
from ops.documents.ledger_example import Story

WHO: Final = "ana"
AMOUNT: Final = Money(100_000_000, "USDT")
FEE: Final = Money(500_000, "USDT")
_NONE: Final = Money(0, "USDT")
_FLOW: Final = UUID(int=1)
_SENT: Final = "ibex/transaction/tx_1"
_TRANSFER: Final = "tr_1"


def stories() -> tuple[Story, ...]:
    """The usual way, and each way that differs from it."""
    held = rules.held(_FLOW, AMOUNT, WHO)
    released = rules.hold_released(_FLOW, AMOUNT, WHO)
    sent = rules.sent(_SENT, AMOUNT, WHO)
    taken = rules.taken(_TRANSFER, AMOUNT)
    paid = rules.paid_out(_TRANSFER, 1, AMOUNT, _NONE, WHO)
    return (
        Story(
            "It is paid out",
            (
                ("`requested`: in the transaction that begins the flow", held),
                ("to `sent_to_bridge`: the hold ends", released),
                ("to `sent_to_bridge`: IBEX has taken the send", sent),
                ("to `paying_out`: Bridge has the tokens", taken),
                ("to `paid_out`: Bridge says `payment_processed`", paid),
            ),
            tells_what_is_left=True,
        ),
        Story(
            "The same, where Bridge shows a fee of ours of half a percent",
            (("to `paid_out`", rules.paid_out(_TRANSFER, 1, AMOUNT, FEE, WHO)),),
        ),
        Story(
            "It is refused before the tokens have left",
            (("`requested`", held), ("to `failed`", released)),
        ),
        Story(
            "IBEX took the send, and says later that it failed",
            (("to `sent_to_bridge`", sent), ("to `failed`", rules.not_sent(_SENT, AMOUNT, WHO))),
        ),
        Story(
            "The bank gives it back, days after it was paid out",
            (
                ("to `paid_out`", paid),
                ("to `returned`", rules.returned(_TRANSFER, 1, AMOUNT, _NONE, WHO)),
                ("`returned`: Bridge says `refund_in_flight` or `refunded`", rules.sent_back(_TRANSFER, AMOUNT)),
                ("to `released`: IBEX has completed them", rules.back_in_wallet("tx_2", AMOUNT, WHO)),
            ),
        ),
    )
