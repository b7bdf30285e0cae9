"""A withdrawal: tokens of a customer go to Bridge, which pays dollars to the customer's bank.

Read from top to bottom: the states, then what is done in each. It is begun by our own command, with the tokens held in
the ledger. Money moves in one place: `send_tokens`. What the bank gives back comes home through `await_return`.
"""

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from funding import refusals
from funding.backoff import freshness_wait
from funding.calls import Call
from funding.errors import ProviderRejected
from funding.flow import Flow
from funding.flows import bridge_withdrawal_checks as checks
from funding.flows import bridge_withdrawal_sending as sending
from funding.flows.bridge_standing import refusal_of_standing
from funding.flows.receipts import possible_receipts
from funding.intentions import NOTHING_HAPPENED
from funding.ledger import bridge_withdrawal as rules
from funding.ledger.entries import Entry
from funding.money import Money
from funding.outcomes import Advance, Notification, Outcome, Passed, Snooze, WatchEnded
from funding.ports.bridge import NO_RETURN_ADDRESS, Payout, TransferState
from funding.ports.ibex import TokenStatus, TokenTransaction
from funding.snapshot import Reference, Snapshot


class State(StrEnum):
    """Where a withdrawal is: the names operators see."""

    REQUESTED = "requested"  # asked for, the tokens held in the ledger; nothing asked of anybody yet
    HELD = "held"  # Bridge waits for the tokens at an address
    SENT_TO_BRIDGE = "sent_to_bridge"  # IBEX has sent them
    PAYING_OUT = "paying_out"  # Bridge has them
    PAID_OUT = "paid_out"  # resting: at the bank, which may give it back for days
    RETURNED = "returned"  # the payout failed or came back; the tokens are not home yet
    RELEASED = "released"  # closed: the tokens are in the customer's wallet again
    FAILED = "failed"  # closed: the tokens never left, and the hold has ended


AGAIN: Final = timedelta(seconds=1)
WATCH_FIRST: Final = timedelta(hours=1)
WATCH_CEILING: Final = timedelta(hours=24)
HEARD_OF: Final = timedelta(minutes=5)  # tokens may be here so long before anybody told us of their on-ramp

bridge_withdrawal = Flow(
    "bridge_withdrawal",
    start=State.REQUESTED,
    noun="withdrawal",
    open=(State.REQUESTED, State.HELD, State.SENT_TO_BRIDGE, State.PAYING_OUT, State.RETURNED),
    resting={State.PAID_OUT: timedelta(days=90)},  # a bank may return it days later
    closed=(State.RELEASED, State.FAILED),
    limits={
        State.REQUESTED: timedelta(hours=1),
        State.HELD: timedelta(hours=1),
        State.SENT_TO_BRIDGE: timedelta(hours=4),
        State.PAYING_OUT: timedelta(days=5),  # an ACH payment, over a long weekend
        State.RETURNED: timedelta(days=3),
    },
    way=(State.REQUESTED, State.HELD, State.SENT_TO_BRIDGE, State.PAYING_OUT, State.PAID_OUT),
)


@bridge_withdrawal.step(on=(State.REQUESTED,), may_reach=(State.HELD, State.FAILED), provider="bridge", creates=True)
def order_payout(flow: Snapshot, call: Call) -> Outcome:
    """Have Bridge wait for the tokens, if it lets the customer be paid: once, whatever happens on the way."""
    order = checks.order_of(flow)
    made_before = flow.intention("payout")
    told_of_one = bool(flow.told_of("bridge", "transfer"))
    if not (told_of_one or flow.look_first) and (made_before is None or made_before.outcome in NOTHING_HAPPENED):
        # Before the first sending only: an earlier call of ours may have ordered it while the customer stood well.
        refusal = refusal_of_standing(call.bridge.get_customer(order.customer))
        if refusal is not None:
            return sending.failed(
                flow,
                to=State.FAILED,
                because=refusal.text,
                reason=f"Bridge does not let this customer be paid: {refusal.code}",
            )
    try:
        payout = call.create(
            "payout",
            provider="bridge",
            request=call.bridge.payout_request(order),
            send=lambda request, key: call.bridge.create_payout(request, key=key),
            look_up=lambda: checks.payouts_of(flow, call),
            told_of_one=told_of_one,
        )
    except ProviderRejected as refused:
        if refused.code == NO_RETURN_ADDRESS and order.return_to is not None:
            # Should the payout fail, the tokens go where Bridge's own return policy of ours says.
            reason = "Bridge takes no address to return tokens to: ordered again without one"
            return Snooze(wait=AGAIN, reason=reason, data={"return_to": None})
        found = _REFUSED_FOR.get(refused.code or "")
        return sending.failed(
            flow,
            to=State.FAILED,
            because=found or refusals.ApiError.words,
            reason=f"Bridge refused it: {refused.code or refused.status}",
            breaks=() if found else (checks.refused(flow, refused),),
        )
    checks.refuse_another(payout, flow)
    return Advance(
        to=State.HELD,
        at=payout.created_at,
        references=(Reference("bridge", "transfer", payout.id),),
        data=checks.age_of(payout),
    )


