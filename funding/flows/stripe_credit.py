"""What becomes of a top-up once it is paid: claimed by its customer, taken back by refunds and disputes, restored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from funding.backoff import freshness_wait
from funding.calls import Call
from funding.errors import NeedsPerson
from funding.flow import RESTING
from funding.flows import stripe_checks as checks
from funding.flows import stripe_takings as takings
from funding.flows.stripe_takings import Purse, Settled
from funding.ledger import accounts
from funding.ledger import stripe_top_up as rules
from funding.ledger.entries import Entry
from funding.money import Money
from funding.outcomes import Advance, BreakFound, Notification, Outcome, Parking, Snooze, WatchEnded
from funding.ports.stripe import OnrampSession, OnrampStatus
from funding.snapshot import Snapshot


class CreditState(StrEnum):
    """The states of a top-up that is paid."""

    CLAIMABLE = "claimable"
    DISPUTED = "disputed"
    CLAIMED = "claimed"
    REVERSED = "reversed"


LOOK_FIRST: Final = timedelta(minutes=1)
LOOK_CEILING: Final = timedelta(hours=24)  # what is quiet for long is read ever more rarely


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a claim takes, and the entry that does it."""

    amount: Money
    entry: Entry


def watch(flow: Snapshot, call: Call) -> Outcome:
    """One look at a paid top-up: what was taken of it since, and whether its customer has asked for the rest."""
    if flow.status == RESTING and flow.watch_until is not None and flow.now >= flow.watch_until:
        return WatchEnded()
    return _watch_payment(flow, call) if checks.is_checkout(flow) else _watch_coins(flow, call)


def claimable(amount: Money) -> Notification:
    """The customer may claim it."""
    return Notification(type="top_up.claimable", text=f"Your top-up of {amount} has arrived and can be claimed.")


def ownerless(flow: Snapshot, amount: Money) -> Parking | None:
    """A payment of nobody we know waits in suspense; None where we know them, or none of it is left."""
    if flow.customer is not None or amount.minor <= 0:
        return None
    return Parking(
        error="needs_person",
        blame="us",
        message=f"{amount} is in suspense: "
        + (
            "no customer here has the id that the Checkout session names. Add them: it goes on by itself."
            if flow.data.get("named")
            else "the Checkout session names no customer. Find out whose it is, then give it to them with rampkeeper "
            "ledger move-suspense."
        ),
    )


def _watch_coins(flow: Snapshot, call: Call) -> Outcome:
    """The onramp's coins: Stripe bears their refunds and disputes, so only the session itself is read again."""
    session = call.stripe.get_onramp(checks.session_id(flow))
    if checks.behind_hints(session.status.value, flow, at_least=checks.RANK["fulfillment_complete"]):
        return _read_again(flow)
    if flow.state != CreditState.CLAIMABLE:
        return Snooze(wait=_quiet(flow), reason="watching for late changes", breaks=_late_changes(session, flow))
    if not flow.data.get("claim"):
        return Snooze(wait=_quiet(flow), reason="waiting for the customer's claim", breaks=_late_changes(session, flow))
    delivered = _unchanged(session, flow)
    order = checks.order_of(flow)
    customer = _customer(flow)
    claim = rules.claimed_coins(session.id, delivered, customer, network=order.network, address=order.address)
    return Advance(to=CreditState.CLAIMED, entries=(claim,), amount_out=delivered, due_in=LOOK_FIRST)


def _watch_payment(flow: Snapshot, call: Call) -> Outcome:
    """A payment on a Checkout page: our own, so refunds and disputes come out of our balance."""
    intent = flow.reference("stripe", "payment_intent")
    if intent is None or flow.amount is None:
        raise NeedsPerson("a paid top-up without its payment or its amount: its records here were damaged")
    credited = flow.amount
    refunds, disputes = call.stripe.refunds_of(intent), call.stripe.disputes_of(intent)
    checks.same_currency([*(one.amount for one in refunds), *(one.amount for one in disputes)], credited)
    believe = flow.snoozes >= checks.READINGS_BELIEVED_AFTER
    before = takings.known(flow.data, credited.asset)
    found = _owner_found(flow, before, credited)
    settled = takings.settle(before, refunds, disputes, _purse(flow, call, credited), believe=believe)
    heard = checks.heard_of_payment(flow)
    if settled.doubted or (not settled.changed and not believe and heard != flow.data.get("heard", {})):
        return _read_again(flow)
    left = takings.left_to_claim(settled.takings, credited)
    waits_for_owner = ownerless(flow, left)
    breaks = checks.standing_breaks(settled)
    if waits_for_owner is not None:
        breaks = (*breaks, checks.ownerless_break(checks.session_id(flow), left))
    to = _stands_at(flow, settled, credited)
    claim = _claim(flow, call, left) if to is CreditState.CLAIMABLE else None
    data: dict[str, Any] = {"takings": settled.kept(), "heard": heard, "owner": flow.customer}
    entries = (*found, *settled.entries)
    if claim is not None:
        return Advance(
            to=CreditState.CLAIMED,
            entries=(*entries, claim.entry),
            data={**data, "claimed_minor": claim.amount.minor},
            amount_out=claim.amount,
            notifications=_told(flow, settled),
            breaks=breaks,
            due_in=LOOK_FIRST,
        )
    if to != flow.state or entries:
        return Advance(
            to=to,
            entries=entries,
            reason=_why(settled),
            data=data,
            notifications=(
                *_told(flow, settled),
                *((claimable(left),) if found and to is CreditState.CLAIMABLE else ()),
            ),
            breaks=breaks,
            park=waits_for_owner,
            due_in=LOOK_FIRST,
        )
    waiting = "waiting for the customer's claim" if to is CreditState.CLAIMABLE else "watching for refunds and disputes"
    return Snooze(wait=_quiet(flow), reason=waiting, data=data, breaks=breaks)


