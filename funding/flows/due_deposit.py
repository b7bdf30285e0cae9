"""A Due deposit: the virtual account converts by itself, we follow, and fund the brokerage account.

Read from top to bottom: the states, then what is done in each. Money moves in one place: `fund_brokerage`; where the
account is in `legacy_offramp` and converts only when told, in `due_legacy` too.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from funding.backoff import freshness_wait
from funding.calls import Call
from funding.errors import ProviderRejected
from funding.flow import Flow
from funding.flows import due_checks as checks
from funding.flows import due_legacy as legacy
from funding.ledger import due_deposit as rules
from funding.ledger.entries import Entry
from funding.money import Money
from funding.outcomes import (
    Advance,
    BalanceReading,
    BreakFound,
    Notification,
    Outcome,
    Parking,
    Passed,
    Snooze,
    WatchEnded,
)
from funding.ports.alpaca import CashJournal, JournalOrder, JournalStatus
from funding.ports.due import Transfer, TransferStatus
from funding.snapshot import Reference, Snapshot


class State(StrEnum):
    """Where a deposit is: the names operators see."""

    RECEIVED = "received"  # an event names money at Due; nothing read yet
    OFF_RAMP_INITIATED = "off_ramp_initiated"  # Due has the money and is converting it
    OFF_RAMP_COMPLETED = "off_ramp_completed"  # the dollars have left Due
    BROKER_FUNDING_INITIATED = "broker_funding_initiated"  # Alpaca has our journal
    BROKER_FUNDED = "broker_funded"  # resting: the customer can trade with it
    RETURNED = "returned"  # closed: Due gave the money back
    FAILED = "failed"  # closed: Due could not pay it out; people follow up with Due


FIRM_CASH_SHORT: Final = "40310000"  # Alpaca's code for a firm account without enough cash
CASH_WAIT: Final = timedelta(minutes=1)
WATCH_FIRST: Final = timedelta(hours=1)
WATCH_CEILING: Final = timedelta(hours=24)
QUICK_LOOKS: Final = 5  # at a journal under way, a minute in all, before the backstop
KEY_TRUSTED: Final = timedelta(hours=12)  # an older transfer may have been paid by a flow that a restore has lost
JOURNAL_FIRST_LOOK: Final = timedelta(seconds=2)  # Alpaca executes most journals within seconds

due_deposit = Flow(
    "due_deposit",
    start=State.RECEIVED,
    noun="deposit",
    open=(State.RECEIVED, State.OFF_RAMP_INITIATED, State.OFF_RAMP_COMPLETED, State.BROKER_FUNDING_INITIATED),
    resting={State.BROKER_FUNDED: timedelta(days=90)},  # returns, corrections and disputes come late
    closed=(State.RETURNED, State.FAILED),
    limits={
        State.RECEIVED: timedelta(hours=1),
        State.OFF_RAMP_INITIATED: timedelta(hours=24),
        State.OFF_RAMP_COMPLETED: timedelta(hours=1),
        State.BROKER_FUNDING_INITIATED: timedelta(hours=4),
    },
)


@due_deposit.step(
    on=(State.RECEIVED,),
    may_reach=(State.OFF_RAMP_INITIATED, State.OFF_RAMP_COMPLETED, State.RETURNED, State.FAILED),
    provider="due",
    creates=True,
)
def take_up(flow: Snapshot, call: Call) -> Outcome:
    """Follow the transfer that the deposit is; in legacy_offramp, have Due make it first."""
    if legacy.is_waiting(flow):
        return legacy.start_off_ramp(flow, call, to=State.OFF_RAMP_INITIATED)
    return follow_transfer(flow, call)


@due_deposit.step(
    on=(State.OFF_RAMP_INITIATED,),
    may_reach=(State.OFF_RAMP_COMPLETED, State.RETURNED, State.FAILED),
    provider="due",
)
def follow_transfer(flow: Snapshot, call: Call) -> Outcome:
    """Read the transfer from Due itself, and go as far as it has gone."""
    transfer = call.due.get_transfer(checks.transfer_id(flow), account=flow.data["account"])
    if checks.behind_hints(transfer, flow):
        older = "Due's answer is older than what its event said"
        return Snooze(wait=freshness_wait(flow.snoozes), reason=older, even_parked=True)
    if transfer.status is TransferStatus.AWAITING_FUNDS:
        return Snooze(wait=call.backstop, reason="Due has not seen the money yet")
    checks.refuse_changes(transfer, flow)

    entries = (*_owner_found(flow, transfer.source), *_received(flow, transfer))
    known = {"chain": transfer.chain, "rail": transfer.rail, "received": True, "owner": flow.customer}
    initiated = Passed(state=State.OFF_RAMP_INITIATED, at=checks.time_of(flow, TransferStatus.FUNDS_RECEIVED, transfer))
    through = (initiated,) if flow.state == State.RECEIVED else ()
    match transfer.status:
        case TransferStatus.PAYMENT_PROCESSED:
            at = checks.time_of(flow, TransferStatus.PAYMENT_PROCESSED, transfer)
            return Advance(
                to=State.OFF_RAMP_COMPLETED,
                at=at,
                through=through,
                entries=(*entries, rules.converted(transfer, flow.customer, at)),
                data={**known, "converted": True},
                amount=transfer.source,
                amount_out=transfer.destination,
                park=_ownerless(flow),
                breaks=checks.ownerless_breaks(flow, transfer),
            )
        case TransferStatus.REFUND_SUBMITTED | TransferStatus.REFUND_PROCESSED | TransferStatus.CANCELED:
            at = checks.time_of(flow, transfer.status, transfer)
            return Advance(
                to=State.RETURNED,
                at=at,
                through=through,
                entries=(*entries, rules.returned(transfer.id, transfer.source, flow.customer, at)),
                data={**known, "ends_with": checks.REFUNDS, "led_there": checks.UNDER_WAY},
                amount=transfer.source,
                reason=f"Due says {transfer.raw_status}",
                notifications=(Notification(type="deposit.returned", text="The deposit was returned to its sender."),),
            )
        case TransferStatus.FAILED:
            return Advance(
                to=State.FAILED,
                at=checks.time_of(flow, TransferStatus.FAILED, transfer),
                through=through,
                entries=entries,
                data={**known, "ends_with": [TransferStatus.FAILED], "led_there": checks.UNDER_WAY},
                amount=transfer.source,
                reason="Due says failed",
                notifications=(Notification(type="deposit.failed", text="The deposit could not be paid out."),),
                breaks=(checks.money_left_at_due(transfer),),
            )
        case _:
            waiting = f"Due says {transfer.raw_status}"
            breaks = (*checks.ownerless_breaks(flow, transfer), *checks.unknown_status(transfer))
            if flow.state == State.RECEIVED:
                return Advance(
                    to=State.OFF_RAMP_INITIATED,
                    at=initiated.at,
                    entries=entries,
                    data=known,
                    amount=transfer.source,
                    reason=waiting,
                    due_in=call.backstop,
                    park=_ownerless(flow),
                    breaks=breaks,
                )
            return Snooze(wait=call.backstop, reason=waiting, entries=entries, data=known, breaks=breaks)


@due_deposit.step(
    on=(State.OFF_RAMP_COMPLETED,),
    may_reach=(State.BROKER_FUNDING_INITIATED, State.BROKER_FUNDED),
    provider="alpaca",
    creates=True,
)
def fund_brokerage(flow: Snapshot, call: Call) -> Outcome:
    """Move the dollars from the firm's Alpaca account to the customer's: once, whatever happens on the way."""
    transfer = call.due.get_transfer(checks.transfer_id(flow), account=flow.data["account"])
    amount = checks.amount_to_fund(transfer, flow)
    customer, account = checks.receiver(flow, amount)
    order = JournalOrder(to_account=account, amount=amount, reference=str(flow.id), subject=transfer.id)
    request = call.alpaca.journal_request(order)
    made_before = flow.intention("journal")
    if made_before is None or made_before.outcome == "refused":
        # Before the first sending only: an earlier call of ours may be what made the cash short.
        cash = call.alpaca.get_balances(call.alpaca.firm_account).cash_transferable
        if cash.minor < amount.minor:
            return _cash_short(flow, amount, cash)
    try:
        journal = call.create(
            "journal",
            provider="alpaca",
            request=request,
            send=lambda request, key: call.alpaca.create_journal(request, key=key),
            look_up=lambda: checks.journals_of(
                flow,
                call,
                since=min(flow.created_at, transfer.created_at),
                # The account linked now need not be the one that an earlier call named.
                to_account=account if made_before is not None and made_before.request == request else None,
            ),
            told_of_one=bool(flow.told_of("alpaca", "journal")),
            key_forgotten=flow.now - transfer.created_at > KEY_TRUSTED,
        )
    except ProviderRejected as refusal:
        if refusal.code == FIRM_CASH_SHORT:
            return _cash_short(flow, amount, None)
        raise
    checks.same_journal(journal, order)
    reference = Reference("alpaca", "journal", journal.id)
    found = _owner_found(flow, amount)
    if journal.status is JournalStatus.EXECUTED:
        return Advance(
            to=State.BROKER_FUNDED,
            through=(Passed(state=State.BROKER_FUNDING_INITIATED),),
            entries=(*found, rules.funded(journal.id, amount, customer)),
            references=(reference,),
            data={"owner": customer},
            notifications=(_funded_notice(amount),),
        )
    return Advance(
        to=State.BROKER_FUNDING_INITIATED,
        entries=(*found, rules.held(journal.id, amount, customer)),
        references=(reference,),
        data={"owner": customer},
        due_in=JOURNAL_FIRST_LOOK,
    )


@due_deposit.step(
    on=(State.BROKER_FUNDING_INITIATED,),
    may_reach=(State.BROKER_FUNDED, State.OFF_RAMP_COMPLETED, State.BROKER_FUNDING_INITIATED),
    provider="alpaca",
)
def await_journal(flow: Snapshot, call: Call) -> Outcome:
    """Read the journal from Alpaca itself: executed, still under way, or refused."""
    journal = call.alpaca.get_journal(checks.journal_id(flow))
    customer, amount = checks.funded_party(flow)
    match journal.status:
        case JournalStatus.EXECUTED:
            return Advance(
                to=State.BROKER_FUNDED,
                entries=(
                    rules.released(journal.id, amount, customer),
                    rules.funded(journal.id, journal.amount, customer),
                ),
                data={"funded_minor": journal.amount.minor},  # a replacement may be of another amount than was ordered
                notifications=(_funded_notice(journal.amount),),
                breaks=checks.other_amount(journal, amount),
            )
        case JournalStatus.REJECTED | JournalStatus.REFUSED | JournalStatus.CANCELED | JournalStatus.DELETED:
            return Advance(
                to=State.OFF_RAMP_COMPLETED,
                entries=(rules.released(journal.id, amount, customer),),
                reason=f"Alpaca says {journal.raw_status}",
                park=Parking(
                    error=f"journal_{journal.status}",
                    blame="provider",
                    message=f"Alpaca {journal.status} the journal of {amount}. No money moved. Ask Alpaca why "
                    "(compliance, limits, a closed account); when that is mended, replay: a new journal is made.",
                ),
            )
        case JournalStatus.CORRECT:
            replacement = checks.replacement_of(journal, flow, call)
            if replacement is None:
                return Snooze(
                    wait=call.backstop, reason="Alpaca corrected the journal", breaks=(checks.unreplaced(journal),)
                )
            return Advance(
                to=State.BROKER_FUNDING_INITIATED,
                reason="Alpaca replaced the journal",
                references=(Reference("alpaca", "journal", replacement.id),),
                entries=(
                    rules.released(journal.id, amount, customer),
                    rules.held(replacement.id, amount, customer),
                ),
            )
        case _:
            return Snooze(
                wait=freshness_wait(flow.snoozes) if flow.snoozes < QUICK_LOOKS else call.backstop,
                reason=f"Alpaca says {journal.raw_status}",
                breaks=checks.unknown_journal_status(journal),
            )


@due_deposit.step(on=(State.BROKER_FUNDED,), may_reach=(State.BROKER_FUNDED,), provider="alpaca")
def watch_funded(flow: Snapshot, call: Call) -> Outcome:
    """Listen on: read the balances back, and notice a correction or a return that comes late."""
    if flow.watch_until is not None and flow.now >= flow.watch_until:
        return WatchEnded()
    if not flow.data.get("balances_read"):
        account = flow.link("alpaca", "brokerage_account")
        return Snooze(
            wait=freshness_wait(0) if checks.journal_may_have_changed(flow) else WATCH_FIRST,
            reason="watching for late returns and corrections",
            readings=_balances(call, account.id) if account else (),
            data={"balances_read": True},
        )
    journal = call.alpaca.get_journal(checks.journal_id(flow))
    if journal.status is JournalStatus.CORRECT:
        return _corrected(flow, call, journal)
    if checks.journal_behind_hints(journal, flow):
        older = "Alpaca's answer may be older than what was said of the journal"
        return Snooze(wait=freshness_wait(flow.snoozes), reason=older)
    transfer = call.due.get_transfer(checks.transfer_id(flow), account=flow.data["account"])
    return Snooze(
        wait=min(WATCH_FIRST * (1 << min(flow.snoozes, 5)), WATCH_CEILING),
        reason="watching for late returns and corrections",
        readings=_balances(call, journal.to_account),
        breaks=(
            *checks.late_journal_changes(journal, flow),
            *checks.late_transfer_changes(transfer, flow),
            *checks.second_journals(journal, flow, call),
        ),
    )


def _corrected(flow: Snapshot, call: Call, journal: CashJournal) -> Outcome:
    """Alpaca replaced an executed journal: reverse what it funded, post what its replacement did."""
    customer, amount = checks.funded_party(flow)
    funded = Money(int(flow.data.get("funded_minor", amount.minor)), amount.asset)
    replacement = checks.replacement_of(journal, flow, call)
    if replacement is None or replacement.status is not JournalStatus.EXECUTED:
        return Snooze(wait=call.backstop, reason="Alpaca corrected the journal", breaks=(checks.unreplaced(journal),))
    return Advance(
        to=State.BROKER_FUNDED,
        reason="Alpaca replaced the journal",
        references=(Reference("alpaca", "journal", replacement.id),),
        entries=(
            rules.unfunded(journal.id, funded, customer),
            rules.funded(replacement.id, replacement.amount, customer),
        ),
        data={"funded_minor": replacement.amount.minor},
        breaks=checks.other_amount(replacement, amount),
    )


def _received(flow: Snapshot, transfer: Transfer) -> tuple[Entry, ...]:
    if flow.data.get("received"):
        return ()
    at = checks.time_of(flow, TransferStatus.FUNDS_RECEIVED, transfer)
    return (rules.received(transfer.id, transfer.source, flow.customer, at),)


def _owner_found(flow: Snapshot, amount: Money) -> tuple[Entry, ...]:
    """What was posted to suspense belongs to somebody since their link was added."""
    if flow.customer is None or not flow.data.get("received") or flow.data.get("owner") is not None:
        return ()
    return (rules.owner_found(checks.transfer_id(flow), flow.customer, amount),)


def _ownerless(flow: Snapshot) -> Parking | None:
    if flow.customer is not None:
        return None
    return Parking(
        error="unknown_virtual_account",
        blame="us",
        message=f"Money arrived on Due's virtual account {flow.data['virtual_account']}, which no customer has. It is "
        "in suspense. Find out whose it is and add the link; the deposit then goes on by itself.",
    )


def _cash_short(flow: Snapshot, amount: Money, cash: Money | None) -> Snooze:
    return Snooze(
        wait=CASH_WAIT,
        reason="the firm's cash at Alpaca is short",
        breaks=(
            BreakFound(
                provider="alpaca",
                type="balance_differs",
                subject=f"firm cash for flow {flow.id}",
                ours=str(amount),
                theirs=str(cash) if cash else "less than that",
                amount=amount,
                suggested_action="send dollars to the firm's Alpaca account; waiting deposits go on by themselves",
            ),
        ),
    )


def _balances(call: Call, account: str) -> tuple[BalanceReading, ...]:
    shown = call.alpaca.get_balances(account)
    return tuple(
        BalanceReading(provider="alpaca", account=account, name=name, amount=amount)
        for name, amount in (("buying_power", shown.buying_power), ("cash", shown.cash))
    )


def _funded_notice(amount: Money) -> Notification:
    return Notification(type="deposit.funded", text=f"{amount} is in the brokerage account, ready to trade with.")


__all__ = ["State", "due_deposit"]
