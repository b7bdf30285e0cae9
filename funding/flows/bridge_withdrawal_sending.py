"""How a withdrawal's tokens leave, once, whatever becomes of the call that sends them; and how it ends if they do not.

IBEX knows no key and no reference of ours, so every sending looks first for what it may have made before.
"""

from typing import Final

from funding import refusals
from funding.calls import Call, SettleFirst
from funding.errors import NeedsPerson, OutcomeUnknown, ProviderRejected
from funding.flows import bridge_withdrawal_checks as checks
from funding.ledger import bridge_withdrawal as rules
from funding.ledger.entries import Entry
from funding.outcomes import Advance, BreakFound, Notification, Outcome, Snooze
from funding.ports.bridge import Payout
from funding.ports.ibex import SendOrder, SentTokens, TokenStatus
from funding.snapshot import Reference, Snapshot

SHORT: Final = "insufficient_balance"  # what the port calls money that is not there
PREPARED: Final = "payment_already_prepared"  # IBEX may be at work on it already: no refusal, but no answer
FORGOTTEN_AFTER: Final = 3  # looks, minutes apart, that find no send which may have been forgotten here


def send(flow: Snapshot, call: Call, payout: Payout, pay_to: str, *, to: str, or_to: str) -> Outcome:
    """Send the tokens there, or end the hold where IBEX refuses. Raises: NeedsPerson, and as `Call.create`."""
    asked = checks.terms(flow)
    if checks.may_have_forgotten(flow, payout) and flow.snoozes == 0 and not flow.parked:
        # What we sent and forgot may still be on its way into the listing, and nothing else tells of it.
        raise SettleFirst(call.ports.policies["ibex"].settle_time)
    order = SendOrder(
        account=asked.account, address=pay_to, network=asked.network, amount=asked.amount, name=str(flow.id)
    )
    try:
        request = call.ibex.send_request(order)
    except ValueError as error:
        raise NeedsPerson(
            f"IBEX cannot send the tokens to where Bridge waits for them: {error}. Nothing was sent.",
            blame="provider",
            suggested_action="ask Bridge why it names such an address; replay when it names a good one, or abandon",
        ) from error
    try:
        sent = call.create(
            "send",
            provider="ibex",
            request=request,
            send=lambda request, _key: _send(call, request),
            look_up=lambda: checks.sends_of(flow, call, payout),
            always_look=True,
        )
    except OutcomeUnknown as unknown:
        if unknown.code != PREPARED:
            raise
        raise NeedsPerson(
            "IBEX says that this payment is prepared already. Whether it is at work on it, nobody knows.",
            blame="provider",
            suggested_action="ask IBEX whether it sends the tokens; a replay looks for them before it sends",
        ) from unknown
    except ProviderRejected as refused:
        short = refused.code == SHORT
        return failed(
            flow,
            to=or_to,
            because=(refusals.InsufficientFunds if short else refusals.ApiError).words,
            reason=f"IBEX refused to send the tokens: {refused.code or refused.status}",
            breaks=(checks.short_at_ibex(flow, asked.amount) if short else checks.refused(flow, refused),),
        )
    return _sent(flow, payout, sent, to=to)


def _send(call: Call, request: str) -> SentTokens:
    """As the port does, but that a payment prepared already may be made: only looking can tell."""
    try:
        return call.ibex.send(request)
    except ProviderRejected as refused:
        if refused.code != PREPARED:
            raise
        raise OutcomeUnknown(
            str(refused),
            provider=refused.provider,
            request_id=refused.request_id,
            status=refused.status,
            code=refused.code,
        ) from refused


def sent_already(flow: Snapshot, call: Call, payout: Payout, *, to: str) -> Outcome:
    """Bridge has tokens for this transfer before we know of a send: an answer was lost, or the flow was."""
    found = checks.sends_of(flow, call, payout)
    if len(found) == 1:
        return _sent(flow, payout, found[0], to=to)
    raise NeedsPerson(
        f"Bridge has the tokens of this withdrawal, and IBEX shows {len(found)} sends that may have brought them.",
        break_type="state_differs" if not found else "duplicate",
        ours="1 send",
        theirs=f"{len(found)} sends",
        suggested_action="find out who paid for the transfer; replay once IBEX shows the send, or settle by hand",
    )


def called_off(flow: Snapshot, call: Call, payout: Payout, *, to: str, or_to: str) -> Outcome:
    """Bridge waits no more. Unless the tokens have left, or may still, that is the end of it."""
    found = checks.sends_of(flow, call, payout)
    if found:
        return _sent(flow, payout, found[0], to=to)
    said = f"Bridge says {payout.raw_state}"
    forgotten = checks.may_have_forgotten(flow, payout) and flow.snoozes < FORGOTTEN_AFTER
    if checks.may_have_sent(flow) or forgotten:
        return Snooze(wait=call.backstop, reason=f"{said}, and whether the tokens left is not settled yet")
    return failed(flow, to=or_to, because=refusals.ApiError.words, reason=said)


def _sent(flow: Snapshot, payout: Payout, sent: SentTokens, *, to: str) -> Advance:
    asked = checks.terms(flow)
    cause = f"ibex/transaction/{sent.transaction_id}" if sent.transaction_id else f"bridge/transfer/{payout.id}"
    return Advance(
        to=to,
        entries=(
            rules.hold_released(flow.id, asked.amount, asked.customer),
            rules.sent(cause, asked.amount, asked.customer),
        ),
        references=named(sent),
        data={**checks.age_of(payout), "sent_as": cause},
    )


def failed(flow: Snapshot, *, to: str, because: str, reason: str, breaks: tuple[BreakFound, ...] = ()) -> Advance:
    """The tokens never left: the hold ends."""
    asked = checks.terms(flow)
    released = rules.hold_released(flow.id, asked.amount, asked.customer)
    return ended(flow, to=to, because=because, reason=reason, entries=(released,), breaks=breaks)


def ended(
    flow: Snapshot,
    *,
    to: str,
    because: str,
    reason: str,
    entries: tuple[Entry, ...],
    breaks: tuple[BreakFound, ...] = (),
) -> Advance:
    """It was not made: the customer has the money, and is told why."""
    asked = checks.terms(flow)
    return Advance(
        to=to,
        entries=entries,
        reason=reason,
        data={  # Bridge's words, and IBEX's
            "ends_with": [*checks.NEVER_FUNDED, TokenStatus.FAILED],
            "led_there": [*checks.NEVER_FUNDED, TokenStatus.PENDING],
        },
        notifications=(
            Notification(
                type="withdrawal.failed",
                text=f"The withdrawal of {asked.amount} to {asked.bank} was not made. {because} "
                "The money is available again.",
            ),
        ),
        breaks=breaks,
    )


def named(sent: SentTokens) -> tuple[Reference, ...]:
    """The send's own id, where it is known."""
    return (Reference("ibex", "transaction", sent.transaction_id),) if sent.transaction_id else ()