def _stands_at(flow: Snapshot, settled: Settled, credited: Money) -> CreditState:
    """Where the takings put it: nothing but what they say now counts, in whatever order they came."""
    if any(one.is_dispute and not one.closed for one in settled.takings):
        return CreditState.DISPUTED
    if takings.outstanding(settled.takings) >= credited.minor:
        return CreditState.REVERSED
    return CreditState.CLAIMED if _is_claimed(flow.data) else CreditState.CLAIMABLE


def _claim(flow: Snapshot, call: Call, left: Money) -> Claim | None:
    """What the customer gets now, if they have asked for it: the session is read again first."""
    if not flow.data.get("claim") or flow.customer is None:
        return None
    session = call.stripe.get_checkout(checks.session_id(flow))
    checks.payable(session, flow)
    return Claim(amount=left, entry=rules.claimed_cash(session.id, left, flow.customer))


def _purse(flow: Snapshot, call: Call, credited: Money) -> Purse:
    claimed = _is_claimed(flow.data)
    cash = Money(0, credited.asset)
    if claimed and flow.customer is not None:
        cash = call.others.available(accounts.cash(flow.customer, credited.asset))
    return Purse(customer=flow.customer, credited=credited, claimed=claimed, cash=cash)


def _owner_found(flow: Snapshot, before: tuple[takings.Taking, ...], credited: Money) -> tuple[Entry, ...]:
    """Someone has said since whose money it is: what is left of it leaves suspense."""
    left = takings.left_to_claim(before, credited)
    if flow.customer is None or flow.data.get("owner") is not None or left.minor <= 0:
        return ()
    return (rules.owner_found(checks.session_id(flow), flow.customer, left),)


def _told(flow: Snapshot, settled: Settled) -> tuple[Notification, ...]:
    """What the customer hears of money that was taken back, or given back to them."""
    if flow.customer is None:
        return ()
    return (
        *(
            Notification(
                type="top_up.reversed",
                text=f"{one.amount} of your top-up was taken back by a {_word(one)}.",
                cause=f"{one.name} {one.moves}",
            )
            for one in settled.went
        ),
        *(
            Notification(
                type="top_up.restored",
                text=f"{one.amount} of your top-up is yours again: the {_word(one)} was undone.",
                cause=f"{one.name} {one.moves}",
            )
            for one in settled.came_back
        ),
    )


def _word(one: takings.Taking) -> str:
    return "dispute" if one.is_dispute else "refund"


def _why(settled: Settled) -> str | None:
    moved = [f"{one.name} took {one.amount}" for one in settled.went]
    moved += [f"{one.name} gave {one.amount} back" for one in settled.came_back]
    return "; ".join(moved) or None


def _is_claimed(data: Mapping[str, Any]) -> bool:
    return "claimed_minor" in data


def _unchanged(session: OnrampSession, flow: Snapshot) -> Money:
    """The coins, read again just before they are claimed. Raises: NeedsPerson: Stripe says something else now."""
    found = _late_changes(session, flow)
    if found:
        raise NeedsPerson(
            "Stripe says something else of this session than when it was credited. It was not claimed.",
            blame="provider",
            break_type=found[0].type,
            ours=found[0].ours,
            theirs=found[0].theirs,
            suggested_action=found[0].suggested_action,
        )
    return checks.delivered_as_ordered(session, flow)


def _late_changes(session: OnrampSession, flow: Snapshot) -> tuple[BreakFound, ...]:
    if flow.amount is None:
        return ()
    if session.status is not OnrampStatus.FULFILLMENT_COMPLETE:
        return (checks.late_change(session.id, "fulfillment_complete", session.raw_status, flow.amount),)
    if session.delivered != flow.amount:
        return (checks.late_amount(session.id, flow.amount, session.delivered),)
    return ()


def _customer(flow: Snapshot) -> str:
    if flow.customer is None:
        raise NeedsPerson("a top-up of the onramp without its customer: its records here were damaged")
    return flow.customer


def _quiet(flow: Snapshot) -> timedelta:
    return min(LOOK_FIRST * (1 << min(flow.snoozes, 11)), LOOK_CEILING)


def _read_again(flow: Snapshot) -> Snooze:
    older = "Stripe's answer may be older than what its event said"
    return Snooze(wait=freshness_wait(flow.snoozes), reason=older, even_parked=True)
