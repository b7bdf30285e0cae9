"""An on-ramp's entries, by its own rules, for a made-up deposit of 250 dollars."""

from datetime import UTC, datetime, timedelta
from typing import Final

from funding.flows import bridge_on_ramp_checks as checks
from funding.ledger import bridge_on_ramp as rules
from funding.money import Money
from funding.ports.bridge import BankDeposit, DepositStage, Stage
from ops.documents.ledger_example import Story

WHO: Final = "ana"
CAME: Final = Money(250_00, "USD")
CREDITED: Final = Money(248_500_000, "USDT")
_NONE: Final = Money(0, "USDT")
_AT: Final = datetime(2026, 11, 2, tzinfo=UTC)


def deposit() -> BankDeposit:
    """As Bridge shows it: of 250 it keeps 1.25 for us, 0.5 %, and 0.25 for itself."""
    came = DepositStage(
        id="act_1",
        stage=Stage.FUNDS_RECEIVED,
        raw_stage=Stage.FUNDS_RECEIVED,
        amount=CAME,
        developer_fee=None,
        exchange_fee=None,
        gas_fee=None,
        chain_hash=None,
        at=_AT,
    )
    left = DepositStage(
        id="act_2",
        stage=Stage.PAYMENT_PROCESSED,
        raw_stage=Stage.PAYMENT_PROCESSED,
        amount=CREDITED,
        developer_fee=Money(1_250_000, "USDT"),
        exchange_fee=Money(250_000, "USDT"),
        gas_fee=_NONE,
        chain_hash="0xfeed01",
        at=_AT + timedelta(hours=3),
    )
    return BankDeposit(id="dep_1", customer="cust_1", virtual_account="va_1", rail="ach_push", stages=(came, left))


def stories() -> tuple[Story, ...]:
    """The usual way, and each way that differs from it."""
    shown = deposit()
    made = checks.conversion(shown, CAME)
    received = rules.received(shown.id, CAME, WHO, None)
    converted = rules.converted(shown.id, made, WHO, None)
    refunded = rules.given_back(shown.id, CAME, WHO, None)
    credited = rules.credited("tx_1", made.net, WHO, None)
    return (
        Story(
            "It arrives",
            (
                ("to `converting`: Bridge has the dollars", received),
                ("to `sent_on_chain`: Bridge says `payment_processed`", converted),
                ("to `credited`: IBEX has completed the tokens", credited),
            ),
            tells_what_is_left=True,
        ),
        Story(
            "Bridge refunds it",
            (("to `converting`", received), ("to `refunded`", refunded)),
        ),
        Story(
            "Bridge refunds it after all, and no tokens have come",
            (
                ("to `converting`", received),
                ("to `sent_on_chain`", converted),
                ("to `refunded`: the conversion is taken back", rules.unconverted(shown.id, made, WHO, None)),
                ("to `refunded`", refunded),
            ),
        ),
        Story(
            "Nobody has the virtual account, and a link is added after the conversion",
            (
                ("to `converting`, parked", rules.received(shown.id, CAME, None, None)),
                ("to `sent_on_chain`, parked", rules.converted(shown.id, made, None, None)),
                ("to `credited`: the link is there", rules.owner_found(shown.id, WHO, made.net)),
                ("to `credited`", credited),
            ),
        ),
    )
