"""What must hold on a deposit's way: readings compared with what is known, and the breaks when they differ."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from funding.calls import Call
from funding.errors import NeedsPerson, NotFound
from funding.money import Money
from funding.outcomes import BreakFound
from funding.ports.alpaca import CashJournal, JournalOrder, JournalStatus
from funding.ports.due import Transfer, TransferStatus
from funding.snapshot import Snapshot

READINGS_BELIEVED_AFTER: Final = 8  # a hint that so many readings contradict was wrong

RANK: Final = {
    TransferStatus.AWAITING_FUNDS: 0,
    TransferStatus.FUNDS_RECEIVED: 1,
    TransferStatus.MANUAL_REVIEW: 2,
    TransferStatus.ACTION_REQUIRED: 2,
    TransferStatus.APPROVED: 2,
    TransferStatus.PAYMENT_SUBMITTED: 3,
    TransferStatus.REFUND_SUBMITTED: 4,
    TransferStatus.PAYMENT_PROCESSED: 5,
    TransferStatus.REFUND_PROCESSED: 5,
    TransferStatus.CANCELED: 5,
    TransferStatus.FAILED: 5,
}
OVER: Final = frozenset(status for status, rank in RANK.items() if rank >= RANK[TransferStatus.REFUND_SUBMITTED])
REFUNDS: Final = [TransferStatus.REFUND_SUBMITTED, TransferStatus.REFUND_PROCESSED, TransferStatus.CANCELED]
UNDER_WAY: Final = [status for status in RANK if status not in OVER]  # an old listing may still show these at the end
JOURNAL_UNDER_WAY: Final = frozenset({JournalStatus.QUEUED, JournalStatus.SENT_TO_CLEARING, JournalStatus.PENDING})
GONE: Final = frozenset(
    {
        JournalStatus.REJECTED,
        JournalStatus.REFUSED,
        JournalStatus.CANCELED,
        JournalStatus.DELETED,
        JournalStatus.CORRECT,
    }
)


def transfer_id(flow: Snapshot) -> str:
    """The Due transfer this deposit is."""
    return _known(flow.reference("due", "transfer"), "a deposit without its Due transfer")


def journal_id(flow: Snapshot) -> str:
    """The newest Alpaca journal of this deposit."""
    return _known(flow.reference("alpaca", "journal"), "a funded deposit without its Alpaca journal")


def behind_hints(transfer: Transfer, flow: Snapshot) -> bool:
    """Whether the reading is older than an event of Due's own: then it is read again soon, not believed."""
    if flow.snoozes >= READINGS_BELIEVED_AFTER or transfer.status not in RANK:
        return False
    hinted = max((RANK[s] for s in RANK if s in flow.hints), default=0)
    return RANK[transfer.status] < hinted


def journal_may_have_changed(flow: Snapshot) -> bool:
    """Whether anybody said that the executed journal we know was replaced: that it is corrected, or of another one."""
    ours = [r for r in flow.references if (r.provider, r.kind) == ("alpaca", "journal")]
    # Once there are several, one of them was corrected, and it was followed.
    return bool(flow.told_of("alpaca", "journal")) or (JournalStatus.CORRECT in flow.hints and len(ours) == 1)


def journal_behind_hints(journal: CashJournal, flow: Snapshot) -> bool:
    """Whether the reading may be older than what was said of it: then it is read again soon, not believed at first."""
    believed = flow.snoozes >= READINGS_BELIEVED_AFTER or journal.status is not JournalStatus.EXECUTED
    return not believed and journal_may_have_changed(flow)


def refuse_changes(transfer: Transfer, flow: Snapshot) -> None:
    """Before money moves on, an amount or currency that changed goes to a person. Raises: NeedsPerson."""
    known = flow.amount
    if known is None or known == transfer.source:
        return
    raise _changed("source", known, transfer.source)


def amount_to_fund(transfer: Transfer, flow: Snapshot) -> Money:
    """The dollars to move, read again from Due just before. Raises: NeedsPerson."""
    refuse_changes(transfer, flow)
    known = flow.amount_out
    if known is not None and known != transfer.destination:
        raise _changed("destination", known, transfer.destination)
    if transfer.status is not TransferStatus.PAYMENT_PROCESSED and transfer.status in OVER:
        raise NeedsPerson(
            f"Due said payment_processed and now says {transfer.raw_status}. Nothing was sent to Alpaca.",
            blame="provider",
            break_type="state_differs",
            ours="payment_processed",
            theirs=transfer.raw_status,
            suggested_action="ask Due which is true; replay if the dollars were paid, abandon if they were returned",
        )
    amount = transfer.destination
    if amount.asset != "USD" or amount.minor <= 0:
        raise NeedsPerson(
            f"Due paid out {amount}; only a positive amount of USD can fund a brokerage account.",
            break_type="currency_differs" if amount.asset != "USD" else "amount_differs",
            ours="USD",
            theirs=str(amount),
            suggested_action="mend the virtual account's output currency at Due; settle this deposit by hand",
        )
    return amount


