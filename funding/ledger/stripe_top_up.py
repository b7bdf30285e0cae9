"""The entries of a Stripe top-up: credited, claimed, taken back by refunds and disputes, given back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from funding.ledger import accounts
from funding.ledger.entries import Entry, LedgerAccount, Posting, credit, debit, entry
from funding.money import Money

CREDITED: Final = "credited"
CLAIMED: Final = "claimed"
OWNER_FOUND: Final = "owner_found"
TAKEN: Final = "taken"
GIVEN_BACK: Final = "given_back"

# The places a part of a top-up can be taken from, by name: what `taken` and `given_back` share out among.
SUSPENSE: Final = "suspense"
UNCLAIMED: Final = "top_up"
CASH: Final = "cash"
OWED: Final = "receivable"

Parts = Mapping[str, int]  # minor units by place


def credited_coins(session_id: str, coins: Money, customer: str) -> Entry:
    """Coins that the onramp has sent to the customer's own wallet: held there for them, theirs to claim."""
    return entry(
        f"stripe/onramp_session/{session_id}",
        CREDITED,
        debit(accounts.custody("stripe", coins.asset), coins),
        credit(accounts.top_up(customer, coins.asset), coins),
    )


def credited_cash(session_id: str, amount: Money, customer: str | None, at: datetime | None) -> Entry:
    """A Checkout session was paid: our balance at Stripe has the money."""
    return entry(
        f"stripe/checkout_session/{session_id}",
        CREDITED,
        debit(accounts.clearing("stripe", amount.asset), amount),
        credit(place(SUSPENSE if customer is None else UNCLAIMED, customer, amount.asset), amount),
        effective_at=at,
    )


def owner_found(session_id: str, customer: str, held: Money) -> Entry:
    """What is left of it in suspense has an owner now."""
    return entry(
        f"stripe/checkout_session/{session_id}",
        OWNER_FOUND,
        debit(accounts.suspense(held.asset), held),
        credit(accounts.top_up(customer, held.asset), held),
    )


def claimed_coins(session_id: str, coins: Money, customer: str, *, network: str, address: str) -> Entry:
    """The customer has claimed the coins into that wallet of theirs."""
    return entry(
        f"stripe/onramp_session/{session_id}",
        CLAIMED,
        debit(accounts.top_up(customer, coins.asset), coins),
        credit(accounts.chain_wallet(customer, network, address, coins.asset), coins),
    )


def claimed_cash(session_id: str, left: Money, customer: str) -> Entry:
    """The customer has claimed what is left of the payment."""
    return entry(
        f"stripe/checkout_session/{session_id}",
        CLAIMED,
        debit(accounts.top_up(customer, left.asset), left),
        credit(accounts.cash(customer, left.asset), left),
    )


def taken(cause: str, parts: Parts, customer: str | None, asset: str) -> Entry:
    """Stripe's balance has lost it again: a refund or a dispute. Shared out among where it was, or is owed now."""
    total = Money(sum(parts.values()), asset)
    return entry(cause, TAKEN, *_shared(parts, customer, asset), credit(accounts.clearing("stripe", asset), total))


def given_back(cause: str, parts: Parts, customer: str | None, asset: str, *, mirrors: bool) -> Entry:
    """It came back. `parts` say where it belongs now; `mirrors`: that is where it was taken from."""
    total = Money(sum(parts.values()), asset)
    back = tuple(Posting(one.account, -one.minor, one.layer) for one in _shared(parts, customer, asset))
    return entry(
        cause,
        GIVEN_BACK,
        debit(accounts.clearing("stripe", asset), total),
        *back,
        reverses=(cause, TAKEN) if mirrors else None,
    )


def place(name: str, customer: str | None, asset: str) -> LedgerAccount:
    """The account that such a part is in."""
    if customer is None or name == SUSPENSE:
        return accounts.suspense(asset)
    of = {UNCLAIMED: accounts.top_up, CASH: accounts.cash, OWED: accounts.receivable}
    return of[name](customer, asset)


def _shared(parts: Parts, customer: str | None, asset: str) -> tuple[Posting, ...]:
    return tuple(debit(place(name, customer, asset), Money(minor, asset)) for name, minor in sorted(parts.items()))