@bridge_withdrawal.step(on=(State.HELD,), may_reach=(State.SENT_TO_BRIDGE, State.FAILED), provider="ibex", creates=True)
def send_tokens(flow: Snapshot, call: Call) -> Outcome:
    """Send the tokens to where Bridge waits for them: once. IBEX knows no key, so every sending looks first."""
    payout = checks.read_payout(flow, call)
    if checks.is_behind(payout, flow):
        return _older(flow)
    if checks.has_tokens(payout):
        return sending.sent_already(flow, call, payout, to=State.SENT_TO_BRIDGE)
    match payout.state:
        case TransferState.AWAITING_FUNDS if payout.pay_to is not None:
            return sending.send(flow, call, payout, payout.pay_to, to=State.SENT_TO_BRIDGE, or_to=State.FAILED)
        case TransferState.CANCELED | TransferState.ERROR:
            return sending.called_off(flow, call, payout, to=State.SENT_TO_BRIDGE, or_to=State.FAILED)
        case _:
            return Snooze(
                wait=call.backstop,
                reason=f"Bridge says {payout.raw_state}, and not yet where to send the tokens",
                breaks=checks.unknown_state(payout),
            )


@bridge_withdrawal.step(
    on=(State.SENT_TO_BRIDGE, State.PAYING_OUT),
    may_reach=(State.PAYING_OUT, State.PAID_OUT, State.RETURNED, State.FAILED),
    provider="bridge",
)
def follow_payout(flow: Snapshot, call: Call) -> Outcome:
    """Read the transfer from Bridge itself, and go as far as it has gone."""
    payout = checks.read_payout(flow, call)
    if checks.is_behind(payout, flow):
        return _older(flow)
    return replace(_followed(flow, call, payout), references=_send_found_late(flow, call, payout))


@bridge_withdrawal.step(on=(State.PAID_OUT,), may_reach=(State.RETURNED,), provider="bridge")
def watch_paid_out(flow: Snapshot, call: Call) -> Outcome:
    """Listen on: a bank gives an ACH payment back days later."""
    if flow.watch_until is not None and flow.now >= flow.watch_until:
        return WatchEnded()
    payout = checks.read_payout(flow, call)
    if checks.is_behind(payout, flow):
        return _older(flow)
    if payout.state in checks.NOT_PAID:
        return _returned(flow, call, payout)
    return Snooze(
        wait=min(WATCH_FIRST * (1 << min(flow.snoozes, 5)), WATCH_CEILING),
        reason="watching for a late return by the bank",
        breaks=checks.late_changes(payout, flow),
    )