def receiver(flow: Snapshot, amount: Money) -> tuple[str, str]:
    """The customer and their brokerage account. Raises: NeedsPerson: no link leads there."""
    if flow.customer is None:
        raise NeedsPerson(
            f"{amount} waits in suspense: no customer has the virtual account {flow.data['virtual_account']}.",
            break_type="unmatched_event",
            theirs=str(amount),
            suggested_action="add the link due:virtual_account for its customer",
        )
    link = flow.link("alpaca", "brokerage_account")
    if link is None:
        raise NeedsPerson(
            f"{amount} waits: customer {flow.customer} has no Alpaca brokerage account linked.",
            break_type="missing_here",
            theirs=str(amount),
            suggested_action="add the link alpaca:brokerage_account for this customer; the deposit then goes on",
        )
    return flow.customer, link.id


def funded_party(flow: Snapshot) -> tuple[str, Money]:
    """Whose journal it is, and of how much."""
    amount = flow.amount_out
    if flow.customer is None or amount is None:
        raise NeedsPerson("a journal exists for a deposit without a customer or an amount")
    return flow.customer, amount


def same_journal(journal: CashJournal, order: JournalOrder) -> None:
    """Alpaca must answer with the journal we ordered. Raises: NeedsPerson."""
    if journal.amount != order.amount or journal.to_account != order.to_account:
        raise NeedsPerson(
            f"Alpaca made a journal of {journal.amount} where {order.amount} was ordered, or to another account.",
            blame="provider",
            break_type="amount_differs",
            ours=str(order.amount),
            theirs=str(journal.amount),
            suggested_action="compare the journal at Alpaca with this deposit, have it reversed there, then replay",
        )


def standing(journals: Sequence[CashJournal], flow: Snapshot) -> list[CashJournal]:
    """Of journals found by our reference, those that moved or may move money and are not of an earlier visit."""
    known = {r.id for r in flow.references if r.provider == "alpaca"}
    return [j for j in journals if j.status not in GONE and j.id not in known]


def journals_of(flow: Snapshot, call: Call, *, since: datetime, to_account: str | None) -> list[CashJournal]:
    """The journals under our reference that moved or may move money and are not of an earlier visit.

    Those listed (`to_account` None: to any account), and those that somebody told us of: a listing may be cut short
    without a sign, and what was heard is read by its own id. Raises: as any read.
    """
    listed = call.alpaca.find_journals(str(flow.id), since=since, to_account=to_account)
    return standing([*listed, *_heard_of(flow, call, besides=listed)], flow)


def second_journals(journal: CashJournal, flow: Snapshot, call: Call) -> tuple[BreakFound, ...]:
    """What somebody told us of after this deposit was funded: money moved for it once more."""
    return tuple(
        BreakFound(
            provider="alpaca",
            type="duplicate",
            subject=f"journal {second.id}",
            ours=journal.id,
            theirs=second.id,
            amount=second.amount,
            suggested_action="find out who made it; have one of the two reversed at Alpaca",
        )
        for second in standing(_heard_of(flow, call), flow)
    )


def _heard_of(flow: Snapshot, call: Call, *, besides: Sequence[CashJournal] = ()) -> list[CashJournal]:
    """Hearsay is no evidence: one that Alpaca does not have, or that names another flow, is none.

    Nor is one that takes the money back: it bears the same reference, and funds nobody.
    """
    heard = []
    for unread in sorted(set(flow.told_of("alpaca", "journal")) - {journal.id for journal in besides}):
        with suppress(NotFound):
            heard.append(call.alpaca.get_journal(unread))
    firm = call.alpaca.firm_account
    return [one for one in heard if one.from_account == firm and one.description.partition(" ")[0] == str(flow.id)]


def replacement_of(journal: CashJournal, flow: Snapshot, call: Call) -> CashJournal | None:
    """The new journal that stands for a corrected one: Alpaca names none, so it is found by our reference."""
    heard = journals_of(flow, call, since=flow.created_at, to_account=journal.to_account)
    found = [one for one in heard if one.to_account == journal.to_account]
    return found[0] if len(found) == 1 else None


def time_of(flow: Snapshot, status: TransferStatus, transfer: Transfer) -> datetime | None:
    """When Due says that status was reached, as far as its events told; the transfer's birth for the first."""
    said = flow.hints.get(status)
    if said:
        return datetime.fromisoformat(said)
    return transfer.created_at if status is TransferStatus.FUNDS_RECEIVED else None


