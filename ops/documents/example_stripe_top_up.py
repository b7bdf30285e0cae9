"""A top-up's entries, by its own rules, for a made-up payment of 50 dollars and a made-up purchase of 25 USDC."""

from collections.abc import Sequence
from typing import Final

from funding.flows.stripe_takings import Purse, Settled, settle
from funding.ledger import stripe_top_up as rules
from funding.ledger.entries import Entry
from funding.money import Money
from funding.ports.stripe import Dispute, Refund, RefundStatus
from ops.documents.ledger_example import Story

WHO: Final = "ana"
PAID: Final = Money(50_00, "USD")
COINS: Final = Money(25_000_000, "USDC")
WALLET: Final = "0x52908400098527886e0f7030069857d2e4169ee7"
_SESSION: Final = "cs_1"
_UNCLAIMED: Final = Purse(customer=WHO, credited=PAID, claimed=False, cash=Money(0, "USD"))
_SPENT_THIRTY: Final = Purse(customer=WHO, credited=PAID, claimed=True, cash=Money(20_00, "USD"))


def stories() -> tuple[Story, ...]:
    """The usual ways, and each way that differs from them."""
    credited = rules.credited_cash(_SESSION, PAID, WHO, None)
    claimed = rules.claimed_cash(_SESSION, PAID, WHO)
    onramp = rules.credited_coins("cos_1", COINS, WHO)
    refunded = _settled((), refunds=[_refund(RefundStatus.SUCCEEDED)])
    refund_failed = _settled(refunded, refunds=[_refund(RefundStatus.FAILED)])
    disputed = _settled((), disputes=[_dispute("under_review")], purse=_SPENT_THIRTY)
    won = _settled(disputed, disputes=[_dispute("won")], purse=_SPENT_THIRTY)
    return (
        Story(
            "A Checkout page is paid, and the money claimed",
            (("to `claimable`: Stripe says `paid`", credited), ("to `claimed`", claimed)),
            tells_what_is_left=True,
        ),
        Story(
            "The onramp delivers coins, and they are claimed",
            (
                ("to `claimable`: Stripe says `fulfillment_complete`", onramp),
                (
                    "to `claimed`",
                    rules.claimed_coins("cos_1", COINS, WHO, network="ethereum", address=WALLET),
                ),
            ),
        ),
        Story(
            "20 of 50 dollars are refunded before the claim, and the refund fails",
            (
                ("`claimable` stays: the refund is made", _only(refunded)),
                ("`claimable` stays: the bank gave the refund back", _only(refund_failed)),
            ),
        ),
        Story(
            "All of it is disputed after the claim, when 30 of 50 dollars are spent; the dispute is won",
            (
                ("to `disputed`: the bank has taken the money", _only(disputed)),
                ("to `claimed`: it is back", _only(won)),
            ),
        ),
        Story(
            "Nobody here has the id that the page names, and somebody says whose money it is",
            (
                ("to `claimable`, parked", rules.credited_cash(_SESSION, PAID, None, None)),
                ("`claimable` stays", rules.owner_found(_SESSION, WHO, PAID)),
            ),
        ),
    )


def _settled(
    before: Settled | tuple[()],
    *,
    refunds: Sequence[Refund] = (),
    disputes: Sequence[Dispute] = (),
    purse: Purse = _UNCLAIMED,
) -> Settled:
    known = before.takings if isinstance(before, Settled) else ()
    return settle(known, refunds, disputes, purse, believe=True)


def _only(settled: Settled) -> Entry:
    (entry,) = settled.entries
    return entry


def _refund(status: RefundStatus) -> Refund:
    return Refund(id="re_1", payment_intent="pi_1", amount=Money(20_00, "USD"), status=status, raw_status=status)


def _dispute(status: str) -> Dispute:
    return Dispute(
        id="dp_1",
        payment_intent="pi_1",
        amount=PAID,
        raw_status=status,
        withdrawn=status != "won",
        closed=status == "won",
    )
