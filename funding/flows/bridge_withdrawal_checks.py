"""What must hold on a withdrawal's way: readings of Bridge, sends found at IBEX, and the breaks when they differ."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from funding.calls import Call
from funding.chain_addresses import NoAddress, normal
from funding.errors import NeedsPerson, NotFound, ProviderRejected, UnexpectedAnswer
from funding.intentions import NOTHING_HAPPENED
from funding.money import Money
from funding.outcomes import BreakFound
from funding.ports.bridge import Payout, PayoutOrder, TransferState
from funding.ports.ibex import SentTokens, TokenTransaction
from funding.snapshot import Snapshot

READINGS_BELIEVED_AFTER: Final = 8  # a hint that so many readings contradict was wrong
CLOCKS_DIFFER: Final = timedelta(minutes=5)  # between Bridge, which says when a transfer was made, and IBEX
LOOK_BACK: Final = timedelta(days=30)  # a flow that a restore has lost begins anew; what it made is older than it

RANK: Final = {
    TransferState.AWAITING_FUNDS: 0,
    TransferState.FUNDS_RECEIVED: 1,
    TransferState.PAYMENT_SUBMITTED: 2,
    TransferState.PAYMENT_PROCESSED: 3,
    TransferState.CANCELED: 4,
    TransferState.ERROR: 4,
    TransferState.UNDELIVERABLE: 4,
    TransferState.RETURNED: 4,
    TransferState.MISSING_RETURN_POLICY: 4,
    TransferState.REFUND_FAILED: 4,
    TransferState.REFUND_IN_FLIGHT: 5,
    TransferState.REFUNDED: 6,
}  # a review can come at any time, and an unknown state mean anything
UNDER_WAY: Final = [state for state, rank in RANK.items() if rank < RANK[TransferState.CANCELED]]
NOT_PAID: Final = frozenset(state for state, rank in RANK.items() if rank >= RANK[TransferState.CANCELED])
SENT_BACK: Final = frozenset({TransferState.REFUND_IN_FLIGHT, TransferState.REFUNDED})
MAYBE_UNFUNDED: Final = frozenset({TransferState.CANCELED, TransferState.ERROR})
NEVER_FUNDED: Final = [TransferState.AWAITING_FUNDS, TransferState.IN_REVIEW, *sorted(MAYBE_UNFUNDED)]

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was asked for, as the flow's data keeps it from the beginning. `return_to`: the customer's own address."""

    customer: str
    amount: Money
    bridge_customer: str
    external_account: str
    bank_name: str
    last4: str
    account: str
    network: str
    return_to: str | None

    @property
    def bank(self) -> str:
        """The bank as the customer knows it."""
        return f"{self.bank_name} (account ending in {self.last4})"


def terms(flow: Snapshot) -> Terms:
    """Its terms. Raises: NeedsPerson: they were damaged here."""
    if flow.customer is None or flow.amount is None or flow.amount.minor <= 0:
        raise NeedsPerson("a withdrawal without a customer or an amount", suggested_action="compare it with its audit")
    data = flow.data
    return Terms(
        customer=flow.customer,
        amount=flow.amount,
        bridge_customer=data["bridge_customer"],
        external_account=data["external_account"],
        bank_name=data["bank_name"],
        last4=data["last4"],
        account=data["account"],
        network=data["network"],
        return_to=data.get("return_to"),
    )


def order_of(flow: Snapshot) -> PayoutOrder:
    """The payout as it is ordered from Bridge."""
    asked = terms(flow)
    return PayoutOrder(
        customer=asked.bridge_customer,
        external_account=asked.external_account,
        amount=asked.amount,
        network=asked.network,
        reference=str(flow.id),
        return_to=asked.return_to,
    )


def transfer_id(flow: Snapshot) -> str:
    """The Bridge transfer this withdrawal is. Raises: NeedsPerson."""
    found = flow.reference("bridge", "transfer")
    if found is None:
        raise NeedsPerson("a withdrawal without its Bridge transfer")
    return found


def read_payout(flow: Snapshot, call: Call) -> Payout:
    """The transfer as Bridge shows it now. Raises: NeedsPerson: it is not what was ordered; and as any read."""
    payout = call.bridge.get_payout(transfer_id(flow))
    refuse_another(payout, flow)
    return payout