@bridge_withdrawal.step(on=(State.RETURNED,), may_reach=(State.RELEASED, State.PAID_OUT, State.FAILED), provider="ibex")
def await_return(flow: Snapshot, call: Call) -> Outcome:
    """Give the customer the tokens back: once Bridge says that it sent them, and IBEX has completed as many.

    Or at once, where IBEX says that they never left.
    """
    payout = checks.read_payout(flow, call)
    if checks.is_behind(payout, flow):
        return _older(flow)
    if payout.state is TransferState.PAYMENT_PROCESSED and not flow.data.get("sent_back"):
        return _paid(flow, payout)  # Bridge has paid it out anew
    never_left = _never_left(flow, call, payout)
    if never_left is not None:
        return never_left
    entries = (*_taken(flow, payout), *_sent_back(flow, payout))
    known = _known(flow, payout)
    if not known["sent_back"]:
        return Snooze(
            wait=call.backstop,
            reason=f"Bridge says {payout.raw_state}",
            entries=entries,
            data=known,
            breaks=checks.stands_still(payout),
        )
    receipt = _came_home(flow, call, payout)
    if receipt is None:
        waiting = "the tokens are on their way back to IBEX"
        breaks = () if payout.state in checks.SENT_BACK else checks.stands_still(payout)
        return Snooze(wait=call.backstop, reason=waiting, entries=entries, data=known, breaks=breaks)
    asked = checks.terms(flow)
    return Advance(
        to=State.RELEASED,
        at=receipt.settled_at,
        entries=(*entries, rules.back_in_wallet(receipt.id, asked.amount, asked.customer, receipt.settled_at)),
        references=(Reference("ibex", "transaction", receipt.id),),
        data={
            **known,
            "ends_with": sorted([*checks.SENT_BACK, TokenStatus.COMPLETED]),  # Bridge's word, and IBEX's
            "led_there": sorted([*checks.RANK, TokenStatus.PENDING]),
        },
    )


def _followed(flow: Snapshot, call: Call, payout: Payout) -> Advance | Snooze:
    said = f"Bridge says {payout.raw_state}"
    match payout.state:
        case TransferState.PAYMENT_PROCESSED:
            return _paid(flow, payout)
        case state if state in checks.NOT_PAID:
            return _never_left(flow, call, payout) or _returned(flow, call, payout)
        case TransferState.AWAITING_FUNDS:
            return _never_left(flow, call, payout) or Snooze(
                wait=call.backstop, reason="the tokens are on their way to Bridge"
            )
        case TransferState.FUNDS_RECEIVED | TransferState.PAYMENT_SUBMITTED if flow.state == State.SENT_TO_BRIDGE:
            return Advance(
                to=State.PAYING_OUT,
                entries=_taken(flow, payout),
                data=_known(flow, payout),
                reason=said,
                due_in=call.backstop,
            )
        case _:
            return Snooze(
                wait=call.backstop,
                reason=said,
                entries=_taken(flow, payout),
                data=_known(flow, payout),
                breaks=checks.unknown_state(payout),
            )


def _never_left(flow: Snapshot, call: Call, payout: Payout) -> Advance | None:
    """The end of a send that IBEX says has failed: it moved nothing. None: it may arrive yet."""
    sent = flow.reference("ibex", "transaction")
    if sent is None or flow.data.get("taken") or checks.has_tokens(payout):
        return None
    if call.ibex.get_transaction(sent).status is not TokenStatus.FAILED:
        return None
    asked = checks.terms(flow)
    undone = rules.not_sent(flow.data["sent_as"], asked.amount, asked.customer)
    return sending.ended(
        flow,
        to=State.FAILED,
        because=refusals.ApiError.words,
        reason="IBEX says that the send failed",
        entries=(undone,),
    )


def _paid(flow: Snapshot, payout: Payout) -> Advance:
    asked = checks.terms(flow)
    number = int(flow.data.get("payouts", 0)) + 1
    fee = payout.developer_fee or Money(0, asked.amount.asset)
    through = (Passed(state=State.PAYING_OUT),) if flow.state == State.SENT_TO_BRIDGE else ()
    paid = rules.paid_out(payout.id, number, asked.amount, fee, asked.customer, payout.updated_at)
    return Advance(
        to=State.PAID_OUT,
        at=payout.updated_at,
        through=through,
        entries=(*_taken(flow, payout), paid),
        data={**_known(flow, payout), "payouts": number, "paid": True, "fee_minor": fee.minor},
        amount_out=payout.sent_on,
        notifications=(
            Notification(
                type="withdrawal.paid",
                text=f"{payout.sent_on or asked.amount} was paid to {asked.bank}.{_kept(fee)}",
                cause=str(number),
            ),
        ),
        due_in=WATCH_FIRST,
    )


