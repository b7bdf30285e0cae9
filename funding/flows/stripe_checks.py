"""What must hold on a top-up's way: readings compared with what was ordered, and the breaks when they differ."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from funding.calls import Call
from funding.chain_addresses import is_address, normal
from funding.errors import NeedsPerson, NotFound
from funding.flows.stripe_takings import Settled, Taking
from funding.ledger import stripe_top_up as rules
from funding.money import Money
from funding.outcomes import BreakFound
from funding.ports.stripe import CheckoutSession, OnrampOrder, OnrampSession, OnrampStatus, PaymentStatus
from funding.snapshot import Snapshot

READINGS_BELIEVED_AFTER: Final = 8  # a hint that so many readings contradict was wrong
ONRAMP: Final = "onramp"
CHECKOUT: Final = "checkout"

RANK: Final = {
    OnrampStatus.INITIALIZED.value: 0,
    OnrampStatus.REQUIRES_PAYMENT.value: 1,
    OnrampStatus.FULFILLMENT_PROCESSING.value: 2,
    OnrampStatus.FULFILLMENT_COMPLETE.value: 3,
    OnrampStatus.REJECTED.value: 3,
    PaymentStatus.UNPAID.value: 0,
    PaymentStatus.PAID.value: 3,
    PaymentStatus.NO_PAYMENT_REQUIRED.value: 3,
}
UNDER_WAY: Final = [
    OnrampStatus.INITIALIZED.value,
    OnrampStatus.REQUIRES_PAYMENT.value,
    OnrampStatus.FULFILLMENT_PROCESSING.value,
]


def is_checkout(flow: Snapshot) -> bool:
    """Whether it is paid on a Checkout page, and not at the onramp."""
    return str(flow.data["way"]) == CHECKOUT


def session_id(flow: Snapshot) -> str:
    """The session this top-up is paid by. Raises: NeedsPerson."""
    kind = "checkout_session" if is_checkout(flow) else "onramp_session"
    found = flow.reference("stripe", kind)
    if found is None:
        raise NeedsPerson(
            "a top-up without its session: its records here were damaged",
            suggested_action="look at the flow's references",
        )
    return found


def order_of(flow: Snapshot) -> OnrampOrder:
    """What was ordered of the onramp."""
    if flow.amount is None:
        raise NeedsPerson("a top-up without an amount: its records here were damaged")
    ordered = Money(int(flow.data["ordered_minor"]), flow.amount.asset)
    return OnrampOrder(
        network=flow.data["network"], address=flow.data["address"], amount=ordered, reference=str(flow.id)
    )


def sessions_of(flow: Snapshot, call: Call) -> list[OnrampSession]:
    """The sessions under our reference: those listed, and those that somebody told us of, read by their own id."""
    listed = call.stripe.find_onramps(str(flow.id), since=flow.created_at)
    heard = []
    for unread in sorted(set(flow.told_of("stripe", "onramp_session")) - {one.id for one in listed}):
        with suppress(NotFound):
            heard.append(call.stripe.get_onramp(unread))
    return [*listed, *(one for one in heard if one.reference == str(flow.id))]


def behind_hints(status: str, flow: Snapshot, *, at_least: int = 0) -> bool:
    """Whether the reading is older than an event of Stripe's own: then it is read again soon, not believed.

    `at_least`: how far it is known to have come.
    """
    if flow.snoozes >= READINGS_BELIEVED_AFTER or status not in RANK:
        return False
    hinted = max((rank for word, rank in RANK.items() if word in flow.hints), default=0)
    return RANK[status] < max(hinted, at_least)


def heard_of_payment(flow: Snapshot) -> dict[str, str]:
    """What events said of refunds and disputes, and when: new words of theirs may be ahead of a reading."""
    about = ("charge.", "charge ", "refund.", "refund ", "dispute ")
    return {word: at for word, at in sorted(flow.hints.items()) if word.startswith(about)}


def delivered_as_ordered(session: OnrampSession, flow: Snapshot) -> Money:
    """The coins that came to the ordered wallet. Raises: NeedsPerson: other coins, none, or somewhere else."""
    order, delivered = order_of(flow), session.delivered
    if session.reference != str(flow.id):
        raise _differs("the session names another top-up than this one", "unmatched_event", str(flow.id), session.id)
    if delivered is None or delivered.minor <= 0:
        raise _differs("nothing was delivered", "amount_differs", str(order.amount), str(delivered))
    if delivered.asset != order.amount.asset:
        raise _differs("another coin was delivered", "currency_differs", str(order.amount), str(delivered))
    network, address = session.network or "", session.address or ""
    there = is_address(order.network, address) and normal(order.network, address) == normal(
        order.network, order.address
    )
    if network != order.network or not there:
        raise _differs(
            "the coins went to another wallet or network than was ordered",
            "state_differs",
            f"{order.network} {order.address}",
            f"{network} {address}",
        )
    return delivered


def payable(session: CheckoutSession, flow: Snapshot) -> Money:
    """What the page asks for. Raises: NeedsPerson: for another customer or amount than before, or for nothing."""
    named = flow.data.get("named") or None
    if session.customer != named:
        raise _differs(
            "the session is another customer's than its event said",
            "state_differs",
            "the customer of its event",
            "another, or none",
        )
    if flow.amount is not None and session.total != flow.amount:
        other = flow.amount.asset != session.total.asset
        raise _differs(
            f"the session was of {flow.amount} and is now of {session.total}",
            "currency_differs" if other else "amount_differs",
            str(flow.amount),
            str(session.total),
        )
    if session.status is PaymentStatus.NO_PAYMENT_REQUIRED or session.total.minor <= 0:
        raise _differs("there was nothing to pay", "amount_differs", "more than nothing", str(session.total))
    return session.total


def paid_by(session: CheckoutSession) -> str:
    """The payment behind a paid session, by which refunds and disputes find it. Raises: NeedsPerson."""
    if session.payment_intent is None:
        raise _differs("the session is paid, and names no payment", "missing_there", "a payment", "none")
    return session.payment_intent


def same_currency(settled_amounts: Sequence[Money], credited: Money) -> None:
    """Refunds and disputes are in the payment's own currency. Raises: NeedsPerson."""
    for amount in settled_amounts:
        if amount.asset != credited.asset:
            raise _differs(
                "a refund or dispute is in another currency than the payment",
                "currency_differs",
                str(credited),
                str(amount),
            )


