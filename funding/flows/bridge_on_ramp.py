"""A bank deposit at Bridge: it converts by itself, we follow, and credit the tokens once IBEX has them too.

Read from top to bottom: the states, then what is done in each. Money moves in one place: `await_tokens`, and only when
two agree: Bridge that it sent the tokens, IBEX that it has them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from funding.backoff import freshness_wait
from funding.calls import Call
from funding.errors import NeedsPerson
from funding.flow import Flow
from funding.flows import bridge_on_ramp_checks as checks
from funding.flows import bridge_on_ramp_told as told
from funding.flows.receipts import find_receipt
from funding.ledger import bridge_on_ramp as rules
from funding.ledger.bridge_on_ramp import Conversion
from funding.ledger.entries import Entry
from funding.money import Money
from funding.outcomes import Advance, Outcome, Passed, Snooze, WatchEnded
from funding.ports.bridge import BankDeposit, Stage
from funding.ports.ibex import TokenStatus
from funding.snapshot import Reference, Snapshot


class State(StrEnum):
    """Where a deposit is: the names operators see."""

    ANNOUNCED = "announced"  # an event names money at Bridge, or money that is to come; nothing confirmed yet
    CONVERTING = "converting"  # Bridge has the dollars
    IN_REVIEW = "in_review"  # Bridge's people look at it first
    SENT_ON_CHAIN = "sent_on_chain"  # Bridge says that the tokens left; IBEX does not have them yet
    CREDITED = "credited"  # resting: the tokens are in the customer's wallet
    REFUNDED = "refunded"  # closed: Bridge gave the money back to its sender
    FAILED = "failed"  # closed: a bank's test payment, which is never converted


WATCH_FIRST: Final = timedelta(hours=1)
WATCH_CEILING: Final = timedelta(hours=24)
SAME_CUSTOMER: Final = "customer"  # data by which two on-ramps wait for tokens on one account

bridge_on_ramp = Flow(
    "bridge_on_ramp",
    start=State.ANNOUNCED,
    noun="deposit",
    open=(State.ANNOUNCED, State.CONVERTING, State.IN_REVIEW, State.SENT_ON_CHAIN),
    resting={State.CREDITED: timedelta(days=90)},  # refunds and corrections come late
    closed=(State.REFUNDED, State.FAILED),
    limits={
        State.ANNOUNCED: timedelta(days=5),  # an ACH payment is announced business days before it comes
        State.CONVERTING: timedelta(hours=24),
        State.IN_REVIEW: timedelta(days=3),
        State.SENT_ON_CHAIN: timedelta(hours=24),  # the second signal is missing
    },
    way=(State.ANNOUNCED, State.CONVERTING, State.SENT_ON_CHAIN, State.CREDITED),
)

# Where each of Bridge's stages leads; the others leave a deposit where it is.
LEADS_TO: Final = {
    Stage.FUNDS_RECEIVED: State.CONVERTING,
    Stage.PAYMENT_SUBMITTED: State.CONVERTING,
    Stage.IN_REVIEW: State.IN_REVIEW,
    Stage.PAYMENT_PROCESSED: State.SENT_ON_CHAIN,
    Stage.REFUNDED: State.REFUNDED,
    Stage.MICRODEPOSIT: State.FAILED,
}
NO_WAY_ON: Final = frozenset({State.SENT_ON_CHAIN, State.REFUNDED, State.FAILED})  # for this step


@dataclass(frozen=True, slots=True)
class Stop:
    """A state on a deposit's way, and when Bridge says it was reached."""

    state: State
    at: datetime