def _returned(flow: Snapshot, call: Call, payout: Payout) -> Advance:
    """The money did not reach the bank, or came back from it."""
    asked = checks.terms(flow)
    number = int(flow.data.get("payouts", 0))
    fee = Money(int(flow.data.get("fee_minor", 0)), asked.amount.asset)
    came_late = flow.state == State.SENT_TO_BRIDGE and checks.has_tokens(payout)
    undone = (rules.returned(payout.id, number, asked.amount, fee, asked.customer, payout.updated_at),)
    return Advance(
        to=State.RETURNED,
        at=payout.updated_at,
        through=(Passed(state=State.PAYING_OUT),) if came_late else (),
        entries=(*_taken(flow, payout), *(undone if flow.data.get("paid") else ()), *_sent_back(flow, payout)),
        data={**_known(flow, payout), "paid": False},
        reason=f"Bridge says {payout.raw_state}",
        notifications=(
            Notification(
                type="withdrawal.returned",
                text=f"The withdrawal of {asked.amount} to {asked.bank} came back. The money will be in the balance "
                "again as soon as it has arrived.",
                cause=str(number),
            ),
        ),
        breaks=checks.stands_still(payout),
        due_in=freshness_wait(0) if payout.state in checks.SENT_BACK else call.backstop,
    )


def _came_home(flow: Snapshot, call: Call, payout: Payout) -> TokenTransaction | None:
    """The receipt of the tokens; None: not there yet, or it may be what an on-ramp waits for, which is served first.

    Bridge does not tell the hash of what it sends back. Of several equal receipts any will do: each is of this
    customer and this amount.
    """
    asked = checks.terms(flow)
    found = possible_receipts(call, account=asked.account, amount=asked.amount, since=payout.created_at)
    on_ramps = flow.link("bridge", "virtual_account") is not None
    for one in found:
        known_of = not on_ramps or flow.now - (one.settled_at or one.created_at) >= HEARD_OF
        if one.status is not TokenStatus.COMPLETED or not known_of:
            continue
        if not call.others.on_ramp_waits(asked.amount, chain_hash=one.chain_hash):
            return one
    return None


def _taken(flow: Snapshot, payout: Payout) -> tuple[Entry, ...]:
    if flow.data.get("taken") or not checks.has_tokens(payout):
        return ()
    return (rules.taken(payout.id, checks.terms(flow).amount),)


def _sent_back(flow: Snapshot, payout: Payout) -> tuple[Entry, ...]:
    if flow.data.get("sent_back") or payout.state not in checks.SENT_BACK:
        return ()
    return (rules.sent_back(payout.id, checks.terms(flow).amount),)


def _known(flow: Snapshot, payout: Payout) -> dict[str, object]:
    """What is booked once this reading is recorded, and how old the reading was."""
    return {
        **checks.age_of(payout),
        "taken": bool(flow.data.get("taken")) or checks.has_tokens(payout),
        "sent_back": bool(flow.data.get("sent_back")) or payout.state in checks.SENT_BACK,
    }


def _send_found_late(flow: Snapshot, call: Call, payout: Payout) -> tuple[Reference, ...]:
    """IBEX may answer a send without saying its id: then the listing does."""
    if flow.reference("ibex", "transaction") is not None:
        return ()
    found = checks.sends_of(flow, call, payout)
    return sending.named(found[0]) if len(found) == 1 else ()


def _older(flow: Snapshot) -> Snooze:
    older = "Bridge's answer is older than what is known already"
    return Snooze(wait=freshness_wait(flow.snoozes), reason=older, even_parked=True)


def _kept(fee: Money) -> str:
    return f" {fee} of it is our fee." if fee.minor else ""


_REFUSED_FOR: Final = {
    "requires_active_kyc_status": refusals.KycPending.words,
    "has_not_accepted_tos": refusals.KycPending.words,
    "frozen": refusals.CustomerSuspended.words,
    "deactivated_external_account": "The bank account is no longer open to us. Please link it again, or another one.",
}


__all__ = ["State", "bridge_withdrawal"]