def refuse_another(payout: Payout, flow: Snapshot) -> None:
    """Bridge must show the payout that was ordered. Raises: NeedsPerson: another amount, asset or customer."""
    asked = terms(flow)
    if payout.amount == asked.amount and payout.customer == asked.bridge_customer:
        return
    raise NeedsPerson(
        f"Bridge shows a payout of {payout.amount} where {asked.amount} was ordered, or of another customer.",
        blame="provider",
        break_type="amount_differs" if payout.amount.asset == asked.amount.asset else "currency_differs",
        ours=str(asked.amount),
        theirs=str(payout.amount),
        suggested_action="ask Bridge which is true; replay if it is ours again, abandon and settle by hand if not",
    )


def is_behind(payout: Payout, flow: Snapshot) -> bool:
    """Whether the reading is older than an event of Bridge's own, or than one that was acted on: it is read again."""
    if flow.snoozes >= READINGS_BELIEVED_AFTER:
        return False
    read_before = flow.data.get("read_at")
    if read_before is not None and payout.updated_at < datetime.fromisoformat(read_before):
        return True
    if payout.state not in RANK:
        return False
    hinted = max((RANK[state] for state in RANK if state in flow.hints), default=0)
    return RANK[payout.state] < hinted


def age_of(payout: Payout) -> dict[str, str]:
    """What a flow's data keeps of a reading that was acted on, for `is_behind`."""
    return {"read_at": payout.updated_at.isoformat()}


def has_tokens(payout: Payout) -> bool:
    """Whether our tokens have come to Bridge, whatever has become of them there."""
    if payout.chain_hash is not None:
        return True
    return RANK.get(payout.state, 0) > 0 and payout.state not in MAYBE_UNFUNDED


def payouts_of(flow: Snapshot, call: Call) -> Sequence[Payout]:
    """Transfers under our reference: those listed, and those that somebody told us of, for a listing may be cut short.

    Raises: as any read.
    """
    customer = terms(flow).bridge_customer
    since = flow.created_at - LOOK_BACK
    listed = [*_read_back(lambda: call.bridge.find_payouts(str(flow.id), customer=customer, since=since))]
    for unread in sorted(set(flow.told_of("bridge", "transfer")) - {one.id for one in listed}):
        with suppress(NotFound):  # hearsay is no evidence
            listed.append(_told(call, unread))
    return [one for one in listed if one.reference == str(flow.id)]


def _told(call: Call, transfer: str) -> Payout:
    """A transfer that somebody told us of. Raises: NotFound; and as any read, never a refusal."""
    try:
        return call.bridge.get_payout(transfer)
    except NotFound:
        raise
    except ProviderRejected as error:
        raise _unread(error) from error


def sends_of(flow: Snapshot, call: Call, payout: Payout) -> Sequence[SentTokens]:
    """The sends that paid for this transfer: IBEX knows them by account, amount and time alone, so by these.

    The transfer's address was not known before the transfer was made, so neither was the send; and the customer has
    one withdrawal under way at a time, so an equal one that no other flow has is this one's.
    Raises: NeedsPerson: what was sent may be another than was ordered; and as any read.
    """
    asked = terms(flow)
    since = payout.created_at - CLOCKS_DIFFER
    shown = _read_back(lambda: call.ibex.list_transactions(asked.account, since=since))
    left = [one for one in shown if one.incoming is not True and one.created_at >= since]
    left = [one for one in left if _may_have_gone_to(payout.pay_to, one, asked.network)]
    owned = call.others.owned("ibex", "transaction", [one.id for one in left])
    free = [one for one in left if one.id not in owned]
    equal = [one for one in free if abs(one.amount.minor) == asked.amount.minor and _same_asset(one, asked)]
    made = flow.intention("send")
    unlike = [one for one in free if one.incoming is None and one not in equal]
    if not equal and unlike and made is not None and made.outcome not in NOTHING_HAPPENED:
        raise NeedsPerson(
            f"Whether {asked.amount} was sent is unknown, and IBEX shows something else that left the account.",
            blame="provider",
            break_type="amount_differs",
            ours=str(asked.amount),
            theirs=", ".join(str(one.amount) for one in unlike),
            suggested_action="find out at IBEX whether that is this withdrawal; abandon it if so, replay it if not",
        )
    return [SentTokens(transaction_id=one.id, chain_hash=one.chain_hash) for one in equal]


def may_have_sent(flow: Snapshot) -> bool:
    """Whether an earlier call of ours may have sent the tokens and can still do so: its outcome is not settled yet."""
    made = flow.intention("send")
    if made is None or made.outcome in NOTHING_HAPPENED:
        return False
    return made.settle_from is None or flow.now < made.settle_from + 2 * CLOCKS_DIFFER