def ownerless_break(session: str, amount: Money) -> BreakFound:
    """A payment for a customer nobody knows."""
    return BreakFound(
        provider="stripe",
        type="unmatched_event",
        subject=f"checkout_session {session}",
        ours="no customer",
        theirs="a payment",
        amount=amount,
        suggested_action="add the customer whom the session names, else rampkeeper ledger move-suspense",
    )


def unknown_status(kind: str, session: str, raw_status: str, amount: Money | None) -> BreakFound:
    """A status that Stripe has not documented stays open, and people are told."""
    return _state(f"{kind} {session}", "a documented status", raw_status, amount, "ask Stripe what it means")


def standing_breaks(settled: Settled) -> tuple[BreakFound, ...]:
    """What people have to see to as long as it is so: disputes to answer, money owed, words nobody documented."""
    return (
        *(_open_dispute(one) for one in settled.takings if one.is_dispute and not one.closed),
        *(_owed(one) for one in settled.takings if one.gone and one.parts.get(rules.OWED)),
        *(_odd(said) for said in settled.unknown),
        *(_resized(one, now) for one, now in settled.resized),
    )


def late_change(session: str, ours: str, theirs: str, amount: Money) -> BreakFound:
    """What was delivered has another status at Stripe now."""
    action = "ask Stripe which is true; settle the difference by hand"
    return _state(f"onramp_session {session}", ours, theirs, amount, action)


def late_amount(session: str, ours: Money, theirs: Money | None) -> BreakFound:
    """Stripe says that it delivered something else than it said before."""
    same = theirs is not None and theirs.asset == ours.asset
    return BreakFound(
        provider="stripe",
        type="amount_differs" if same else "currency_differs",
        subject=f"onramp_session {session}",
        ours=str(ours),
        theirs=str(theirs),
        amount=Money(abs(ours.minor - theirs.minor), ours.asset) if theirs is not None and same else ours,
        suggested_action="ask Stripe, or the chain, which amount is true; ours is booked",
    )


def _open_dispute(one: Taking) -> BreakFound:
    return _state(
        one.name.replace("/", " "),
        "paid",
        "taken by the bank" if one.gone else "opened, nothing taken yet",
        one.amount,
        "answer it at Stripe before its evidence is due",
    )


def _owed(one: Taking) -> BreakFound:
    owed = Money(one.parts[rules.OWED], one.amount.asset)
    return BreakFound(
        provider="stripe",
        type="balance_differs",
        subject=one.name.replace("/", " "),
        ours=f"{owed} of it was spent already",
        theirs=f"{one.amount} taken back",
        amount=owed,
        suggested_action="the customer owes it, in their receivable account: collect it, or write it off",
    )


def _odd(said: str) -> BreakFound:
    name, _, status = said.partition(" is ")
    return _state(name.replace("/", " "), "a documented status", status, None, "ask Stripe what it means")


def _resized(one: Taking, now: Money) -> BreakFound:
    return BreakFound(
        provider="stripe",
        type="amount_differs",
        subject=one.name.replace("/", " "),
        ours=str(one.amount),
        theirs=str(now),
        amount=Money(abs(one.amount.minor - now.minor), one.amount.asset),
        suggested_action="ask Stripe which amount is true; ours is booked",
    )


def _state(subject: str, ours: str, theirs: str, amount: Money | None, action: str) -> BreakFound:
    return BreakFound(
        provider="stripe",
        type="state_differs",
        subject=subject,
        ours=ours,
        theirs=theirs,
        amount=amount,
        suggested_action=action,
    )


def _differs(what: str, break_type: str, ours: str, theirs: str) -> NeedsPerson:
    return NeedsPerson(
        f"Stripe's answer cannot be credited: {what}. Nothing was posted.",
        blame="provider",
        break_type=break_type,
        ours=ours,
        theirs=theirs,
        suggested_action="compare the session at Stripe with what was ordered; replay if it is right again, or abandon "
        "and settle by hand",
    )