def ownerless_breaks(flow: Snapshot, transfer: Transfer) -> tuple[BreakFound, ...]:
    """Money confirmed by Due on a virtual account nobody has."""
    if flow.customer is not None:
        return ()
    return (
        BreakFound(
            provider="due",
            type="unmatched_event",
            subject=f"transfer {transfer.id}",
            ours="no customer",
            theirs=f"virtual account {transfer.virtual_account}",
            amount=transfer.source,
            suggested_action="find the owner and add the link due:virtual_account",
        ),
    )


def money_left_at_due(transfer: Transfer) -> BreakFound:
    """Due failed the payout: it still holds what came in."""
    return BreakFound(
        provider="due",
        type="state_differs",
        subject=f"transfer {transfer.id}",
        ours="failed",
        theirs=transfer.raw_status,
        amount=transfer.source,
        suggested_action="ask Due to refund or pay it out; the money stands in the customer's deposit account",
    )


def unknown_status(transfer: Transfer) -> tuple[BreakFound, ...]:
    """A status Due has not documented stays open, and people are told."""
    if transfer.status is not TransferStatus.UNKNOWN:
        return ()
    return (_state("due", f"transfer {transfer.id}", "a documented status", "an unknown one", transfer.source),)


def unknown_journal_status(journal: CashJournal) -> tuple[BreakFound, ...]:
    """The same for Alpaca."""
    if journal.status is not JournalStatus.UNKNOWN:
        return ()
    return (_state("alpaca", f"journal {journal.id}", "a documented status", "an unknown one", journal.amount),)


def other_amount(journal: CashJournal, ordered: Money) -> tuple[BreakFound, ...]:
    """Alpaca moved another amount than was ordered."""
    if journal.amount == ordered:
        return ()
    return (
        BreakFound(
            provider="alpaca",
            type="amount_differs",
            subject=f"journal {journal.id}",
            ours=str(ordered),
            theirs=str(journal.amount),
            amount=Money(abs(ordered.minor - journal.amount.minor), ordered.asset),
            suggested_action="ask Alpaca why it corrected the journal; settle the difference with the customer",
        ),
    )


def unreplaced(journal: CashJournal) -> BreakFound:
    """A corrected journal whose replacement cannot be told."""
    return _state("alpaca", f"journal {journal.id}", "executed", "correct, without one replacement", journal.amount)


def late_journal_changes(journal: CashJournal, flow: Snapshot) -> tuple[BreakFound, ...]:
    """A journal that was executed and is something else now; one on its way again is an old reading at first."""
    if journal.status in JOURNAL_UNDER_WAY and flow.snoozes < READINGS_BELIEVED_AFTER:
        return ()
    if journal.status is not JournalStatus.EXECUTED:
        return (_state("alpaca", f"journal {journal.id}", "executed", journal.raw_status, journal.amount),)
    expected = flow.amount_out
    if expected is None:
        return ()
    funded = Money(int(flow.data.get("funded_minor", expected.minor)), expected.asset)
    return other_amount(journal, funded)


def late_transfer_changes(transfer: Transfer, flow: Snapshot) -> tuple[BreakFound, ...]:
    """A transfer that was paid out and is something else now."""
    if transfer.status is not TransferStatus.PAYMENT_PROCESSED and transfer.status in OVER:
        return (
            _state("due", f"transfer {transfer.id}", "payment_processed", transfer.raw_status, transfer.destination),
        )
    known = ((flow.amount, transfer.source), (flow.amount_out, transfer.destination))
    return tuple(
        BreakFound(
            provider="due",
            type="amount_differs" if ours.asset == theirs.asset else "currency_differs",
            subject=f"transfer {transfer.id}",
            ours=str(ours),
            theirs=str(theirs),
            amount=Money(abs(ours.minor - theirs.minor), ours.asset) if ours.asset == theirs.asset else ours,
            suggested_action="ask Due which amount is true; the customer has been funded with ours",
        )
        for ours, theirs in known
        if ours is not None and ours != theirs
    )


def _changed(side: str, known: Money, now: Money) -> NeedsPerson:
    other_asset = known.asset != now.asset
    return NeedsPerson(
        f"Due's {side} amount was {known} and is now {now}. Nothing was sent to Alpaca.",
        blame="provider",
        break_type="currency_differs" if other_asset else "amount_differs",
        ours=str(known),
        theirs=str(now),
        suggested_action="ask Due which is true, then replay if it is ours again, or abandon and settle by hand",
    )


def _state(provider: str, subject: str, ours: str, theirs: str, amount: Money) -> BreakFound:
    return BreakFound(
        provider=provider,
        type="state_differs",
        subject=subject,
        ours=ours,
        theirs=theirs,
        amount=amount,
        suggested_action=f"ask {provider} what happened to it",
    )


def _known(value: str | None, what: str) -> str:
    if value is None:
        raise NeedsPerson(f"{what}: its records here were damaged", suggested_action="look at the flow's references")
    return value