def may_have_forgotten(flow: Snapshot, payout: Payout) -> bool:
    """Whether the tokens may have been sent by a call that nobody here remembers.

    Our database was restored; and a flow that was begun anew after that finds a transfer older than itself.
    """
    if flow.intention("send") is not None:
        return False
    return flow.look_first or payout.created_at < flow.created_at


def unknown_state(payout: Payout) -> tuple[BreakFound, ...]:
    """A state Bridge has not documented stays open, and people are told."""
    if payout.state is not TransferState.UNKNOWN:
        return ()
    return (_state(payout, "a documented state", "an unknown one", "ask Bridge what it means"),)


_ACTIONS: Final = {
    TransferState.MISSING_RETURN_POLICY: "set a return policy for crypto at Bridge: the tokens then come back",
    TransferState.REFUND_FAILED: "have Bridge send the tokens back: it holds them",
    TransferState.ERROR: "ask Bridge what went wrong, and have it pay out or send the tokens back",
    TransferState.UNDELIVERABLE: "ask Bridge to send the tokens back, or to pay out again",
    TransferState.CANCELED: "have Bridge send back the tokens that come for the canceled transfer",
}


def stands_still(payout: Payout) -> tuple[BreakFound, ...]:
    """What Bridge does not give back by itself."""
    action = _ACTIONS.get(payout.state)
    return unknown_state(payout) if action is None else (_state(payout, "sent back", payout.raw_state, action),)


def late_changes(payout: Payout, flow: Snapshot) -> tuple[BreakFound, ...]:
    """A payout that was processed and is on its way again, or of another amount."""
    if payout.state is not TransferState.PAYMENT_PROCESSED:
        return (_state(payout, "payment_processed", payout.raw_state, "ask Bridge what happened to it"),)
    known = flow.amount_out
    if known is None or payout.sent_on in {None, known}:
        return ()
    return (
        BreakFound(
            provider="bridge",
            type="amount_differs",
            subject=f"transfer {payout.id}",
            ours=str(known),
            theirs=str(payout.sent_on),
            amount=known,
            suggested_action="ask Bridge which amount the bank got; the customer was told ours",
        ),
    )


def refused(flow: Snapshot, refusal: ProviderRejected) -> BreakFound:
    """A refusal that is not the customer's to mend. Nothing has moved."""
    return BreakFound(
        provider=refusal.provider,
        type="state_differs",
        subject=f"withdrawal {flow.id}",
        ours="a withdrawal that may be made",
        theirs=f"refused: {refusal.code or refusal.status}",
        amount=flow.amount,
        suggested_action=f"ask {refusal.provider} why; the money is available again, and the customer was told",
    )


def short_at_ibex(flow: Snapshot, amount: Money) -> BreakFound:
    """Our books say that the customer has the tokens, IBEX that they do not."""
    return BreakFound(
        provider="ibex",
        type="balance_differs",
        subject=f"account of flow {flow.id}",
        ours=f"{amount} or more",
        theirs="less than that",
        amount=amount,
        suggested_action="compare the account at IBEX with the customer's wallet here, and put it right",
    )


def _state(payout: Payout, ours: str, theirs: str, action: str) -> BreakFound:
    return BreakFound(
        provider="bridge",
        type="state_differs",
        subject=f"transfer {payout.id}",
        ours=ours,
        theirs=theirs,
        amount=payout.amount,
        suggested_action=action,
    )


def _read_back(read: Callable[[], Read]) -> Read:
    """A refused reading is no refusal of what is being created: nothing was learned. Raises: UnexpectedAnswer."""
    try:
        return read()
    except ProviderRejected as error:
        raise _unread(error) from error


def _unread(error: ProviderRejected) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        f"{error.provider} refused to show what it has: {error}",
        provider=error.provider,
        request_id=error.request_id,
        status=error.status,
        code=error.code,
    )


def _same_asset(one: TokenTransaction, asked: Terms) -> bool:
    return one.amount.asset == asked.amount.asset


def _may_have_gone_to(address: str | None, one: TokenTransaction, network: str) -> bool:
    """Whether it is not shown to have gone elsewhere; IBEX's listing rarely says where to."""
    if address is None or one.address is None:
        return True
    try:
        return normal(network, address) == normal(network, one.address)
    except NoAddress:
        return True  # on a network that we do not know: perhaps ours after all