@bridge_on_ramp.step(
    on=(State.ANNOUNCED, State.CONVERTING, State.IN_REVIEW),
    may_reach=(State.CONVERTING, State.IN_REVIEW, State.SENT_ON_CHAIN, State.REFUNDED, State.FAILED),
    provider="bridge",
)
def follow_deposit(flow: Snapshot, call: Call) -> Outcome:
    """Read the deposit's history from Bridge itself, and go as far as it has gone, through every state it went."""
    deposit = checks.read(flow, call)
    if deposit is None:
        return Snooze(
            wait=_soon(flow, call),
            reason="Bridge shows nothing of it yet",
            even_parked=flow.snoozes < checks.READINGS_BELIEVED_AFTER,
            breaks=told.never_shown(flow),
        )
    if checks.behind_hints(deposit, flow):
        return _older(flow)
    came = checks.came_in(deposit)
    if came is not None:
        checks.refuse_changes(came, flow)
    said = f"Bridge says {checks.newest(deposit).raw_stage}"
    stops = _way(deposit)
    left = _left(flow, stops)
    if not left:
        return Snooze(
            wait=call.backstop,
            reason=said,
            entries=_owner_found(flow, came),
            data={"owner": flow.customer} if flow.data.get("received") else {},
            breaks=(*told.unknown_stage(deposit), *(told.ownerless_breaks(flow, came) if came else ())),
        )
    *before, last = left
    through = tuple(Passed(state=stop.state, at=stop.at) for stop in before)
    if came is None:
        return _without_amount(flow, call, last, said)

    entries = (*_owner_found(flow, came), *_received(flow, came, checks.first_seen(deposit)))
    known = {"received": True, "owner": flow.customer, "passed": len(stops), "rail": deposit.rail}
    match last.state:
        case State.SENT_ON_CHAIN:
            made = checks.conversion(deposit, came)
            return Advance(
                to=State.SENT_ON_CHAIN,
                at=last.at,
                through=through,
                entries=(*entries, rules.converted(deposit.id, made, flow.customer, last.at)),
                data={**known, **_told_of_conversion(deposit, made)},
                amount=came,
                amount_out=made.net,
                park=told.ownerless(flow),
                breaks=told.ownerless_breaks(flow, came),
            )
        case State.REFUNDED:
            checks.refuse_two_ends(deposit)
            return Advance(
                to=State.REFUNDED,
                at=last.at,
                through=through,
                entries=(*entries, rules.given_back(deposit.id, came, flow.customer, last.at)),
                data={**known, "ends_with": [Stage.REFUNDED], "led_there": checks.LED_THERE},
                amount=came,
                reason="Bridge could not deliver it, and says refunded",
                notifications=(told.returned_notice(came),),
                breaks=told.unknown_stage(deposit),
            )
        case State.FAILED:
            undone = rules.given_back(deposit.id, came, flow.customer, last.at, purpose=rules.TEST_PAYMENT)
            return _test_payment(last, through, entries=(*entries, undone), amount=came)
        case _:
            return Advance(
                to=last.state,
                at=last.at,
                through=through,
                entries=entries,
                data=known,
                amount=came,
                reason=said,
                due_in=call.backstop,
                park=told.ownerless(flow),
                breaks=(*told.unknown_stage(deposit), *told.ownerless_breaks(flow, came)),
            )


@bridge_on_ramp.step(on=(State.SENT_ON_CHAIN,), may_reach=(State.CREDITED, State.REFUNDED), provider="ibex")
def await_tokens(flow: Snapshot, call: Call) -> Outcome:
    """Credit the tokens once: when IBEX has completed exactly those that Bridge, asked again, still says it sent."""
    made = checks.conversion_known(flow)
    refund = _refund_heard_of(flow, call)
    if isinstance(refund, Snooze):
        return refund
    if refund is not None and (flow.customer is None or flow.link("ibex", "account") is None):
        return _refunded_after_all(flow, refund, made)
    customer, account = checks.receiver(flow)
    found = find_receipt(
        call,
        account=account,
        amount=made.net,
        chain_hash=flow.data.get("chain_hash"),
        since=datetime.fromisoformat(flow.data["since"]),
        alike=SAME_CUSTOMER,
        lean_on_polls=refund is None,  # before it is believed, IBEX itself is asked
    )
    if found is None and refund is not None:
        return _refunded_after_all(flow, refund, made)
    if found is None or found.status is not TokenStatus.COMPLETED:
        said = f"IBEX says {found.raw_status or 'nothing'}" if found else "IBEX does not have the tokens yet"
        return Snooze(wait=call.backstop, reason=said, breaks=told.unknown_token_status(found) if found else ())
    deposit = refund or checks.read(flow, call)
    if deposit is None:
        return Snooze(wait=_soon(flow, call), reason="Bridge shows nothing of the deposit now")
    if checks.newest(deposit).stage is Stage.UNKNOWN:
        unknown = f"Bridge says {checks.newest(deposit).raw_stage}"
        return Snooze(wait=call.backstop, reason=unknown, breaks=told.unknown_stage(deposit))
    checks.refuse_other_end(deposit, flow)
    return Advance(
        to=State.CREDITED,
        at=found.settled_at,
        entries=(*_owner_found(flow, made.net), rules.credited(found.id, made.net, customer, found.settled_at)),
        references=(Reference("ibex", "transaction", found.id),),
        data={"owner": customer},
        notifications=(told.credited_notice(made),),
        due_in=WATCH_FIRST,
    )


@bridge_on_ramp.step(on=(State.CREDITED,), may_reach=(), provider="bridge")
def watch_credited(flow: Snapshot, call: Call) -> Outcome:
    """Listen on, and notice a refund or another amount that comes late: people deal with those."""
    if flow.watch_until is not None and flow.now >= flow.watch_until:
        return WatchEnded()
    deposit = checks.read(flow, call)
    if deposit is not None and checks.behind_hints(deposit, flow):
        return _older(flow)
    return Snooze(
        wait=min(WATCH_FIRST * (1 << min(flow.snoozes, 5)), WATCH_CEILING),
        reason="watching for late refunds and corrections",
        breaks=told.late_changes(deposit, flow) if deposit else (),
    )


