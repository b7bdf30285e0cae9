"""Rules that name a break: what one pair of records disagrees about, the gravest thing first; pure."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from funding.money import Money, NotMoney
from funding.outcomes import BreakFound
from funding.reconcile.books import Book
from funding.reconcile.records import Finding, Ours, Pair, Record, Window

IN_FLIGHT: Final = timedelta(days=1)  # a flow on its way there by itself is no disagreement for so long
EDGE: Final = timedelta(hours=1)  # a file may end between a provider's time of an object and ours

TYPES: Final = (
    "missing_here",
    "missing_there",
    "amount_differs",
    "fee_only_difference",
    "currency_differs",
    "state_differs",
    "duplicate",
    "timing",
    "unmatched_event",
    "listing_truncated",
)


def judge(pair: Pair, book: Book, window: Window) -> Finding | None:
    """What is wrong with a pair, if anything: at most one finding for each."""
    theirs, ours = pair.theirs, pair.ours
    subject = f"{book.kind} {pair.id}"
    if theirs is None:
        found = _missing_there(pair, ours, book, window, subject) if ours else None
    elif theirs.fault is not None:
        found = _unreadable(theirs, book, subject)
    elif ours is None:
        found = _missing_here(pair, theirs, book, window, subject)
    else:
        found = _disagreement(theirs, ours, book, window, subject)
        read_at = window.asked_at if window.asked_at and pair.id in window.asked else pair.read_at
        if found is not None and ours.moved_at >= read_at:
            found = _timing(book, subject, ours=_said_here(ours), theirs=_said_there(theirs))
    if found is None:
        return None
    at = theirs.at if theirs else ours.created_at if ours else window.since
    flow = ours or pair.named
    return Finding(found, flow.flow if flow else None, at)


def duplicate(book: Book, reference: str, records: Sequence[Record], flow: UUID | None) -> Finding:
    """Several objects of a provider for one movement of money, each of which moved money or may. `records`: by id."""
    went_on = book.made_by_us and all(one.asset_out for one in records)
    asset = records[0].asset_out if went_on else records[0].asset
    amounts = [(one.amount_out if went_on else one.amount) or 0 for one in records]
    found = BreakFound(
        provider=book.provider,
        type="duplicate",
        subject=f"{book.kind}s for {reference}",
        ours="one movement of money",
        theirs=f"{len(records)}: {', '.join(f'{one.id} {one.status}' for one in records)}",
        amount=_money(sum(amounts) - max(amounts), asset),
        suggested_action=f"compare each with {book.provider}; if money moved twice, have {book.provider} reverse one",
    )
    return Finding(found, flow, min(one.at for one in records))


def listing_truncated(book: Book, account: str | None, missing: Sequence[str], window: Window) -> Finding:
    """A listing left out objects that the provider shows when asked for them one by one."""
    named = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")  # noqa: PLR2004 -- a line of text
    found = BreakFound(
        provider=book.provider,
        type="listing_truncated",
        subject=f"comparison of {book.kind}s {account or ''}".strip(),
        ours=f"{len(missing)} there when asked for: {named}",
        theirs="not listed",
        suggested_action=f"run it again for a shorter window; if it stays, ask {book.provider}",
    )
    return Finding(found, None, window.since)


def _unreadable(theirs: Record, book: Book, subject: str) -> BreakFound:
    return BreakFound(
        provider=book.provider,
        type="unmatched_event",
        subject=subject,
        ours="cannot be read",
        theirs=theirs.fault,
        suggested_action=f"look at it at {book.provider}; a shape that is new there is work for the developers",
    )


def _missing_here(pair: Pair, theirs: Record, book: Book, window: Window, subject: str) -> BreakFound | None:
    if book.known(theirs.status) in book.quiet or theirs.reference in window.shared:
        return None
    if pair.named is not None:
        under_way = pair.named.is_moving_since(window.now - IN_FLIGHT)
    else:
        under_way = not book.made_by_us and theirs.at > window.now - window.grace
    if under_way:
        return _timing(book, subject, ours=None, theirs=_said_there(theirs))
    if pair.named is not None:
        ours = f"flow {pair.named.flow} does not have it"
        action = f"rampkeeper flows wake {pair.named.flow}; if it stays, compare both with {book.provider}"
    elif book.made_by_us:
        ours = "no flow made it"
        action = f"find out who made it at {book.provider}; have it reversed if nobody should have"
    else:
        ours = "no flow"
        action = f"rampkeeper recover --since {theirs.at.date()} reads {book.provider} again from then"
    return BreakFound(
        provider=book.provider,
        type="missing_here",
        subject=subject,
        ours=ours,
        theirs=_said_there(theirs),
        amount=_money(theirs.amount, theirs.asset) or _money(theirs.amount_out, theirs.asset_out),
        suggested_action=action,
    )


def _missing_there(pair: Pair, ours: Ours, book: Book, window: Window, subject: str) -> BreakFound | None:
    asked = pair.id in window.asked
    if not asked and book.listing_of(ours.account) in window.cut_short:
        return None  # its listing is known to leave things out
    near_edge = window.from_file and not window.since + EDGE <= ours.created_at < window.until - EDGE
    if near_edge or ours.created_at > window.now - window.grace:
        return _timing(book, subject, ours=_said_here(ours), theirs=None)
    return BreakFound(
        provider=book.provider,
        type="missing_there",
        subject=subject,
        ours=_said_here(ours),
        theirs=f"{book.provider} knows none of that id" if asked else "not listed",
        amount=_money(ours.amount_out, ours.asset_out) or _money(ours.amount, ours.asset),
        suggested_action=f"rampkeeper flows show {ours.flow}; ask {book.provider} about it before anything else",
    )


def _disagreement(theirs: Record, ours: Ours, book: Book, window: Window, subject: str) -> BreakFound | None:
    status = book.known(theirs.status)
    if status not in book.quiet:
        for mine, other in (
            ((ours.asset, ours.amount), (theirs.asset, theirs.amount)),
            ((ours.asset_out, ours.amount_out), (theirs.asset_out, theirs.amount_out)),
        ):
            found = _unlike(mine, other, theirs, ours, book, subject)
            if found is not None:
                return found
    if ours.state in book.agreed[status] or (status in book.quiet and not ours.newest):
        return None
    if ours.state in book.behind.get(status, ()) and ours.newest and _gets_there(ours, window):
        return _timing(book, subject, ours=_said_here(ours), theirs=_said_there(theirs))
    here = _said_here(ours) if ours.newest else f"{_said_here(ours)}, by a later {book.kind}"
    return BreakFound(
        provider=book.provider,
        type="state_differs",
        subject=subject,
        ours=here,
        theirs=_said_there(theirs),
        amount=_money(ours.amount_out, ours.asset_out) or _money(ours.amount, ours.asset),
        suggested_action=(
            f"rampkeeper dead-letters list: flow {ours.flow} waits for a person"
            if ours.parked
            else f"ask {book.provider} what happened to it; rampkeeper flows show {ours.flow}"
        ),
    )


def _gets_there(ours: Ours, window: Window) -> bool:
    """A flow that is listening and has not stood still for a day."""
    return not ours.parked and ours.status != "closed" and ours.moved_at > window.now - IN_FLIGHT


Amount = tuple[str | None, int | None]


def _unlike(mine: Amount, other: Amount, theirs: Record, ours: Ours, book: Book, subject: str) -> BreakFound | None:
    """Another currency, another amount, or another fee alone. What one side does not know is not compared."""
    (our_asset, our_amount), (their_asset, their_amount) = mine, other
    if our_asset is None or their_asset is None or our_amount is None:
        return None
    if our_asset != their_asset:
        return BreakFound(
            provider=book.provider,
            type="currency_differs",
            subject=subject,
            ours=_text(our_amount, our_asset),
            theirs=_text(their_amount, their_asset),
            amount=_money(our_amount, our_asset),
            suggested_action=f"ask {book.provider} which is true; mend the currency there before the next one",
        )
    if their_amount is None or their_amount == our_amount:
        return None
    difference = _money(abs(their_amount - our_amount), our_asset)
    went_on = other == (theirs.asset_out, theirs.amount_out)
    if went_on and _only_fee(theirs, ours):
        return BreakFound(
            provider=book.provider,
            type="fee_only_difference",
            subject=subject,
            ours=f"{_text(our_amount, our_asset)} after a fee of {_text(ours.fee, our_asset)}",
            theirs=f"{_text(their_amount, their_asset)} after a fee of {_text(theirs.fee, their_asset)}",
            amount=difference,
            suggested_action=f"ask {book.provider} whether its fees changed",
        )
    return BreakFound(
        provider=book.provider,
        type="amount_differs",
        subject=subject,
        ours=_text(our_amount, our_asset),
        theirs=_text(their_amount, their_asset),
        amount=difference,
        suggested_action=f"ask {book.provider} which amount is true; rampkeeper flows show {ours.flow}",
    )


def _only_fee(theirs: Record, ours: Ours) -> bool:
    """The same came in and the same was paid out before fees."""
    if ours.fee is None or theirs.fee is None or ours.amount_out is None or theirs.amount_out is None:
        return False
    came_alike = ours.amount is None or theirs.amount is None or ours.amount == theirs.amount
    return came_alike and ours.amount_out + ours.fee == theirs.amount_out + theirs.fee


def _timing(book: Book, subject: str, *, ours: str | None, theirs: str | None) -> BreakFound:
    return BreakFound(
        provider=book.provider,
        type="timing",
        subject=subject,
        ours=ours,
        theirs=theirs,
        suggested_action="nothing: both will agree at the next comparison, or it becomes a break of its own",
    )


def _said_here(ours: Ours) -> str:
    amount = _text(ours.amount_out, ours.asset_out) or _text(ours.amount, ours.asset)
    state = f"{ours.state}, parked" if ours.parked else ours.state
    return f"{state} {amount}".strip()


def _said_there(theirs: Record) -> str:
    amount = _text(theirs.amount, theirs.asset) or _text(theirs.amount_out, theirs.asset_out)
    return f"{theirs.status} {amount}".strip()


def _text(minor: int | None, asset: str | None) -> str:
    if asset is None:
        return ""
    money = _money(minor, asset)
    return str(money) if money else f"an amount of {asset}"


def _money(minor: int | None, asset: str | None) -> Money | None:
    """None for an amount nobody knows, or of an asset without a scale."""
    if minor is None or asset is None:
        return None
    money = Money(minor, asset)
    try:
        str(money)
    except NotMoney:
        return None
    return money
