"""A Stripe top-up: paid at the onramp, which sends coins to the customer's wallet, or on a Checkout page.

Read from top to bottom: the states, then what is done in each. Stripe is asked to make something in one place:
`take_up`. Once it is paid, `stripe_credit` watches what is left of it, and lets the customer claim it.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from funding.backoff import freshness_wait
from funding.calls import Call
from funding.errors import NeedsPerson
from funding.flow import Flow
from funding.flows import stripe_checks as checks
from funding.flows.stripe_credit import CreditState, claimable, ownerless, watch
from funding.ledger import stripe_top_up as rules
from funding.money import Money
from funding.outcomes import Advance, Notification, Outcome, Passed, Snooze, WatchEnded
from funding.ports.stripe import CheckoutSession, OnrampSession, OnrampStatus, PaymentStatus
from funding.snapshot import Reference, Snapshot


class State(StrEnum):
    """Where a top-up is: the names operators see."""

    CREATED = "created"  # there is a session, or will be; nothing is paid
    PAID = "paid"  # paid, and the coins are on their way
    CLAIMABLE = CreditState.CLAIMABLE  # credited: the customer may claim it
    DISPUTED = CreditState.DISPUTED  # the payer's bank asks for the money, or has taken it
    CLAIMED = CreditState.CLAIMED  # resting: claimed, while refunds and disputes may still come
    ABANDONED = "abandoned"  # resting: not paid for a week; it wakes if it is paid later
    REVERSED = CreditState.REVERSED  # resting: all of it was taken back, and may still come back
    REJECTED = "rejected"  # closed: Stripe refused the customer


UNPAID_FOR: Final = timedelta(days=7)
SESSION_FIRST_LOOK: Final = timedelta(minutes=1)  # a customer needs a while to pay
GIVEN_UP_FIRST: Final = timedelta(hours=1)
GIVEN_UP_CEILING: Final = timedelta(hours=24)

stripe_top_up = Flow(
    "stripe_top_up",
    start=State.CREATED,
    noun="top_up",
    open=(State.CREATED, State.PAID, State.CLAIMABLE, State.DISPUTED),
    resting={
        State.CLAIMED: timedelta(days=180),  # disputes come late
        State.ABANDONED: timedelta(days=90),
        State.REVERSED: timedelta(days=180),
    },
    closed=(State.REJECTED,),
    limits={
        State.CREATED: UNPAID_FOR + timedelta(days=1),
        State.PAID: timedelta(hours=24),  # Stripe documents nothing for a delivery that fails
        State.DISPUTED: timedelta(days=130),  # banks decide within 75 days, and again on an appeal
    },
    way=(State.CREATED, State.PAID, State.CLAIMABLE, State.CLAIMED),
)


@stripe_top_up.step(
    on=(State.CREATED,),
    may_reach=(State.PAID, State.CLAIMABLE, State.ABANDONED, State.REJECTED),
    provider="stripe",
    creates=True,
)
def take_up(flow: Snapshot, call: Call) -> Outcome:
    """Make the session that was ordered, once; then follow it until it is paid."""
    if checks.is_checkout(flow) or flow.reference("stripe", "onramp_session") is not None:
        return _follow(flow, call)
    session = call.create(
        "session",
        provider="stripe",
        request=call.stripe.onramp_request(checks.order_of(flow)),
        send=lambda request, key: call.stripe.create_onramp(request, key=key),
        look_up=lambda: checks.sessions_of(flow, call),
        told_of_one=bool(flow.told_of("stripe", "onramp_session")),
    )
    return Snooze(
        wait=SESSION_FIRST_LOOK,
        reason="waiting for the customer to pay",
        references=(Reference("stripe", "onramp_session", session.id),),
    )


@stripe_top_up.step(on=(State.PAID,), may_reach=(State.CLAIMABLE, State.REJECTED), provider="stripe")
def await_coins(flow: Snapshot, call: Call) -> Outcome:
    """Read the session from Stripe itself until the coins are delivered."""
    return _follow(flow, call)


@stripe_top_up.step(on=(State.ABANDONED,), may_reach=(State.PAID, State.CLAIMABLE, State.REJECTED), provider="stripe")
def watch_abandoned(flow: Snapshot, call: Call) -> Outcome:
    """Listen on: somebody may pay after all."""
    if flow.watch_until is not None and flow.now >= flow.watch_until:
        return WatchEnded()
    return _follow(flow, call)


@stripe_top_up.step(
    on=(State.CLAIMABLE, State.DISPUTED, State.CLAIMED, State.REVERSED),
    may_reach=(State.CLAIMABLE, State.DISPUTED, State.CLAIMED, State.REVERSED),
    provider="stripe",
)
def watch_credit(flow: Snapshot, call: Call) -> Outcome:
    """See what refunds and disputes leave of it, and let the customer claim that."""
    return watch(flow, call)


def _follow(flow: Snapshot, call: Call) -> Outcome:
    if checks.is_checkout(flow):
        return _follow_page(flow, call, call.stripe.get_checkout(checks.session_id(flow)))
    return _follow_onramp(flow, call, call.stripe.get_onramp(checks.session_id(flow)))


def _follow_onramp(flow: Snapshot, call: Call, session: OnrampSession) -> Outcome:
    paid = flow.state == State.PAID
    if checks.behind_hints(session.status.value, flow, at_least=checks.RANK["fulfillment_processing"] if paid else 0):
        return _read_again(flow)
    match session.status:
        case OnrampStatus.FULFILLMENT_COMPLETE:
            delivered = checks.delivered_as_ordered(session, flow)
            return Advance(
                to=State.CLAIMABLE,
                through=() if paid else (Passed(state=State.PAID),),
                entries=(rules.credited_coins(session.id, delivered, _owner(flow)),),
                amount=delivered,
                notifications=(claimable(delivered),),
            )
        case OnrampStatus.FULFILLMENT_PROCESSING if not paid:
            return Advance(to=State.PAID, reason="paid; the coins are on their way", due_in=SESSION_FIRST_LOOK)
        case OnrampStatus.REJECTED:
            return Advance(
                to=State.REJECTED,
                reason="Stripe refused the customer",
                data={"ends_with": [OnrampStatus.REJECTED], "led_there": checks.UNDER_WAY},
                notifications=(
                    Notification(type="top_up.failed", text="The top-up was refused. Nothing was charged."),
                ),
            )
        case OnrampStatus.UNKNOWN:
            found = checks.unknown_status("onramp_session", session.id, session.raw_status, flow.amount)
            return Snooze(wait=call.backstop, reason=f"Stripe says {session.raw_status}", breaks=(found,))
        case _:
            return _not_yet(flow, call, session.raw_status, flow.amount)


def _follow_page(flow: Snapshot, call: Call, session: CheckoutSession) -> Outcome:
    if checks.behind_hints(session.status.value, flow):
        return _read_again(flow)
    total = checks.payable(session, flow)
    match session.status:
        case PaymentStatus.PAID:
            said = flow.hints.get(PaymentStatus.PAID)
            at = datetime.fromisoformat(said) if said else None
            return Advance(
                to=State.CLAIMABLE,
                at=at,
                through=() if flow.state == State.PAID else (Passed(state=State.PAID, at=at),),
                entries=(rules.credited_cash(session.id, total, flow.customer, at),),
                references=(Reference("stripe", "payment_intent", checks.paid_by(session)),),
                data={"owner": flow.customer},
                amount=total,
                park=ownerless(flow, total),
                breaks=() if flow.customer else (checks.ownerless_break(session.id, total),),
                notifications=(claimable(total),) if flow.customer else (),
            )
        case PaymentStatus.UNKNOWN:
            found = checks.unknown_status("checkout_session", session.id, session.raw_status, total)
            reason = f"Stripe says {session.raw_status}"
            return Snooze(wait=call.backstop, reason=reason, breaks=(found,), amount=total)
        case _:
            return _not_yet(flow, call, session.raw_status, total)


def _not_yet(flow: Snapshot, call: Call, raw_status: str, amount: Money | None) -> Outcome:
    """Unpaid, or delivered nothing: after a week nobody waits for it any more."""
    waiting = f"Stripe says {raw_status}"
    if flow.state == State.ABANDONED:
        wait = min(GIVEN_UP_FIRST * (1 << min(flow.snoozes, 5)), GIVEN_UP_CEILING)
        return Snooze(wait=wait, reason=waiting, amount=amount)
    if flow.state == State.PAID:
        return Snooze(wait=call.backstop, reason=waiting, amount=amount)
    left = UNPAID_FOR - (flow.now - flow.created_at)
    if left <= timedelta(0):
        return Advance(to=State.ABANDONED, reason="not paid for a week", amount=amount, due_in=GIVEN_UP_FIRST)
    return Snooze(wait=min(call.backstop, left), reason=waiting, amount=amount)


def _read_again(flow: Snapshot) -> Snooze:
    older = "Stripe's answer is older than what its event said"
    return Snooze(wait=freshness_wait(flow.snoozes), reason=older, even_parked=True)


def _owner(flow: Snapshot) -> str:
    if flow.customer is None:
        raise NeedsPerson("a top-up of the onramp without its customer: its records here were damaged")
    return flow.customer