def _way(deposit: BankDeposit) -> list[Stop]:
    """The states that its history leads through, in order, as far as Bridge alone decides."""
    stops: list[Stop] = []
    for stage in deposit.stages:
        state = LEADS_TO.get(stage.stage)
        if state is None or (stops and stops[-1].state is state):
            continue
        if stops and stops[-1].state in NO_WAY_ON:
            break
        stops.append(Stop(state, stage.at))
    return stops


def _left(flow: Snapshot, stops: list[Stop]) -> list[Stop]:
    """Those of the states that this deposit has not gone through yet."""
    left = stops[int(flow.data.get("passed", 0)) :]
    return left[1:] if left and left[0].state == flow.state else left


def _without_amount(flow: Snapshot, call: Call, last: Stop, said: str) -> Outcome:
    """Bridge shows where the money went, but not what came: a history cut short, or a bank's test payment."""
    if last.state is State.FAILED:
        return _test_payment(last, (), entries=(), amount=None)
    if flow.snoozes < checks.READINGS_BELIEVED_AFTER:
        return Snooze(wait=_soon(flow, call), reason=f"{said}, and not what came in", even_parked=True)
    raise NeedsPerson(
        f"{said}, and shows nowhere what came in. Nothing was posted.",
        blame="provider",
        break_type="missing_there",
        theirs=said,
        suggested_action="ask Bridge for the deposit's funds_received entry, then replay",
    )


def _test_payment(
    last: Stop, through: tuple[Passed, ...], *, entries: tuple[Entry, ...], amount: Money | None
) -> Advance:
    return Advance(
        to=State.FAILED,
        at=last.at,
        through=through,
        entries=entries,
        data={"ends_with": [Stage.MICRODEPOSIT], "led_there": checks.LED_THERE},
        amount=amount,
        reason="Bridge says microdeposit: it proves a bank account and is never converted",
        notifications=(told.microdeposit_notice(),),
    )


def _refund_heard_of(flow: Snapshot, call: Call) -> BankDeposit | Snooze | None:
    """The deposit, where somebody has told of a refund and Bridge itself says so."""
    if Stage.REFUNDED not in flow.hints:
        return None
    deposit = checks.read(flow, call)
    if deposit is None or checks.behind_hints(deposit, flow):
        return _older(flow)
    return deposit if checks.newest(deposit).stage is Stage.REFUNDED else None


def _refunded_after_all(flow: Snapshot, deposit: BankDeposit, made: Conversion) -> Advance:
    """No tokens have come, and Bridge took back that it sent them: all that was posted is reversed."""
    refunded = checks.newest(deposit)
    came = checks.came_in(deposit)
    if came is not None:
        checks.refuse_changes(came, flow)
    return Advance(
        to=State.REFUNDED,
        at=refunded.at,
        entries=(
            *_owner_found(flow, made.net),
            rules.unconverted(deposit.id, made, flow.customer, refunded.at),
            rules.given_back(deposit.id, made.came, flow.customer, refunded.at),
        ),
        data={
            "owner": flow.customer,
            "ends_with": [Stage.REFUNDED],
            "led_there": [*checks.LED_THERE, Stage.PAYMENT_PROCESSED],
        },
        reason="Bridge says refunded, after payment_processed",
        notifications=(told.returned_notice(made.came),),
        breaks=(told.sent_and_refunded(deposit, made),),
    )


def _received(flow: Snapshot, came: Money, at: datetime) -> tuple[Entry, ...]:
    if flow.data.get("received"):
        return ()
    return (rules.received(checks.deposit_id(flow), came, flow.customer, at),)


def _owner_found(flow: Snapshot, held: Money | None) -> tuple[Entry, ...]:
    """What was posted to suspense belongs to somebody since their link was added."""
    if held is None or flow.customer is None or not flow.data.get("received") or flow.data.get("owner") is not None:
        return ()
    return (rules.owner_found(checks.deposit_id(flow), flow.customer, held),)


def _told_of_conversion(deposit: BankDeposit, made: Conversion) -> dict[str, object]:
    """What is kept for the second signal, and for showing fees and markup."""
    hashes = [one.chain_hash for one in deposit.stages if one.stage is Stage.PAYMENT_PROCESSED]
    return {
        "chain_hash": next((one for one in hashes if one), None),
        "since": checks.first_seen(deposit).isoformat(),
        "fees_minor": made.fees.minor,
        "markup_minor": made.markup.minor,
    }


def _soon(flow: Snapshot, call: Call) -> timedelta:
    return freshness_wait(flow.snoozes) if flow.snoozes < checks.READINGS_BELIEVED_AFTER else call.backstop


def _older(flow: Snapshot) -> Snooze:
    older = "Bridge's answer is older than what its event said"
    return Snooze(wait=freshness_wait(flow.snoozes), reason=older, even_parked=True)


__all__ = ["State", "bridge_on_ramp"]
