"""Tokens that came to an account, joined with the flow that waits for them.

By the hash of their chain where both sides know it; else by amount and time, where only one can be meant.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from funding.calls import Call
from funding.errors import NeedsPerson, NotFound
from funding.money import Money
from funding.ports.ibex import TokenStatus, TokenTransaction

SKEW: Final = timedelta(minutes=15)  # so far the clocks of a sender, of a chain and of IBEX may be apart
READ_AT_MOST: Final = 10  # unclaimed transactions read one by one, those of the awaited amount first


def find_receipt(
    call: Call,
    *,
    account: str,
    amount: Money,
    chain_hash: str | None,
    since: datetime,
    alike: str,
    lean_on_polls: bool = False,
) -> TokenTransaction | None:
    """The one incoming transaction of the IBEX account that the flow waits for, as read by itself; None: not there yet.

    It is of exactly that amount, came not long before `since` or later, and belongs to no other flow. Only a completed
    one may be credited. `alike` is the key of the flow's data by which another flow that waits is known to wait there
    too (`OtherFlows.one_alike`). `lean_on_polls`: IBEX is not asked while our polls read that account and have shown
    nothing that may be it, for IBEX allows few calls.
    Raises: NeedsPerson: that hash brought another amount, or several transactions or flows may be meant; and as any
    read.
    """
    known = call.others.arrivals("ibex", account, since=since - SKEW)
    if lean_on_polls and known.polled and not known.there:
        return None
    if chain_hash is not None:
        shown = [one.transaction for one in known.there if one.amount == amount]
        read = [one for one in _read(call, account, shown[:READ_AT_MOST]) if one.amount == amount]
        named = [one for one in read if _same_hash(one.chain_hash, chain_hash)]
        if len(named) == 1:
            return named[0]
    unclaimed = _unclaimed(call, account, since)
    listed = [one for one in unclaimed if one.amount == amount]
    if listed and all(one.status is TokenStatus.PENDING for one in listed):
        return listed[0]  # whichever it is, it may not be credited yet: whose it is is asked when it may
    equal = list(_read(call, account, [one.id for one in listed][:READ_AT_MOST]))
    possible = [one for one in equal if one.amount == amount]
    if chain_hash is not None:
        named = [one for one in possible if _same_hash(one.chain_hash, chain_hash)]
        if len(named) == 1:
            return named[0]
        if not named:
            others = [one.id for one in unclaimed if one.amount != amount][: READ_AT_MOST - len(equal)]
            _refuse_another_amount([*equal, *_read(call, account, others)], amount, chain_hash)
        possible = named or [one for one in possible if one.chain_hash is None]
    if not possible:
        return None
    if len(possible) > 1 or call.others.one_alike("ibex", "transaction", alike=alike):
        raise NeedsPerson(
            f"{len(possible)} transactions of {amount} on one IBEX account may be the one this flow waits for, or "
            "another flow waits for the same amount there, and nothing tells them apart. Nothing was credited.",
            break_type="duplicate",
            ours=str(amount),
            theirs=", ".join(one.id for one in possible),
            suggested_action="compare the hashes of the chain at both providers; replay when IBEX shows them, or "
            "settle by hand and abandon",
        )
    return possible[0]


def possible_receipts(call: Call, *, account: str, amount: Money, since: datetime) -> list[TokenTransaction]:
    """Incoming transactions of exactly that amount that no other flow has, each read by itself; the oldest first.

    For tokens whose hash nobody tells us. Raises: as any read.
    """
    equal = [one.id for one in _unclaimed(call, account, since) if one.amount == amount]
    return [one for one in _read(call, account, equal[:READ_AT_MOST]) if one.amount == amount]


def _unclaimed(call: Call, account: str, since: datetime) -> list[TokenTransaction]:
    """What came in since then, or still comes, and is no other flow's. The oldest first."""
    earliest = since - SKEW
    arrived = [
        one
        for one in call.ibex.list_arrivals(account, since=earliest)
        if one.incoming is True and one.status is not TokenStatus.FAILED and one.created_at >= earliest
    ]
    taken = call.others.owned("ibex", "transaction", [one.id for one in arrived])
    return [one for one in arrived if one.id not in taken]


def _read(call: Call, account: str, transactions: Sequence[str]) -> Iterator[TokenTransaction]:
    """Each by itself: a listing shows no hash, and may be old."""
    for one in transactions:
        with suppress(NotFound):
            read = call.ibex.get_transaction(one)
            if read.incoming is True and read.account == account:
                yield read


def _refuse_another_amount(read: Sequence[TokenTransaction], amount: Money, chain_hash: str) -> None:
    """The very payment that is waited for has come, of another amount."""
    for one in read:
        if _same_hash(one.chain_hash, chain_hash) and one.amount != amount:
            raise NeedsPerson(
                f"{amount} was sent and IBEX shows {one.amount} of the same payment. Nothing was credited.",
                blame="provider",
                break_type="currency_differs" if one.amount.asset != amount.asset else "amount_differs",
                ours=str(amount),
                theirs=str(one.amount),
                suggested_action="ask both providers which amount is true; settle by hand, or replay when they agree",
            )


def _same_hash(one: str | None, other: str) -> bool:
    """Whether both name one payment: some write the hash with 0x before it, some in capitals."""
    return one is not None and one.lower().removeprefix("0x") == other.lower().removeprefix("0x")


__all__ = ["find_receipt", "possible_receipts"]
