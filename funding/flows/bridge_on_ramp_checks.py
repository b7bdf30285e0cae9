"""What must hold on an on-ramp's way: readings compared with what is known, and the breaks when they differ."""

from datetime import datetime
from typing import Final

from funding.calls import Call
from funding.errors import NeedsPerson, NotFound
from funding.ledger.bridge_on_ramp import Conversion
from funding.money import Money, scale_of
from funding.ports.bridge import BankDeposit, DepositStage, Stage
from funding.snapshot import Snapshot

READINGS_BELIEVED_AFTER: Final = 8  # a hint that so many readings contradict was wrong

RANK: Final = {
    Stage.FUNDS_SCHEDULED: 0,
    Stage.FUNDS_RECEIVED: 1,
    Stage.IN_REVIEW: 2,
    Stage.PAYMENT_SUBMITTED: 3,
    Stage.PAYMENT_PROCESSED: 4,
    Stage.REFUNDED: 4,
    Stage.MICRODEPOSIT: 4,
}
LED_THERE: Final = [stage for stage, rank in RANK.items() if rank < RANK[Stage.REFUNDED]]
TOKENS: Final = frozenset({"USDT", "USDC"})
PARITY_PERCENT: Final = 5  # a dollar's tokens: further off, an amount was read in another unit than it was meant in


def deposit_id(flow: Snapshot) -> str:
    """Bridge's own id of the deposit that this flow is."""
    known = flow.reference("bridge", "deposit")
    if known is None:
        raise NeedsPerson(
            "an on-ramp without its Bridge deposit: its records here were damaged",
            suggested_action="look at the flow's references",
        )
    return known


def read(flow: Snapshot, call: Call) -> BankDeposit | None:
    """The deposit as Bridge shows it now; None: it shows nothing of it, perhaps not yet."""
    try:
        return call.bridge.get_deposit(
            deposit_id(flow), customer=flow.data["customer"], virtual_account=flow.data["virtual_account"]
        )
    except NotFound:
        return None


def behind_hints(deposit: BankDeposit, flow: Snapshot) -> bool:
    """Whether the reading is older than an event of Bridge's own: then it is read again soon, not believed."""
    if flow.snoozes >= READINGS_BELIEVED_AFTER:
        return False
    seen = {stage.stage for stage in deposit.stages}
    reached = max((RANK[stage] for stage in seen if stage in RANK), default=-1)
    return any(rank >= reached for stage, rank in RANK.items() if stage in flow.hints and stage not in seen)


def came_in(deposit: BankDeposit) -> Money | None:
    """The dollars that came, before any fee; None while Bridge only expects them.

    Raises: NeedsPerson: Bridge shows two amounts of it, or no dollars, or none.
    """
    gross = amounts(deposit, Stage.FUNDS_RECEIVED) or amounts(deposit, Stage.IN_REVIEW)
    back = amounts(deposit, Stage.REFUNDED)
    shown = [*gross, *(amount for amount in back if amount not in gross)]
    if not shown:
        return None
    if len(shown) > 1:
        raise _differs(shown[0], shown[1], "Bridge shows two amounts of one deposit.")
    if shown[0].asset != "USD" or shown[0].minor <= 0:
        raise _differs(Money(0, "USD"), shown[0], "Only a positive amount of USD is converted here.")
    return shown[0]


def refuse_changes(came: Money, flow: Snapshot) -> None:
    """Before money moves on, an amount or currency that changed goes to a person. Raises: NeedsPerson."""
    if flow.amount is not None and flow.amount != came:
        raise _differs(flow.amount, came, "Bridge's amount of the deposit has changed.")


def conversion(deposit: BankDeposit, came: Money) -> Conversion:
    """What Bridge sent on, its fees and our markup, of a deposit that was processed.

    Raises: NeedsPerson: it shows two amounts, no tokens, or nowhere near as many as there were dollars.
    """
    shown = amounts(deposit, Stage.PAYMENT_PROCESSED)
    if len(shown) > 1:
        raise _differs(shown[0], shown[1], "Bridge shows two amounts that it sent on.")
    stage = next(one for one in deposit.stages if one.stage is Stage.PAYMENT_PROCESSED)
    net = stage.amount
    none = Money(0, net.asset)
    fees = Money((stage.exchange_fee or none).minor + (stage.gas_fee or none).minor, net.asset)
    made = Conversion(came=came, net=net, fees=fees, markup=stage.developer_fee or none)
    if net.asset not in TOKENS:
        raise _differs(came, net, "What Bridge sent on are no tokens that we know.", "currency_differs")
    if net.minor <= 0 or not _near(came, net.minor + fees.minor + made.markup.minor, net.asset):
        raise _differs(came, net, "What Bridge sent on, and its fees, are not worth what came in.", "amount_differs")
    return made


