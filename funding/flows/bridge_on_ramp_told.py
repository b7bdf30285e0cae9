"""What is told of an on-ramp: breaks and parking to our own people, notices to the customer."""

from funding.flows import bridge_on_ramp_checks as checks
from funding.ledger.bridge_on_ramp import Conversion
from funding.money import Money
from funding.outcomes import BreakFound, Notification, Parking
from funding.ports.bridge import BankDeposit, Stage
from funding.ports.ibex import TokenStatus, TokenTransaction
from funding.snapshot import Snapshot


def never_shown(flow: Snapshot) -> tuple[BreakFound, ...]:
    """An event told of it, and Bridge has shown nothing of it for a while."""
    if flow.snoozes < checks.READINGS_BELIEVED_AFTER:
        return ()
    return (
        BreakFound(
            provider="bridge",
            type="missing_there",
            subject=f"deposit {checks.deposit_id(flow)}",
            ours="an event told of it",
            theirs="the virtual account's history shows nothing of it",
            amount=flow.amount,
            suggested_action="ask Bridge whether the deposit exists; nothing was posted",
        ),
    )


def ownerless_breaks(flow: Snapshot, came: Money) -> tuple[BreakFound, ...]:
    """Money confirmed by Bridge on a virtual account nobody has."""
    if flow.customer is not None:
        return ()
    return (
        BreakFound(
            provider="bridge",
            type="unmatched_event",
            subject=f"deposit {checks.deposit_id(flow)}",
            ours="no customer",
            theirs=f"virtual account {flow.data['virtual_account']}",
            amount=came,
            suggested_action="find the owner and add the link bridge:virtual_account",
        ),
    )


def unknown_stage(deposit: BankDeposit) -> tuple[BreakFound, ...]:
    """A stage Bridge has not documented stays open, and people are told."""
    stands = checks.newest(deposit)
    if stands.stage is not Stage.UNKNOWN:
        return ()
    return (_state("bridge", f"deposit {deposit.id}", "a documented stage", "an unknown one", stands.amount),)


def unknown_token_status(found: TokenTransaction) -> tuple[BreakFound, ...]:
    """The same for IBEX, of which only "completed" was ever seen: a wait, not a loss."""
    if found.status is not TokenStatus.UNKNOWN:
        return ()
    return (_state("ibex", f"transaction {found.id}", "completed", "a status we do not know", found.amount),)


def late_changes(deposit: BankDeposit, flow: Snapshot) -> tuple[BreakFound, ...]:
    """A deposit that was credited and is something else at Bridge now."""
    subject, stands = f"deposit {deposit.id}", checks.newest(deposit)
    if stands.stage is not Stage.PAYMENT_PROCESSED:
        said = "an unknown stage" if stands.stage is Stage.UNKNOWN else stands.raw_stage
        return (_state("bridge", subject, "payment_processed, and credited", said, stands.amount),)
    known = (
        (flow.amount, checks.amounts(deposit, Stage.FUNDS_RECEIVED)),
        (flow.amount_out, checks.amounts(deposit, Stage.PAYMENT_PROCESSED)),
    )
    return tuple(
        BreakFound(
            provider="bridge",
            type="amount_differs" if ours.asset == theirs.asset else "currency_differs",
            subject=subject,
            ours=str(ours),
            theirs=str(theirs),
            amount=Money(abs(ours.minor - theirs.minor), ours.asset) if ours.asset == theirs.asset else ours,
            suggested_action="ask Bridge which amount is true; the customer has been credited with ours",
        )
        for ours, now in known
        for theirs in now
        if ours is not None and ours != theirs
    )


def sent_and_refunded(deposit: BankDeposit, made: Conversion) -> BreakFound:
    """Bridge said that the tokens had left, and refunded the dollars: people make sure that none come after all."""
    return BreakFound(
        provider="bridge",
        type="state_differs",
        subject=f"deposit {deposit.id}",
        ours="refunded; no tokens have come",
        theirs="payment_processed, then refunded",
        amount=made.net,
        suggested_action="ask Bridge to confirm that the tokens never left; tokens that come are an unclaimed receipt",
    )


def ownerless(flow: Snapshot) -> Parking | None:
    """Where nobody is known to whom the money belongs, people look for them."""
    if flow.customer is not None:
        return None
    return Parking(
        error="unknown_virtual_account",
        blame="us",
        message=f"Money arrived on Bridge's virtual account {flow.data['virtual_account']}, which no customer has. It "
        "is in suspense. Find out whose it is and add the link; the deposit then goes on by itself.",
    )


def credited_notice(made: Conversion) -> Notification:
    """To the customer: what they have, and what was kept."""
    kept = [f"{amount} {what}" for amount, what in ((made.markup, "our markup"), (made.fees, "fees")) if amount.minor]
    less = f", less {' and '.join(kept)}" if kept else ""
    return Notification(type="deposit.funded", text=f"{made.net} is in the wallet: {made.came} came in{less}.")


def returned_notice(came: Money) -> Notification:
    """To the customer: Bridge names no reason, but these are what it refunds for."""
    return Notification(
        type="deposit.returned",
        text=f"The deposit of {came} was returned to its sender: it could not be delivered. It may have been below "
        "the smallest or above the largest amount that is accepted.",
    )


def microdeposit_notice() -> Notification:
    """To the customer: no money of theirs is missing."""
    return Notification(
        type="deposit.failed",
        text="A test payment that proves a bank account came in. Such payments are not credited.",
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