def conversion_known(flow: Snapshot) -> Conversion:
    """The conversion as it was posted."""
    if flow.amount is None or flow.amount_out is None:
        raise NeedsPerson("a converted deposit without its amounts: its records here were damaged")
    token = flow.amount_out.asset
    return Conversion(
        came=flow.amount,
        net=flow.amount_out,
        fees=Money(int(flow.data["fees_minor"]), token),
        markup=Money(int(flow.data["markup_minor"]), token),
    )


def receiver(flow: Snapshot) -> tuple[str, str]:
    """The customer and their IBEX account. Raises: NeedsPerson: no link leads there."""
    amount = flow.amount_out
    if flow.customer is None:
        raise NeedsPerson(
            f"{amount} waits in suspense: no customer has the virtual account {flow.data['virtual_account']}.",
            break_type="unmatched_event",
            theirs=str(amount),
            suggested_action="add the link bridge:virtual_account for its customer",
        )
    link = flow.link("ibex", "account")
    if link is None:
        raise NeedsPerson(
            f"{amount} waits: customer {flow.customer} has no IBEX account linked.",
            break_type="missing_here",
            theirs=str(amount),
            suggested_action="add the link ibex:account for this customer; the deposit then goes on",
        )
    return flow.customer, link.id


def first_seen(deposit: BankDeposit) -> datetime:
    """When Bridge first had to do with it: no token of it left before."""
    return deposit.stages[0].at


def newest(deposit: BankDeposit) -> DepositStage:
    """The stage it stands in now."""
    return deposit.stages[-1]


def refuse_other_end(deposit: BankDeposit, flow: Snapshot) -> None:
    """Just before tokens are credited, Bridge must still say that it sent them. Raises: NeedsPerson."""
    stands = newest(deposit)
    if stands.stage is not Stage.PAYMENT_PROCESSED:
        raise NeedsPerson(
            f"IBEX has the tokens, and Bridge said payment_processed and now says {stands.raw_stage}. Nothing was "
            "credited.",
            blame="provider",
            break_type="state_differs",
            ours=Stage.PAYMENT_PROCESSED,
            theirs=stands.raw_stage,
            suggested_action="ask Bridge which is true; replay if it is payment_processed again, else settle by hand",
        )
    came = came_in(deposit)
    if came is not None:
        refuse_changes(came, flow)
        known, now = conversion_known(flow), conversion(deposit, came)
        if known != now:
            raise _differs(known.net, now.net, "What Bridge sent on, or its fees, have changed.")


def refuse_two_ends(deposit: BankDeposit) -> None:
    """What was refunded cannot have been sent on afterwards. Raises: NeedsPerson."""
    stands = newest(deposit)
    if stands.stage is Stage.PAYMENT_PROCESSED:
        raise NeedsPerson(
            "Bridge says refunded, and then payment_processed, of one deposit. Nothing was credited.",
            blame="provider",
            break_type="state_differs",
            ours=Stage.REFUNDED,
            theirs=stands.raw_stage,
            suggested_action="ask Bridge which is true, then settle by hand and abandon",
        )


def amounts(deposit: BankDeposit, stage: Stage) -> list[Money]:
    """The different amounts shown at that stage, in order."""
    return list(dict.fromkeys(one.amount for one in deposit.stages if one.stage is stage))


def _near(came: Money, minor: int, asset: str) -> bool:
    """Whether so many tokens are worth about as many dollars."""
    dollars, tokens = came.minor * int(10 ** scale_of(asset)), minor * int(10**came.scale)
    return abs(dollars - tokens) * 100 <= dollars * PARITY_PERCENT


def _differs(known: Money, now: Money, what: str, break_type: str | None = None) -> NeedsPerson:
    return NeedsPerson(
        f"{what} It was {known} and is {now}. Nothing was credited.",
        blame="provider",
        break_type=break_type or ("amount_differs" if known.asset == now.asset else "currency_differs"),
        ours=str(known),
        theirs=str(now),
        suggested_action="ask Bridge which is true, then replay if they agree again, or abandon and settle by hand",
    )
